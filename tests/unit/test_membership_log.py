"""What the membership log takes, what it refuses, and what it can be asked."""

from cProfile import Profile

import pytest

from harness.members import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    ERIN,
    KEEPER,
    NOW_MS,
    Actor,
    add,
    epoch,
    founded,
    genesis,
    last,
    merged,
    numbered_epoch,
    read,
    remove,
)
from p2pvault import limits
from p2pvault.errors import LimitExceeded, MalformedMessage, UnexpectedMessage
from p2pvault.limits import MIB, OPERATIONS_BYTES_MAX, OPERATIONS_PER_AUTHOR_BYTES_MAX
from p2pvault.protocol.membership import MembershipLog, evaluate
from p2pvault.protocol.membership.authority import Authority
from p2pvault.protocol.membership.operation import (
    Accepted,
    Content,
    Genesis,
    Header,
    JournalBound,
    NewEpoch,
    Recovery,
    RecoveryKeys,
    Remove,
    Rename,
    SetRole,
    sign_genesis,
    sign_operation,
)
from p2pvault.types import EMPTY_HASH, AuthorId, OperationHash, Role, VaultId


def forged(log: MembershipLog, actor: Actor, content: Content, **changes: object) -> bytes:
    """Return an operation with a header that is not what the log would give."""
    true = log.header(actor.id, NOW_MS)
    header = Header(
        changes.get("vault", true.vault),
        changes.get("prev", true.prev),
        changes.get("author", true.author),
        changes.get("n", true.n),
        true.wall_ms,
    )
    return sign_operation(header, content, actor.keys.signing)


def test_an_operation_is_taken_once() -> None:
    log = founded(ALICE, BOB)
    again = log.add(operation.data for operation in log.operations)
    assert again.added == ()
    assert again.log.heads == log.heads


def test_a_batch_is_taken_whole_or_not_at_all() -> None:
    log = founded(ALICE, BOB)
    good = BOB.write(log, Rename(BOB.id, "good")).operations[-1].data
    with pytest.raises(MalformedMessage):
        log.add([good, good[:-1] + bytes([good[-1] ^ 1]), forged(log, CAROL, add(DAVE))])
    assert len(log) == 2
    assert evaluate(log).members[BOB.id].name == "bob"


def test_a32_an_operation_whose_past_is_missing_waits_for_it() -> None:
    log = founded(ALICE, BOB)
    one = BOB.write(log, Rename(BOB.id, "one"))
    two = BOB.write(one, Rename(BOB.id, "two"))
    with pytest.raises(UnexpectedMessage, match="not known here"):
        log.add([two.operations[-1].data])
    assert log.add(o.data for o in two.operations[-2:]).log.heads == two.heads


def test_a_log_starts_with_a_genesis() -> None:
    with pytest.raises(MalformedMessage, match="genesis"):
        MembershipLog.load([founded(ALICE, BOB).operations[-1].data])


def test_a_log_has_one_genesis() -> None:
    other = genesis(BOB).operations[0].data
    with pytest.raises(MalformedMessage, match="genesis"):
        genesis().add([other])


def test_a32_an_operation_of_another_vault_is_refused() -> None:
    log, other = founded(ALICE, BOB), genesis(nonce=bytes([1]) * 16)
    spliced = forged(log, ALICE, Rename(BOB.id, "x"), vault=other.vault)
    with pytest.raises(MalformedMessage, match="another vault"):
        log.add([spliced])


def test_a32_an_operation_by_a_device_that_its_past_does_not_know_is_refused() -> None:
    log = founded(ALICE, BOB)
    with pytest.raises(MalformedMessage, match="does not know"):
        CAROL.write(log, add(CAROL))
    known_now = ALICE.write(log, add(CAROL))
    before = forged(log, CAROL, add(DAVE))
    with pytest.raises(MalformedMessage, match="does not know"):
        known_now.add([before])


def test_an_operation_in_another_devices_name_is_refused() -> None:
    log = founded(ALICE, BOB)
    with pytest.raises(MalformedMessage, match="signature"):
        log.add([forged(log, BOB, remove(BOB), author=ALICE.id, n=3)])


@pytest.mark.parametrize("n", [1, 2, 4])
def test_an_author_counts_its_operations_without_gap(n: int) -> None:
    log = founded(ALICE, BOB)
    with pytest.raises(MalformedMessage, match="has written 2"):
        log.add([forged(log, ALICE, Rename(BOB.id, "x"), n=n)])


def test_a32_operations_with_one_number_are_both_kept_as_evidence() -> None:
    log = founded(ALICE, BOB)
    fork = merged(BOB.write(log, Rename(BOB.id, "one")), BOB.write(log, Rename(BOB.id, "two")))
    assert [operation.n for operation in read(fork) if operation.author == BOB.id] == [1, 1]
    assert read(BOB.write(fork, Rename(BOB.id, "three")))[-1].n == 3


@pytest.mark.parametrize(
    "content", [remove(DAVE), SetRole(DAVE.id, Role.ADMIN), Rename(DAVE.id, "dave")]
)
def test_an_operation_about_a_device_never_introduced_is_refused(content: Content) -> None:
    with pytest.raises(MalformedMessage, match="never introduced"):
        ALICE.write(founded(ALICE, BOB), content)


def test_a_statement_needs_a_removal_that_its_author_knew() -> None:
    log = founded(ALICE, BOB, CAROL)
    removed = ALICE.write(log, remove(BOB))
    elsewhere = forged(log, CAROL, Accepted(last(removed), ()))
    for batch in (
        [forged(removed, CAROL, Accepted(last(log), ()))],
        [forged(removed, CAROL, Accepted(OperationHash(EMPTY_HASH), ()))],
        [elsewhere],
    ):
        with pytest.raises(MalformedMessage, match="cannot know"):
            removed.add(batch)


def test_a_statement_is_made_once() -> None:
    log = ALICE.write(founded(ALICE, BOB, CAROL), remove(BOB))
    removal = last(log)
    log = CAROL.write(CAROL.write(log, Accepted(removal, ())), Rename(CAROL.id, "c"))
    with pytest.raises(MalformedMessage, match="second statement"):
        CAROL.write(log, Accepted(removal, ()))


def test_statements_about_two_removals_are_two() -> None:
    log = ALICE.write(founded(ALICE, BOB, CAROL, DAVE), remove(BOB))
    one = last(log)
    log = ALICE.write(log, remove(DAVE))
    two = last(log)
    log = CAROL.write(CAROL.write(log, Accepted(one, ())), Accepted(two, ()))
    assert evaluate(log).owing[CAROL.id] == ()


def test_an_epoch_starts_once() -> None:
    log = founded(ALICE, BOB)
    log = ALICE.write(log, epoch(log, 1))
    with pytest.raises(MalformedMessage, match="second time"):
        BOB.write(log, epoch(log, 1))


def test_an_epoch_started_twice_at_once_counts_as_the_weaker_one() -> None:
    log = founded(ALICE, BOB)
    log = ALICE.write(log, epoch(log, 0))
    shallow = ALICE.write(log, epoch(log, 1))
    deep = BOB.write(log, epoch(log, 1, parents=[0]))
    for both in (merged(shallow, deep), merged(deep, shallow)):
        depths = {one.id: one.depth for one in evaluate(both).epochs}
        assert depths[numbered_epoch(log, 1)] == 0


def test_an_epoch_replaces_only_what_its_author_knew() -> None:
    log = founded(ALICE, BOB)
    for parent in (1, 2):
        with pytest.raises(MalformedMessage, match="cannot know"):
            BOB.write(log, epoch(log, 1, parents=[parent]))


def recoverable() -> tuple[MembershipLog, RecoveryKeys]:
    keys = RecoveryKeys(CAROL.public.signing, CAROL.public.box)
    content = Genesis("home", ALICE.card, keys, bytes(16))
    log = MembershipLog.load([sign_genesis(content, ALICE.keys, NOW_MS)])
    return ALICE.write(log, add(BOB)), keys


def test_what_a_recovery_key_signs_is_kept_and_so_is_what_its_successor_signs() -> None:
    log, keys = recoverable()
    header = log.header(keys.id, NOW_MS)
    log = log.add([sign_operation(header, remove(BOB), CAROL.keys.signing)]).log
    assert not evaluate(log).is_member(BOB.id)
    new = RecoveryKeys(DAVE.public.signing, DAVE.public.box)
    header = log.header(keys.id, NOW_MS)
    log = log.add([sign_operation(header, Recovery(new), CAROL.keys.signing)]).log
    header = log.header(new.id, NOW_MS)
    assert len(log.add([sign_operation(header, remove(ALICE), DAVE.keys.signing)]).log) == 5


def test_a_device_cannot_replace_the_recovery_key() -> None:
    log, keys = recoverable()
    with pytest.raises(MalformedMessage, match="recovery key"):
        ALICE.write(log, Recovery(keys))


def test_a_recovery_key_is_no_device() -> None:
    log, keys = recoverable()
    with pytest.raises(MalformedMessage, match="never introduced"):
        ALICE.write(log, Remove(keys.id, (), ""))


def test_a32_one_device_cannot_fill_the_log() -> None:
    """The bound counts forks too: these all have one number."""
    log = founded(ALICE, BOB)
    forks = [
        forged(log, BOB, Rename(BOB.id, f"fork {number}"))
        for number in range(limits.OPERATIONS_PER_AUTHOR_MAX + 1)
    ]
    full = log.add(forks[:-1]).log
    with pytest.raises(LimitExceeded, match="no room"):
        full.add(forks[-1:])
    assert len(full.heads) == limits.OPERATIONS_PER_AUTHOR_MAX
    assert len(ALICE.write(full, remove(BOB))) == len(full) + 1


def test_a32_who_may_not_admit_cannot_fill_the_log_in_the_names_of_others() -> None:
    """Each of these others could write as much as a device may."""
    log = CAROL.write(ALICE.write(founded(ALICE, BOB), add(CAROL, Role.MEMBER)), add(DAVE))
    for content in (Rename(DAVE.id, "dave"), add(ERIN)):
        with pytest.raises(MalformedMessage, match="nobody could admit"):
            DAVE.write(log, content)


def test_who_was_let_in_without_right_may_write_once_somebody_does_who_has_it() -> None:
    void = CAROL.write(ALICE.write(founded(ALICE, BOB), add(CAROL, Role.MEMBER)), add(DAVE))
    for right in (ALICE.write(void, add(DAVE)), KEEPER.write(void, SetRole(DAVE.id, Role.ADMIN))):
        named = DAVE.write(right, Rename(DAVE.id, "david"))
        assert evaluate(named).members[DAVE.id].name == "david"
        assert len(DAVE.write(named, Rename(DAVE.id, "dave"))) == len(named) + 1


def test_a32_the_bytes_that_one_device_may_write_are_bounded() -> None:
    """What all may write together is handed to a new device in one package."""
    log = founded(ALICE, BOB)
    wide = tuple(JournalBound(AuthorId(n.to_bytes(16)), n) for n in range(limits.JOURNALS_MAX))
    fits = OPERATIONS_PER_AUTHOR_BYTES_MAX // len(forged(log, BOB, Remove(ALICE.id, wide, "00")))
    removals = [forged(log, BOB, Remove(ALICE.id, wide, f"{n:02}")) for n in range(fits + 1)]
    with pytest.raises(LimitExceeded, match="of this device"):
        log.add(removals)
    log = log.add(removals[:fits]).log
    assert OPERATIONS_BYTES_MAX + MIB <= limits.PAIRING_PACKAGE_BYTES_MAX
    assert not evaluate(ALICE.write(log, remove(BOB))).is_member(BOB.id)


def test_a32_what_a_device_claims_again_and_again_is_judged_once_each() -> None:
    """Each removal is judged by all before it, so what those mean is not worked out anew."""
    log = before = ALICE.write(founded(ALICE, BOB), add(CAROL, Role.MEMBER))
    for _ in range(50):
        log = CAROL.write(CAROL.write(log, SetRole(CAROL.id, Role.ADMIN)), remove(ALICE))
    claims = [operation.data for operation in log.operations[len(before) :]]
    profile = Profile()
    profile.runcall(before.add, claims)
    calls = {entry.code: entry.callcount for entry in profile.getstats()}
    assert calls[Authority.permits.__code__] <= len(claims)


def test_a32_what_follows_many_heads_names_few_and_keeps_the_authors_count() -> None:
    log = founded(ALICE, BOB, CAROL)
    mine = CAROL.write(log, Rename(CAROL.id, "mine"))
    forks = [forged(log, BOB, Rename(BOB.id, f"fork {number}")) for number in range(20)]
    header = mine.add(forks).log.header(CAROL.id, NOW_MS)
    assert len(header.prev) == limits.MEMBERSHIP_HEADS_MAX
    assert header.n == 2
    assert last(mine) in header.prev


def test_covers_answers_who_knew_what() -> None:
    log = founded(ALICE, BOB)
    removed = ALICE.write(log, remove(BOB))
    removal = last(removed)
    assert removed.covers(removed.heads, removal)
    assert removed.covers([removal], last(log))
    assert not removed.covers(log.heads, removal)
    assert not log.covers(removed.heads, removal), "unknown here"
    assert removal in removed
    assert removal not in log


def test_since_leaves_unknown_heads_out() -> None:
    log = founded(ALICE, BOB)
    assert log.since([OperationHash(EMPTY_HASH)]) == log.operations
    assert log.since([OperationHash(EMPTY_HASH), *log.heads]) == ()


def test_the_vault_is_named_after_its_genesis() -> None:
    log = genesis()
    assert log.vault == VaultId(log.operations[0].hash)
    assert log.vault == read(ALICE.write(log, add(BOB)))[-1].vault


def test_two_vaults_of_one_device_are_two() -> None:
    assert genesis().vault != genesis(nonce=bytes([1]) * 16).vault


def test_an_epoch_with_boxes_for_everybody_fits_into_one_operation() -> None:
    log = founded(ALICE)
    crowd = [Actor(f"crowd {number}") for number in range(limits.DEVICES_MAX)]
    log = ALICE.write(log, epoch(log, 1, [ALICE, *crowd]))
    content = read(log)[-1].content
    assert isinstance(content, NewEpoch)
    assert len(content.boxes) == limits.DEVICES_MAX + 1
    assert len(log.operations[-1].data) < limits.OPERATION_BYTES_MAX
