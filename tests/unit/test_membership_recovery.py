"""The recovery key (R4) and equivocation (R7), rule by rule (docs/protocol/membership.md)."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.members import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    ERIN,
    JOURNALS,
    KEEPER,
    NOW_MS,
    SUCCESSOR,
    Actor,
    Keeper,
    add,
    effect,
    epoch,
    founded,
    last,
    merged,
    numbered_epoch,
    remove,
)
from p2pvault.errors import LimitExceeded, MembershipError, NoSuchDevice
from p2pvault.limits import OPERATIONS_MAX, OPERATIONS_PER_AUTHOR_MAX
from p2pvault.protocol.membership import (
    Decision,
    MembershipLog,
    RecoveryKey,
    admit_by_key,
    evaluate,
    open_epochs,
    recover,
    reinstate,
    revoke,
)
from p2pvault.protocol.membership.decode import decode
from p2pvault.protocol.membership.operation import (
    Accepted,
    DeviceCard,
    Genesis,
    JournalBound,
    Recovery,
    Rename,
    SetRole,
    sign_genesis,
    sign_operation,
)
from p2pvault.types import Role


def member(actor: Actor, *others: Actor) -> MembershipLog:
    """Alice and others are admins, and one actor is a member."""
    return ALICE.write(founded(ALICE, *others), add(actor, Role.MEMBER))


def roles(log: MembershipLog) -> dict[str, Role]:
    return {one.name: one.role for one in evaluate(log).members.values()}


ADMIN, MEMBER = Role.ADMIN, Role.MEMBER


def test_r4_the_key_changes_the_membership_without_being_a_member() -> None:
    log = KEEPER.write(member(BOB), SetRole(BOB.id, ADMIN))
    log = KEEPER.write(KEEPER.write(log, remove(ALICE)), add(DAVE))
    assert roles(log) == {"bob": ADMIN, "dave": ADMIN}
    removal = evaluate(log).removed[ALICE.id]
    assert removal.removed_by == KEEPER.id


def test_r4_a_removal_beside_a_naming_is_void() -> None:
    log = member(BOB)
    both = merged(ALICE.write(log, remove(BOB)), KEEPER.write(log, SetRole(BOB.id, ADMIN)))
    assert roles(both) == {"alice": ADMIN, "bob": ADMIN}
    assert evaluate(both).removed == {}


def test_r4_a_removal_that_a_naming_knows_is_lifted() -> None:
    log = ALICE.write(member(BOB), remove(BOB))
    assert roles(KEEPER.write(log, SetRole(BOB.id, MEMBER))) == {"alice": ADMIN, "bob": MEMBER}


def test_r4_what_r2_voided_stays_void_when_the_removal_is_lifted() -> None:
    log = founded(ALICE, BOB)
    beside = BOB.write(log, add(CAROL))
    back = KEEPER.write(ALICE.write(log, remove(BOB)), SetRole(BOB.id, ADMIN))
    assert roles(merged(beside, back)) == {"alice": ADMIN, "bob": ADMIN}


def test_r4_a_removal_that_knows_the_naming_stands() -> None:
    log = KEEPER.write(member(BOB), SetRole(BOB.id, ADMIN))
    assert roles(ALICE.write(log, remove(BOB))) == {"alice": ADMIN}


def test_r4_a_role_given_beside_a_naming_does_not_count() -> None:
    log = member(BOB, CAROL)
    named = KEEPER.write(log, SetRole(BOB.id, ADMIN))
    both = merged(named, CAROL.write(log, SetRole(BOB.id, MEMBER)))
    assert roles(both)["bob"] is ADMIN
    assert roles(ALICE.write(both, SetRole(BOB.id, MEMBER)))["bob"] is MEMBER


def test_r4_a_thief_that_removes_everybody_is_undone_although_nobody_named_them() -> None:
    log = founded(ALICE, BOB, CAROL)
    purge = BOB.write(BOB.write(log, remove(ALICE)), remove(CAROL))
    assert roles(merged(purge, KEEPER.write(log, remove(BOB)))) == {"alice": ADMIN, "carol": ADMIN}


def test_r4_what_a_thief_removed_before_the_key_was_used_stands_until_the_key_speaks_of_it() -> (
    None
):
    log = BOB.write(founded(ALICE, BOB, CAROL), remove(CAROL))
    log = KEEPER.write(log, remove(BOB))
    assert roles(log) == {"alice": ADMIN}
    assert roles(KEEPER.write(log, SetRole(CAROL.id, MEMBER))) == {"alice": ADMIN, "carol": MEMBER}


def test_r4_a_device_whose_admission_fell_is_let_in_by_its_name_alone() -> None:
    log = founded(ALICE, BOB)
    fallen = merged(BOB.write(log, add(CAROL)), ALICE.write(log, remove(BOB)))
    assert evaluate(fallen).fallen.keys() == {CAROL.id}
    log = KEEPER.write(fallen, SetRole(CAROL.id, ADMIN))
    assert roles(log) == {"alice": ADMIN, "carol": ADMIN}
    assert evaluate(log).keys_of(CAROL.id) == CAROL.public


def test_r4_only_the_key_lets_back_in_whom_the_key_removed() -> None:
    log = KEEPER.write(founded(ALICE, BOB), remove(BOB))
    assert roles(ALICE.write(ALICE.write(log, add(BOB)), SetRole(BOB.id, ADMIN))).keys() == {
        "alice"
    }
    assert roles(KEEPER.write(log, SetRole(BOB.id, MEMBER))).keys() == {"alice", "bob"}


def test_r4_of_two_uses_that_do_not_know_each_other_the_lower_hash_is_in_force() -> None:
    log = founded(ALICE, BOB, CAROL)
    one, two = KEEPER.write(log, remove(ALICE)), KEEPER.write(log, remove(BOB))
    winner = one if last(one) < last(two) else two
    both = merged(one, two)
    assert roles(both) == roles(winner)
    assert evaluate(both).contested
    assert not evaluate(one).contested
    assert not evaluate(KEEPER.write(both, SetRole(CAROL.id, ADMIN))).contested


def test_r4_what_follows_only_the_use_that_lost_is_lost_with_it() -> None:
    log = founded(ALICE, BOB, CAROL)
    one, two = KEEPER.write(log, remove(ALICE)), KEEPER.write(log, remove(BOB))
    winner, loser = sorted((one, two), key=last)
    later = KEEPER.write(loser, remove(CAROL))
    assert roles(merged(later, winner)) == roles(winner)
    aware = KEEPER.write(merged(loser, winner), remove(CAROL))
    assert "carol" not in roles(aware)


def test_r4_a_replaced_key_has_no_say_and_the_new_one_has() -> None:
    log = KEEPER.write(member(BOB), Recovery(SUCCESSOR.key.public))
    assert evaluate(log).recovery == SUCCESSOR.key.public
    late = KEEPER.write(log, remove(ALICE))
    assert roles(late).keys() == {"alice", "bob"}
    assert evaluate(late).contested
    assert roles(SUCCESSOR.write(log, remove(ALICE))).keys() == {"bob"}


def test_r4_the_key_says_nothing_about_bounds_that_a_member_would() -> None:
    log = ALICE.write(founded(ALICE, BOB), remove(BOB, seen=3))
    log = KEEPER.write(log, Accepted(last(log), (JournalBound(JOURNALS[BOB], 9),)))
    assert evaluate(log).bounds == {JOURNALS[BOB]: 3}


def test_r4_a_removal_that_was_voided_still_bounds_what_somebody_accepted_by_it() -> None:
    log = member(BOB)
    both = merged(ALICE.write(log, remove(BOB, seen=5)), KEEPER.write(log, SetRole(BOB.id, ADMIN)))
    assert evaluate(both).acceptance(BOB.id, JOURNALS[BOB]) is None
    assert evaluate(ALICE.write(both, remove(BOB, seen=2))).bounds == {JOURNALS[BOB]: 5}


def test_r6_the_recovery_key_may_open_every_epoch() -> None:
    log = founded(ALICE)
    closed = epoch(log, 1, [ALICE, KEEPER])  # type: ignore[list-item]  # anything with an id
    assert not evaluate(ALICE.write(log, closed)).needs_epoch
    other = epoch(log, 1, [ALICE, SUCCESSOR])  # type: ignore[list-item]  # the same
    assert evaluate(ALICE.write(log, other)).needs_epoch


def forked(log: MembershipLog, actor: Actor) -> MembershipLog:
    """Let a device give itself two names under one number."""
    return merged(*(actor.write(log, Rename(actor.id, name)) for name in ("one", "two")))


def test_r7_a_device_that_contradicts_itself_is_suspended_with_the_evidence() -> None:
    log = forked(founded(ALICE, BOB), BOB)
    membership = evaluate(log)
    assert membership.members.keys() == {ALICE.id}
    suspension = membership.suspended[BOB.id]
    assert set(suspension.evidence) == {one.hash for one in log.operations[-2:]}
    assert (suspension.role, suspension.public) == (ADMIN, BOB.public)
    assert suspension.name in {"one", "two"}
    assert membership.suspended_by_static(BOB.public.static) == suspension
    assert membership.acceptance(BOB.id, JOURNALS[BOB]) is None
    assert membership.keys_of(BOB.id) == BOB.public


def test_r7_a_suspended_device_has_no_say_and_cannot_let_itself_in() -> None:
    log = forked(founded(ALICE, BOB), BOB)
    before = effect(log)
    for content in (add(DAVE), remove(ALICE), SetRole(BOB.id, ADMIN), Rename(BOB.id, "me")):
        assert effect(BOB.write(log, content)) == before


@pytest.mark.parametrize("judge", [ALICE, KEEPER])
def test_r7_an_admin_or_the_key_lets_it_in_again(judge: Actor | Keeper) -> None:
    log = forked(founded(ALICE, BOB), BOB)
    assert evaluate(judge.write(log, SetRole(BOB.id, ADMIN))).is_admin(BOB.id)


def test_r7_what_does_not_follow_the_word_of_the_key_is_no_evidence() -> None:
    log = founded(ALICE, BOB)
    named = merged(forked(log, BOB), KEEPER.write(log, SetRole(BOB.id, ADMIN)))
    assert evaluate(named).suspended == {}
    assert evaluate(forked(named, BOB)).suspended.keys() == {BOB.id}


def test_r7_whoever_did_not_know_the_evidence_excuses_nothing() -> None:
    log = founded(ALICE, BOB)
    blind = ALICE.write(log, SetRole(BOB.id, ADMIN))
    assert BOB.id in evaluate(merged(forked(log, BOB), blind)).suspended


def test_r7_a_third_operation_with_the_number_suspends_it_again() -> None:
    log = founded(ALICE, BOB)
    excused = ALICE.write(forked(log, BOB), SetRole(BOB.id, ADMIN))
    again = merged(excused, BOB.write(log, Rename(BOB.id, "three")))
    assert len(evaluate(again).suspended[BOB.id].evidence) == 3


def test_r7_a_suspended_device_can_be_removed_and_then_is_only_that() -> None:
    log = ALICE.write(forked(founded(ALICE, BOB), BOB), remove(BOB))
    membership = evaluate(log)
    assert (membership.suspended, membership.removed.keys()) == ({}, {BOB.id})


def test_r7_an_epoch_that_a_suspended_device_can_open_is_open() -> None:
    log = founded(ALICE, BOB)
    log = ALICE.write(log, epoch(log, 1, [ALICE, BOB]))
    suspended = forked(log, BOB)
    assert evaluate(suspended).needs_epoch
    assert not evaluate(ALICE.write(suspended, epoch(log, 2, [ALICE], parents=[1]))).needs_epoch


def test_r7_the_recovery_key_is_no_device_and_never_suspended() -> None:
    log = member(BOB)
    both = merged(KEEPER.write(log, remove(ALICE)), KEEPER.write(log, SetRole(BOB.id, ADMIN)))
    assert evaluate(both).suspended == {}


# Writing -----------------------------------------------------------------------------------


def test_a_use_of_the_key_names_everybody_who_stays_and_starts_an_epoch() -> None:
    log = ALICE.write(member(BOB), add(CAROL, MEMBER))
    seen = {ALICE.id: {JOURNALS[ALICE]: 7}}
    written = recover(log, BOB.author, KEEPER.key, Decision(seen))
    membership = evaluate(written.log)
    assert roles(written.log) == {"bob": ADMIN, "carol": MEMBER}
    assert membership.bounds == {JOURNALS[ALICE]: 7}
    assert not membership.needs_epoch
    assert membership.current is not None
    assert written.secrets.keys() == {membership.current.id}
    opened = open_epochs(written.log, membership, KEEPER.id, KEEPER.key.box, {})
    assert opened == written.secrets
    assert written.added == written.log.operations[len(log) :]


def test_a32_the_key_is_of_use_after_an_admin_has_filled_the_log() -> None:
    full = filled(founded(ALICE, BOB), BOB)
    with pytest.raises(LimitExceeded):
        revoke(full, ALICE.author, BOB.id, {})
    log = recover(full, ALICE.author, KEEPER.key, Decision({BOB.id: {}})).log
    assert not evaluate(log).is_member(BOB.id)
    assert not evaluate(log).needs_epoch
    current = evaluate(log).current
    assert current.id in open_epochs(log, evaluate(log), ALICE.id, ALICE.keys.box, {})
    admitted = admit_by_key(log, KEEPER.key, NOW_MS, CAROL.card, {})
    assert evaluate(admitted.log).is_admin(CAROL.id)


def filled(log: MembershipLog, thief: Actor) -> MembershipLog:
    """Fill a log, as far as devices may, in the names of others whom an admin made up."""
    puppets = [Actor(f"puppet {number}") for number in range(9)]
    for puppet in puppets:
        log = thief.write(log, add(puppet))
    noise = [data for puppet in puppets for data in chatter(log, puppet)]
    room = OPERATIONS_MAX - OPERATIONS_PER_AUTHOR_MAX - len(log)
    full = log.add(noise[:room]).log
    with pytest.raises(LimitExceeded):
        full.add(noise[room:])
    return full


def chatter(log: MembershipLog, actor: Actor) -> Iterator[bytes]:
    """Write as much as a device may, each operation on top of the one before."""
    header = log.header(actor.id, NOW_MS)
    for n in range(1, OPERATIONS_PER_AUTHOR_MAX + 1):
        header = replace(header, n=n)
        yield (data := sign_operation(header, Rename(actor.id, f"{n}"), actor.keys.signing))
        header = replace(header, prev=(decode(data).operation.hash,))


def test_a_use_of_the_key_holds_against_whatever_a_puppet_of_the_thief_backdates() -> None:
    log = member(BOB)
    puppet = ALICE.write(log, add(DAVE))
    purge = DAVE.write(DAVE.write(puppet, remove(BOB)), remove(ALICE))
    written = recover(log, BOB.author, KEEPER.key, Decision({ALICE.id: {}}))
    assert roles(merged(purge, written.log)) == {"bob": ADMIN}


def test_a_removed_device_takes_the_vault_over_and_brings_others_back() -> None:
    log = founded(ALICE, BOB, CAROL)
    log = BOB.write(BOB.write(log, remove(ALICE)), remove(CAROL))
    decision = Decision({BOB.id: {}}, restored=[CAROL.id])
    written = recover(log, ALICE.author, KEEPER.key, decision)
    assert roles(written.log) == {"alice": ADMIN, "carol": MEMBER}
    assert not evaluate(written.log).needs_epoch


def test_an_admin_that_contradicted_itself_takes_the_vault_over_again() -> None:
    log = forked(member(BOB), ALICE)
    assert roles(log).keys() == {"bob"}
    written = recover(log, ALICE.author, KEEPER.key, Decision({}))
    assert evaluate(written.log).is_admin(ALICE.id)
    assert roles(written.log).keys() == {"one", "bob"} or roles(written.log).keys() == {
        "two",
        "bob",
    }


def test_a_suspended_device_stays_outside_unless_the_decision_names_it() -> None:
    log = forked(member(BOB), BOB)
    assert roles(recover(log, ALICE.author, KEEPER.key, Decision({})).log).keys() == {"alice"}
    named = recover(log, ALICE.author, KEEPER.key, Decision({}, [BOB.id]))
    assert evaluate(named.log).is_member(BOB.id)


def test_nothing_is_signed_with_words_of_another_vault_or_about_devices_elsewhere() -> None:
    log = member(BOB)
    with pytest.raises(MembershipError, match="another vault"):
        recover(log, BOB.author, RecoveryKey(bytes(32)), Decision({}))
    with pytest.raises(MembershipError, match="cannot be one that is lost"):
        recover(log, BOB.author, KEEPER.key, Decision({BOB.id: {}}))
    for decision in (Decision({ERIN.id: {}}), Decision({}, [ERIN.id]), Decision({}, [ALICE.id])):
        with pytest.raises(NoSuchDevice):
            recover(log, BOB.author, KEEPER.key, decision)
    with pytest.raises(MembershipError, match="another vault"):
        admit_by_key(log, SUCCESSOR.key, NOW_MS, DAVE.card, {})


def test_a_vault_that_was_made_without_a_key_says_so() -> None:
    content = Genesis("home", ALICE.card, None, bytes(16))
    log = MembershipLog.load([sign_genesis(content, ALICE.keys, NOW_MS)])
    assert evaluate(log).recovery is None
    with pytest.raises(MembershipError, match="without a recovery key"):
        recover(log, ALICE.author, KEEPER.key, Decision({}))


def test_the_key_admits_a_device_as_an_admin_with_the_secrets_of_the_epochs() -> None:
    log = founded(ALICE)
    log = ALICE.write(log, epoch(log, 1, [ALICE]))
    card = DeviceCard(DAVE.public, "new", "laptop")
    written = admit_by_key(
        log, KEEPER.key, NOW_MS, card, {numbered_epoch(log, 1): (1).to_bytes(32, "big")}
    )
    membership = evaluate(written.log)
    assert membership.members[DAVE.id].added_by == KEEPER.id
    assert membership.is_admin(DAVE.id)
    opened = open_epochs(written.log, membership, DAVE.id, DAVE.keys.box, {})
    assert opened == {numbered_epoch(log, 1): (1).to_bytes(32, "big")}
    with pytest.raises(MembershipError, match="already"):
        admit_by_key(written.log, KEEPER.key, NOW_MS, card, {})


def test_an_admin_lets_a_suspended_device_in_or_removes_it() -> None:
    log = forked(member(BOB), BOB)
    again = reinstate(log, ALICE.author, BOB.id)
    assert evaluate(again.log).members[BOB.id].role is MEMBER
    with pytest.raises(MembershipError, match="not suspended"):
        reinstate(again.log, ALICE.author, BOB.id)
    assert evaluate(revoke(log, ALICE.author, BOB.id, {}).log).removed.keys() == {BOB.id}


def test_a_seed_makes_one_key_and_shows_in_no_representation() -> None:
    key = RecoveryKey(bytes(range(32)))
    assert key.public == RecoveryKey(bytes(range(32))).public
    assert key.public != RecoveryKey(bytes(32)).public
    assert len({key.seed, key.signing, key.box[:32], key.box[32:64], key.box[64:]}) == 5
    assert "010203" not in repr(key).replace("\\x", "")


# What only looks like a detail ---------------------------------------------------------------


def test_r4_what_a_device_did_beside_a_removal_that_is_void_counts() -> None:
    log = founded(ALICE, BOB)
    removed, named = ALICE.write(log, remove(BOB)), KEEPER.write(log, SetRole(BOB.id, ADMIN))
    assert "carol" in roles(merged(removed, named, BOB.write(log, add(CAROL))))


def test_r4_a_removal_by_a_replaced_key_states_no_bounds() -> None:
    log = KEEPER.write(member(BOB), Recovery(SUCCESSOR.key.public))
    assert evaluate(KEEPER.write(log, remove(BOB, seen=9))).bounds == {}
    assert evaluate(SUCCESSOR.write(log, remove(BOB, seen=9))).bounds == {JOURNALS[BOB]: 9}


def test_r4_of_two_namings_that_do_not_know_each_other_one_counts() -> None:
    log = ALICE.write(member(BOB), add(CAROL, MEMBER))
    uses = [KEEPER.write(log, SetRole(actor.id, ADMIN)) for actor in (BOB, CAROL)]
    found = roles(merged(*uses))
    assert [found["bob"], found["carol"]].count(ADMIN) == 1
    assert found == roles(min(uses, key=last))


def test_r7_an_epoch_that_does_not_know_the_evidence_is_open_whoever_has_its_boxes() -> None:
    log = ALICE.write(founded(ALICE), epoch(founded(ALICE), 1, [ALICE]))
    log = ALICE.write(log, add(BOB))
    assert not evaluate(log).needs_epoch
    assert evaluate(forked(log, BOB)).needs_epoch


def test_a_use_of_the_key_keeps_everybody_else_in_against_what_is_backdated() -> None:
    log = ALICE.write(member(BOB), add(CAROL, MEMBER))
    puppet = ALICE.write(log, add(DAVE))
    purge = DAVE.write(puppet, remove(CAROL))
    written = recover(log, BOB.author, KEEPER.key, Decision({ALICE.id: {}}))
    assert roles(merged(purge, written.log)) == {"bob": ADMIN, "carol": MEMBER}
