"""Every small history of a vault, whatever its devices and its recovery key did in it.

Nothing is drawn at random here: harness/histories.py says what a history consists of and which
ones are passed over because they can be nothing new. Each is evaluated as it was made and in the
order of delivery that is furthest from it (shorter ones in every order), compared with the plain
model, and held against what the rules promise.
"""

from collections.abc import Iterable

import pytest

from harness.histories import Act, Histories, Small
from harness.members import ACTORS, KEEPER, effect, epoch, read
from harness.membership_model import Model
from p2pvault.protocol.membership import Membership, evaluate
from p2pvault.protocol.membership.operation import Add, Genesis, Operation, Remove, SetRole
from p2pvault.types import DeviceId, Role

pytestmark = pytest.mark.heavy

ADMINS = (Act("a", "add", "b", Role.ADMIN), Act("a", "add", "c", Role.ADMIN))
MIXED = (Act("a", "add", "b", Role.ADMIN), Act("a", "add", "c", Role.MEMBER))


def test_every_history_of_three_devices_and_four_operations() -> None:
    for length, made in enumerate((10, 178, 5_278), start=1):
        look_at(Histories(3, "bc"), length, made, every_order=True)
    look_at(Histories(3, "bc"), 4, 247_012, with_model=False)


@pytest.mark.long
def test_every_history_of_three_devices_and_four_operations_against_the_model() -> None:
    look_at(Histories(3, "bc"), 4, 247_012)


def test_every_history_of_three_devices_that_are_there_and_two_operations() -> None:
    for beginning, alike, made in ((ADMINS, "bc", (30, 1_368)), (MIXED, "", (24, 896))):
        for length, many in enumerate(made, start=1):
            look_at(Histories(3, alike, beginning), length, many, every_order=True)


@pytest.mark.long
def test_every_history_of_three_devices_that_are_there_and_three_operations() -> None:
    look_at(Histories(3, "bc", ADMINS), 3, 90_041)
    look_at(Histories(3, "", MIXED), 3, 49_088)


@pytest.mark.long
def test_every_history_of_four_devices_and_four_operations() -> None:
    look_at(Histories(4, "bcd"), 4, 575_540)


@pytest.mark.long
def test_every_history_of_four_devices_and_five_operations_that_changes_no_roles() -> None:
    look_at(Histories(4, "bcd", roles=False), 5, 6_174_633)


def look_at(
    histories: Histories,
    length: int,
    made: int,
    *,
    every_order: bool = False,
    with_model: bool = True,
) -> None:
    """Check every history of a length; their number keeps one that stopped growing from passing."""
    for small in histories(length):
        check(small, every_order=every_order, with_model=with_model)
    assert histories.made == made


def check(small: Small, *, every_order: bool, with_model: bool) -> None:
    membership = evaluate(small.log)
    orders = list(small.orders())
    for order in orders if every_order else orders[-1:]:
        assert evaluate(small.reordered(order)) == membership
    model = Model(read(small.log))
    if with_model:
        check_the_model_agrees(model, membership)
    check_the_key_wins(small, model, membership)
    check_where_authority_is_from(read(small.log), membership)
    if every_order:
        check_an_epoch_closes(small, membership)


def check_the_model_agrees(model: Model, membership: Membership) -> None:
    assert {id_: member.role for id_, member in membership.members.items()} == model.roles()
    assert {id_: {*one.operations} for id_, one in membership.removed.items()} == model.removed()
    assert membership.suspended.keys() == model.suspended()
    assert membership.contested == model.contested()


def check_the_key_wins(small: Small, model: Model, membership: Membership) -> None:
    """The last word of the key on a device holds, unless somebody knew it and said another."""
    operations = {one.hash: one for one in read(small.log)}
    last: dict[DeviceId, Operation] = {}
    for hash_ in model.line(model.everything):
        last[about(operations[hash_])] = operations[hash_]
    for device, word in last.items():
        if isinstance(word.content, Remove):
            assert device not in membership.members
        elif not any(
            about(one) == device and word.hash in model.past(one.hash)
            for one in operations.values()
        ):
            assert membership.is_admin(device) or device in membership.suspended


def check_where_authority_is_from(operations: Iterable[Operation], membership: Membership) -> None:
    """Nobody is in whom no admin, nor the key, let in; and nobody that only they themselves did."""
    admins, introduced = {KEEPER.id}, set()
    for one in operations:
        if isinstance(one.content, Genesis) or one.author in admins:
            introduced.add(about(one))
            if getattr(one.content, "role", Role.ADMIN) is Role.ADMIN:
                admins.add(about(one))
    assert membership.members.keys() | membership.suspended.keys() <= introduced
    assert {id_ for id_ in membership.members if membership.is_admin(id_)} <= admins


def check_an_epoch_closes(small: Small, membership: Membership) -> None:
    """Whoever is out has no box in the epoch that writers use after any admin made a new one."""
    for actor in ACTORS:
        if membership.is_admin(actor.id):
            inside = [other for other in ACTORS if membership.is_member(other.id)]
            before = epoch(small.log, 1, ACTORS)
            log = actor.append(actor.append(small.log, before), epoch(small.log, 2, inside, [1]))
            after = evaluate(log)
            assert not after.needs_epoch
            assert after.current is not None
            assert after.current.parents
            assert effect(log).members == membership.members


def about(one: Operation) -> DeviceId:
    """Return the device that an operation is about."""
    match one.content:
        case Genesis(first=card) | Add(device=card):
            return card.id
        case Remove(device=device) | SetRole(device=device):
            return device
        case _:
            raise AssertionError("histories have nothing else")
