"""Writing operations: what is allowed happens, what is not is refused before it is signed."""

import pytest

from harness.entropy import seeded
from harness.members import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    JOURNALS,
    KEEPER,
    NOW_MS,
    SEALED,
    Actor,
    founded,
    merged,
)
from p2pvault import limits
from p2pvault.crypto.keys import DeviceKeys, PublicKeys, device_id
from p2pvault.crypto.seal import seal_to
from p2pvault.errors import BadValue, CryptoError, MembershipError, NoSuchDevice
from p2pvault.protocol.membership import (
    Author,
    DeviceCard,
    MembershipLog,
    Written,
    admit,
    change_role,
    epoch_id,
    evaluate,
    found,
    open_epochs,
    rename,
    revoke,
    start_epoch,
    state_accepted,
)
from p2pvault.protocol.membership.operation import (
    Add,
    EpochBox,
    MemberBox,
    NewEpoch,
    Remove,
    Rename,
    sign_operation,
)
from p2pvault.types import EpochId, Role

MANY = [DeviceKeys.generate(seeded(number)) for number in range(20)]


class Home:
    """A vault with Alice (admin) and Bob (member), written as a daemon would."""

    def __init__(self) -> None:
        self.founding = found(ALICE.author, "home", "alice", "laptop", KEEPER.key.public)
        self.admission = admit(
            self.founding.log, ALICE.author, BOB.card, Role.MEMBER, self.founding.secrets
        )
        self.log = self.admission.log
        self.secrets = dict(self.founding.secrets)


@pytest.fixture
def home() -> Home:
    return Home()


def opened_by(actor: Actor, written: Written) -> dict[EpochId, bytes]:
    membership = evaluate(written.log)
    return open_epochs(written.log, membership, actor.id, actor.keys.box, {})


def test_a_vault_starts_with_an_epoch_that_its_first_device_knows(home: Home) -> None:
    membership = evaluate(home.founding.log)
    assert membership.current is not None
    assert home.founding.secrets.keys() == {membership.current.id}
    assert home.founding.added == home.founding.log.operations
    assert not membership.needs_epoch


def test_a_first_device_that_lost_its_secrets_opens_its_own_boxes(home: Home) -> None:
    assert opened_by(ALICE, home.founding) == home.secrets


def test_an_admitted_device_opens_the_epochs_sealed_to_it(home: Home) -> None:
    assert opened_by(BOB, home.admission) == home.secrets


def test_an_admission_hands_over_the_newest_four_epochs(home: Home) -> None:
    log, secrets = home.log, dict(home.secrets)
    for number in range(5):
        started = start_epoch(log, Author(ALICE.keys, seeded(number), NOW_MS))
        log, secrets = started.log, secrets | dict(started.secrets)
    admission = admit(log, ALICE.author, CAROL.card, Role.ADMIN, secrets)
    newest = evaluate(log).epochs[: limits.GATE_EPOCHS_MAX]
    assert opened_by(CAROL, admission).keys() == {epoch.id for epoch in newest}


def test_nobody_else_opens_anything(home: Home) -> None:
    membership = evaluate(home.log)
    assert open_epochs(home.log, membership, CAROL.id, CAROL.keys.box, {}) == {}
    assert open_epochs(home.log, membership, BOB.id, CAROL.keys.box, {}) == {}


def test_known_secrets_are_not_opened_again(home: Home) -> None:
    membership = evaluate(home.log)
    assert open_epochs(home.log, membership, BOB.id, BOB.keys.box, home.secrets) == {}


def test_a_removed_device_cannot_open_the_epoch_after_it(home: Home) -> None:
    log = admit(home.log, ALICE.author, CAROL.card, Role.MEMBER, home.secrets).log
    removal = revoke(log, ALICE.author, BOB.id, {JOURNALS[BOB]: 12}, "lost")
    membership = evaluate(removal.log)
    assert membership.current is not None
    assert removal.secrets.keys() == {membership.current.id}
    assert not membership.needs_epoch
    assert membership.current.id not in opened_by(BOB, removal)
    assert opened_by(CAROL, removal)[membership.current.id] in removal.secrets.values()
    assert membership.acceptance(BOB.id, JOURNALS[BOB]) == 12


def test_an_epoch_follows_all_that_stand_side_by_side(home: Home) -> None:
    log = change_role(home.log, ALICE.author, BOB.id, Role.ADMIN).log
    one = start_epoch(log, Author(ALICE.keys, seeded(1), NOW_MS)).log
    two = start_epoch(log, Author(BOB.keys, seeded(2), NOW_MS)).log
    both = merged(one, two)
    assert len(evaluate(both).tips) == 2
    joined = start_epoch(both, Author(BOB.keys, seeded(3), NOW_MS))
    membership = evaluate(joined.log)
    assert membership.tips == tuple(joined.secrets)
    assert membership.current is not None
    assert membership.current.depth == 2


def test_a_box_with_another_secret_than_the_epochs_is_passed_over() -> None:
    log = founded(ALICE, BOB)
    lie = epoch_id(log.vault, bytes([9]) * 32)
    content = NewEpoch(lie, (), (MemberBox(BOB.id, SEALED),))
    log = ALICE.write(log, content)
    assert open_epochs(log, evaluate(log), BOB.id, BOB.keys.box, {}) == {}


def test_a_secret_sealed_under_a_wrong_id_is_passed_over() -> None:
    """What an admin could try: give two members two secrets of one epoch."""
    log = founded(ALICE, BOB)
    true = epoch_id(log.vault, bytes(32))
    info = b"p2pvault/1 epoch" + log.vault + true + BOB.id
    other = seal_to(BOB.public.box, bytes([1]) * 32, info)
    log = ALICE.write(log, NewEpoch(true, (), (MemberBox(BOB.id, other),)))
    assert open_epochs(log, evaluate(log), BOB.id, BOB.keys.box, {}) == {}
    right = seal_to(BOB.public.box, bytes(32), info)
    again = Add(BOB.card, Role.ADMIN, (EpochBox(true, right),))
    log = ALICE.write(log, again)
    assert open_epochs(log, evaluate(log), BOB.id, BOB.keys.box, {}) == {true: bytes(32)}


def test_a_device_with_an_unusable_box_key_cannot_stop_a_removal(home: Home) -> None:
    public = PublicKeys(DAVE.public.signing, DAVE.public.static, bytes([0xFF]) * 1216)
    broken = DeviceCard(public, "broken", "laptop")
    with pytest.raises(CryptoError):
        admit(home.log, ALICE.author, broken, Role.MEMBER, home.secrets)
    log = ALICE.write(home.log, Add(broken, Role.MEMBER, ()))
    removal = revoke(log, ALICE.author, BOB.id, {})
    assert not evaluate(removal.log).needs_epoch
    assert opened_by(ALICE, removal).keys() >= removal.secrets.keys()


def test_every_other_device_gets_a_box_whichever_has_an_unusable_key(home: Home) -> None:
    ids = sorted((device_id(keys.public), n) for n, keys in enumerate(MANY))
    assert ids[0][0] < CAROL.id < ids[-1][0], "boxes are made in this order"
    for _, which in (ids[0], ids[-1]):
        signing, static = MANY[which].public.signing, MANY[which].public.static
        broken = DeviceCard(PublicKeys(signing, static, bytes([0xFF]) * 1216), "broken", "laptop")
        log = admit(home.log, ALICE.author, CAROL.card, Role.MEMBER, home.secrets).log
        removal = revoke(ALICE.write(log, Add(broken, Role.MEMBER, ())), ALICE.author, BOB.id, {})
        for actor in (ALICE, CAROL):
            assert opened_by(actor, removal).keys() >= removal.secrets.keys()


def test_a_member_may_not_change_the_membership(home: Home) -> None:
    bob = BOB.author
    for act in (
        lambda: admit(home.log, bob, CAROL.card, Role.MEMBER, {}),
        lambda: revoke(home.log, bob, ALICE.id, {}),
        lambda: start_epoch(home.log, bob),
        lambda: change_role(home.log, bob, BOB.id, Role.ADMIN),
        lambda: rename(home.log, bob, ALICE.id, "a"),
    ):
        with pytest.raises(MembershipError, match="not an admin"):
            act()


def test_a_device_renames_itself_and_an_admin_renames_anybody(home: Home) -> None:
    assert evaluate(rename(home.log, BOB.author, BOB.id, "b").log).members[BOB.id].name == "b"
    assert evaluate(rename(home.log, ALICE.author, BOB.id, "c").log).members[BOB.id].name == "c"


def test_an_act_on_a_device_that_is_no_member_is_refused(home: Home) -> None:
    for act in (
        lambda: revoke(home.log, ALICE.author, CAROL.id, {}),
        lambda: change_role(home.log, ALICE.author, CAROL.id, Role.ADMIN),
        lambda: rename(home.log, ALICE.author, CAROL.id, "c"),
        lambda: rename(home.log, CAROL.author, CAROL.id, "c"),
    ):
        with pytest.raises(NoSuchDevice):
            act()


def test_a_device_cannot_revoke_itself(home: Home) -> None:
    with pytest.raises(MembershipError, match="revoke itself"):
        revoke(home.log, ALICE.author, ALICE.id, {})


def test_the_last_admin_stays_one(home: Home) -> None:
    with pytest.raises(MembershipError, match="without an admin"):
        change_role(home.log, ALICE.author, ALICE.id, Role.MEMBER)
    log = change_role(home.log, ALICE.author, BOB.id, Role.ADMIN).log
    log = change_role(log, BOB.author, ALICE.id, Role.MEMBER).log
    assert not evaluate(log).is_admin(ALICE.id)


def test_a_device_is_admitted_once_and_never_after_its_removal(home: Home) -> None:
    with pytest.raises(MembershipError, match="already"):
        admit(home.log, ALICE.author, BOB.card, Role.MEMBER, home.secrets)
    removed = revoke(home.log, ALICE.author, BOB.id, {})
    with pytest.raises(MembershipError, match="never used again"):
        admit(removed.log, ALICE.author, BOB.card, Role.MEMBER, {})


@pytest.mark.parametrize("name", ["", " x", "a\x1b[2J", "a\u202eb", "n" * 65])
def test_names_that_cannot_be_shown_are_not_written(home: Home, name: str) -> None:
    for act in (
        lambda: found(ALICE.author, name, "alice", "laptop", KEEPER.key.public),
        lambda: found(ALICE.author, "home", name, "laptop", KEEPER.key.public),
        lambda: rename(home.log, BOB.author, BOB.id, name),
        lambda: admit(
            home.log, ALICE.author, DeviceCard(CAROL.public, name, "nas"), Role.MEMBER, {}
        ),
    ):
        with pytest.raises(BadValue):
            act()


def test_a_kind_is_a_word(home: Home) -> None:
    with pytest.raises(BadValue):
        found(ALICE.author, "home", "alice", "A Laptop", KEEPER.key.public)


def test_a_reason_that_cannot_be_shown_is_not_written(home: Home) -> None:
    with pytest.raises(BadValue):
        revoke(home.log, ALICE.author, BOB.id, {}, "\x1b[2J")


@pytest.mark.parametrize("reason", ["", "lost"])
def test_a_removal_carries_the_reason_that_was_given_and_no_other(home: Home, reason: str) -> None:
    given = (reason,) if reason else ()
    written = revoke(home.log, ALICE.author, BOB.id, {}, *given)
    history = written.log.ledger.history
    contents = [history[number].content for number in range(len(history))]
    assert [each for each in contents if isinstance(each, Remove)] == [Remove(BOB.id, (), reason)]


def test_a_full_vault_admits_nobody() -> None:
    log = founded(*(Actor(f"crowd {number}") for number in range(limits.DEVICES_MAX)))
    with pytest.raises(MembershipError, match=f"{limits.DEVICES_MAX} devices"):
        admit(log, Actor("crowd 0").author, ALICE.card, Role.MEMBER, {})


def test_a_statement_is_owed_once_and_then_counts(home: Home) -> None:
    log = admit(home.log, ALICE.author, CAROL.card, Role.MEMBER, home.secrets).log
    removal = revoke(log, ALICE.author, BOB.id, {JOURNALS[BOB]: 3})
    (owed,) = evaluate(removal.log).owing[CAROL.id]
    assert owed == removal.added[0].hash
    stated = state_accepted(removal.log, CAROL.author, owed, {JOURNALS[BOB]: 8})
    assert evaluate(stated.log).acceptance(BOB.id, JOURNALS[BOB]) == 8
    for actor in (CAROL, ALICE, BOB):
        with pytest.raises(MembershipError, match="no statement"):
            state_accepted(stated.log, actor.author, owed, {})


def test_the_last_part_of_the_log_is_kept_for_removals() -> None:
    log = nearly_full()
    assert len(log) == limits.OPERATIONS_MAX - limits.OPERATIONS_RESERVED
    author = ALICE.author
    for act in (
        lambda: admit(log, author, DAVE.card, Role.MEMBER, {}),
        lambda: change_role(log, author, BOB.id, Role.MEMBER),
        lambda: rename(log, author, BOB.id, "b"),
    ):
        with pytest.raises(MembershipError, match="only removals"):
            act()
    assert not evaluate(revoke(log, author, BOB.id, {}).log).is_member(BOB.id)


def nearly_full() -> MembershipLog:
    """Fill a log with renames by devices that forget what they wrote, up to each one's bound."""
    crowd = [ALICE, BOB, *(Actor(f"crowd {number}") for number in range(7))]
    log = founded(*crowd)
    room = limits.OPERATIONS_MAX - limits.OPERATIONS_RESERVED - len(log)
    noise = [
        sign_operation(log.header(actor.id, NOW_MS), Rename(actor.id, f"{n}"), actor.keys.signing)
        for actor in crowd[1:]
        for n in range(limits.OPERATIONS_PER_AUTHOR_MAX)
    ]
    return log.add(noise[:room]).log


def test_secrets_stay_out_of_representations(home: Home) -> None:
    (secret,) = home.secrets.values()
    assert repr(secret)[2:-1] not in repr(home.founding)


def test_a_forgotten_epoch_can_be_checked_when_a_member_hands_it_over(home: Home) -> None:
    ((epoch, secret),) = home.secrets.items()
    assert epoch_id(home.log.vault, secret) == epoch
    assert epoch_id(home.log.vault, bytes(32)) != epoch
