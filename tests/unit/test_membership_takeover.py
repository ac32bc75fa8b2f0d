"""The recovery key used on a device that is new to the vault, with the log of a backup."""

from dataclasses import replace

import pytest

from harness.members import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    JOURNALS,
    KEEPER,
    SUCCESSOR,
    Actor,
    add,
    founded,
    merged,
    remove,
)
from p2pvault.errors import BadValue, MembershipError, NoSuchDevice
from p2pvault.limits import DEVICES_MAX
from p2pvault.protocol.membership import (
    Decision,
    MembershipLog,
    Successor,
    Written,
    evaluate,
    open_epochs,
    recover_anew,
)
from p2pvault.protocol.membership.operation import Remove
from p2pvault.types import Role

NEW = Actor("new")
ADMIN, MEMBER = Role.ADMIN, Role.MEMBER


def take(log: MembershipLog, *lost: Actor, restored: tuple[Actor, ...] = ()) -> Written:
    decision = Decision(
        {actor.id: {JOURNALS[actor]: 7} for actor in lost}, [actor.id for actor in restored]
    )
    return recover_anew(log, NEW.author, KEEPER.key, decision, Successor("new", "laptop", {}))


def roles(log: MembershipLog) -> dict[str, Role]:
    return {one.name: one.role for one in evaluate(log).members.values()}


def test_the_new_device_is_an_admin_by_the_key_and_the_lost_one_is_out() -> None:
    written = take(founded(ALICE, BOB), ALICE)
    membership = evaluate(written.log)
    assert roles(written.log) == {"bob": ADMIN, "new": ADMIN}
    assert membership.members[NEW.id].added_by == KEEPER.id
    assert membership.acceptance(ALICE.id, JOURNALS[ALICE]) == 7
    assert [each.hash for each in written.added] == [
        each.hash for each in written.log.operations[-len(written.added) :]
    ]


def test_it_starts_an_epoch_that_whoever_stays_and_the_key_can_open() -> None:
    written = take(founded(ALICE, BOB), ALICE)
    membership = evaluate(written.log)
    assert membership.current is not None
    assert membership.current.closed
    ((current, secret),) = written.secrets.items()
    assert current == membership.current.id
    for who, box in ((BOB.id, BOB.keys.box), (KEEPER.id, KEEPER.key.box), (NEW.id, NEW.keys.box)):
        assert open_epochs(written.log, membership, who, box, {})[current] == secret
    assert current not in open_epochs(written.log, membership, ALICE.id, ALICE.keys.box, {})


def test_it_owes_no_word_about_removals_that_it_came_with() -> None:
    written = take(founded(ALICE, BOB), ALICE)
    owing = evaluate(written.log).owing
    assert not owing.get(NEW.id)
    assert owing[BOB.id]


def test_a_removal_that_the_backup_did_not_know_stands() -> None:
    log = founded(ALICE, BOB, CAROL)
    since = BOB.write(log, remove(CAROL))
    both = merged(since, take(log, ALICE).log)
    assert roles(both) == {"bob": ADMIN, "new": ADMIN}
    assert CAROL.id in evaluate(both).removed


def test_an_admission_by_somebody_who_stays_stands_and_one_by_the_lost_device_falls() -> None:
    log = founded(ALICE, BOB)
    since = merged(BOB.write(log, add(CAROL)), ALICE.write(log, add(DAVE)))
    both = merged(since, take(log, ALICE).log)
    assert roles(both) == {"bob": ADMIN, "carol": ADMIN, "new": ADMIN}
    assert DAVE.id in evaluate(both).fallen


def test_the_lost_device_cannot_remove_it() -> None:
    after = take(founded(ALICE, BOB), ALICE).log
    thief = ALICE.write(after, Remove(NEW.id, (), ""))
    assert roles(thief) == {"bob": ADMIN, "new": ADMIN}


def test_the_lost_device_cannot_have_removed_anybody_meanwhile() -> None:
    log = founded(ALICE, BOB)
    both = merged(ALICE.write(log, remove(BOB)), take(log, ALICE).log)
    assert roles(both) == {"bob": ADMIN, "new": ADMIN}


def test_a_device_that_is_outside_comes_back_as_a_member() -> None:
    log = BOB.write(founded(ALICE, BOB, CAROL), remove(CAROL))
    assert roles(take(log, BOB, restored=(CAROL,)).log) == {
        "alice": ADMIN,
        "carol": MEMBER,
        "new": ADMIN,
    }
    with pytest.raises(NoSuchDevice, match="come back"):
        take(log, restored=(ALICE,))
    with pytest.raises(NoSuchDevice, match="cannot be lost"):
        take(log, CAROL)


def test_other_words_and_names_that_cannot_be_shown_are_refused() -> None:
    log, decision = founded(ALICE), Decision({})
    successor = Successor("new", "laptop", {})
    with pytest.raises(MembershipError, match="another vault"):
        recover_anew(log, NEW.author, SUCCESSOR.key, decision, successor)
    with pytest.raises(BadValue):
        recover_anew(log, NEW.author, KEEPER.key, decision, replace(successor, name="\x1b"))
    with pytest.raises(MembershipError, match="already"):
        recover_anew(log, ALICE.author, KEEPER.key, decision, successor)


def test_a_full_vault_has_room_for_it_where_a_device_is_lost() -> None:
    log = founded(ALICE)
    for number in range(DEVICES_MAX - 1):
        log = ALICE.write(log, add(Actor(f"device {number}")))
    with pytest.raises(MembershipError, match="most it can have"):
        take(log)
    assert len(roles(take(log, ALICE).log)) == DEVICES_MAX
