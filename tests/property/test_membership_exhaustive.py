"""Every small history of a vault, whatever its devices and its recovery key did in it.

Nothing is drawn at random here: harness/histories.py says what a history consists of and which
ones are passed over because they can be nothing new. Each is evaluated after two orders of
delivery, in which any two operations that do not know of each other come both ways round, and held
against what the rules promise. Shorter ones are evaluated after every order, too, and compared with
the plain model.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields

import pytest

from harness.acts import Act
from harness.deeds import is_taken
from harness.deliveries import both_ways, orders, renumbering
from harness.histories import Histories, Small
from harness.members import KEEPER, read
from harness.membership_model import Model
from harness.small_epochs import epochs_on, one_epoch_on
from harness.uses import in_force
from p2pvault.protocol.membership import Membership, MembershipLog, evaluate
from p2pvault.protocol.membership.history import History, positions
from p2pvault.protocol.membership.ledger import Ledger
from p2pvault.protocol.membership.operation import (
    Add,
    Genesis,
    NewEpoch,
    Operation,
    Remove,
    SetRole,
)
from p2pvault.types import DeviceId, Role

pytestmark = pytest.mark.heavy

ADMINS = (Act("a", "add", "b", Role.ADMIN), Act("a", "add", "c", Role.ADMIN))
MIXED = (Act("a", "add", "b", Role.ADMIN), Act("a", "add", "c", Role.MEMBER))

FOUR = ((113_869, 59_712), (110_870, 58_139), (116_366, 60_237), (116_764, 61_503))
"""How many histories of three devices and four operations each part has, and looks at."""

# fmt: off
FIVE = (
    (2_931_128, 576_171), (3_152_847, 630_596), (2_836_797, 578_762), (2_588_087, 531_289),
    (1_942_490, 414_349), (2_368_804, 487_798), (2_378_429, 494_590), (2_512_346, 520_097),
    (2_649_666, 542_846), (2_740_808, 539_079), (2_616_698, 514_891), (2_979_192, 573_663),
    (2_492_549, 503_550), (2_626_397, 525_497), (2_133_107, 440_972), (2_308_814, 492_360),
    (2_484_627, 514_943), (2_854_046, 578_143), (2_695_433, 544_645), (2_439_986, 506_998),
    (2_351_369, 479_653), (2_165_789, 452_566), (2_726_475, 547_428), (2_913_372, 580_430),
    (2_976_434, 593_797), (2_666_742, 551_534), (2_538_035, 523_699), (2_845_671, 563_796),
    (2_478_916, 512_694), (2_717_429, 548_242), (2_654_360, 528_428), (2_435_080, 496_888),
    (2_509_932, 488_498), (2_715_284, 544_903), (2_510_557, 503_763), (2_706_606, 546_691),
    (2_418_916, 501_808), (2_415_542, 502_080), (2_502_589, 524_269), (2_095_898, 450_755),
    (2_412_536, 498_345), (2_237_639, 461_865), (1_658_449, 357_219), (1_720_203, 373_457),
    (1_825_463, 403_312), (2_121_396, 440_240), (2_398_226, 485_485), (2_589_044, 508_143),
    (2_876_495, 561_582), (2_954_860, 590_272),
)
# fmt: on
"""How many histories of four devices and five operations each part has, and looks at."""

WITHOUT_EPOCHS = [field.name for field in fields(Membership) if field.name != "epochs"]


def test_every_history_of_three_devices_and_three_operations_in_every_order_of_delivery() -> None:
    for operations, made in enumerate(((11, 9), (223, 147), (7_913, 4_467)), start=1):
        look_at_all_of(Histories(3, operations, "bc"), made)


@pytest.mark.parametrize("part", range(len(FOUR)))
def test_every_history_of_three_devices_and_four_operations(part: int) -> None:
    look_at_part(Histories(3, 4, "bc"), part, FOUR)


def test_every_history_of_three_devices_with_operations_that_can_have_no_effect() -> None:
    for operations, made in enumerate(((11, 9), (247, 161), (10_317, 5_734)), start=1):
        look_at(Histories(3, operations, "bc", deeds=is_taken), made, check, check_the_model)


def test_every_history_of_three_devices_that_are_there_and_two_operations() -> None:
    for operations, made in enumerate(((51, 29), (3_783, 1_936)), start=1):
        look_at_all_of(Histories(3, operations, "bc", ADMINS), made)
    for operations, made in enumerate(((36, 36), (1_968, 1_968)), start=1):
        look_at_all_of(Histories(3, operations, "", MIXED), made)


@pytest.mark.long
def test_every_history_of_three_devices_and_four_operations_in_every_order_of_delivery() -> None:
    look_at_all_of(Histories(3, 4, "bc"), (457_869, 239_591))


@pytest.mark.long
def test_every_history_of_three_devices_that_are_there_and_three_operations() -> None:
    look_at_all_of(Histories(3, 3, "bc", ADMINS), (389_757, 195_572))
    look_at_all_of(Histories(3, 3, "", MIXED), (155_990, 155_990))


@pytest.mark.long
def test_every_history_of_four_devices_and_four_operations() -> None:
    for operations, made in enumerate(((13, 9), (330, 147), (14_930, 4_569)), start=1):
        look_at_all_of(Histories(4, operations, "bcd"), made)
    look_at(Histories(4, 4, "bcd"), (1_104_402, 262_431), check, check_the_model)


@pytest.mark.long
@pytest.mark.parametrize("part", range(len(FIVE)))
def test_every_history_of_four_devices_and_five_operations(part: int) -> None:
    look_at_part(Histories(4, 5, "bcd"), part, FIVE)


def look_at_part(histories: Histories, part: int, made: tuple[tuple[int, int], ...]) -> None:
    """Check one part of them, so that several processes can share what takes long."""
    with uncollected():
        for small in histories.part(part, len(made)):
            check(small)
            check_what_arrived_last(small)
    assert (histories.made, histories.looked_at) == made[part]


def look_at_all_of(histories: Histories, made: tuple[int, int]) -> None:
    """Check of every history all that there is to check."""
    look_at(histories, made, check, check_what_arrived_last, check_every_order, check_the_model)


def look_at(histories: Histories, made: tuple[int, int], *checks: Callable[[Small], None]) -> None:
    """Check every history; their number keeps an enumeration that lost some from passing."""
    with uncollected():
        for small in histories:
            for each in checks:
                each(small)
    assert (histories.made, histories.looked_at) == made


@contextmanager
def uncollected() -> Iterator[None]:
    """Do without the search for cycles: a third of the time, and histories have none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def check(small: Small) -> None:
    """Check what has to hold for every history."""
    one, other = both_ways(small.pasts, small.first)
    membership = evaluate(MembershipLog(one.of(small.ledger)))
    check_epochs(small, membership, other.of(small.ledger))
    check_the_key_wins(small, membership)
    check_where_authority_is_from(small.ledger.history, membership)


def check_what_arrived_last(small: Small) -> None:
    """A removal applies if its author could know that it would; histories have no others."""
    number = len(small.ledger.history) - 1
    content = small.ledger.history[number].content
    if isinstance(content, Remove):
        assert small.ledger.rulings.removals[content.device] >> number & 1


def check_every_order(small: Small) -> None:
    """Deliver a history in every order: the ledger differs in numbers, the membership in nothing.

    So it may be renumbered in place of being delivered again, which is what `check` does.
    """
    membership = evaluate(small.log)
    for order in orders(small.pasts, small.first):
        delivered, renumbered = small.delivered(order), renumbering(order).of(small.ledger)
        assert evaluate(MembershipLog(delivered)) == membership
        assert contents(delivered) == contents(renumbered)
    check_that_one_epoch_closes(small, membership)


def contents(ledger: Ledger) -> list[object]:
    """Return all that a ledger holds, but for what it computed last."""
    history = ledger.history
    numbers = range(len(history))
    held = [getattr(ledger, field.name) for field in fields(Ledger)[1:] if field.name != "latest"]
    graph = [(history[one], history.past(one), history.depth(one)) for one in numbers]
    return [*held, graph, history.heads, [history.number(history[one].hash) for one in numbers]]


def check_the_model(small: Small) -> None:
    model, membership = Model(read(small.log)), evaluate(small.log)
    assert {id_: member.role for id_, member in membership.members.items()} == model.roles()
    assert {id_: {*one.operations} for id_, one in membership.removed.items()} == model.removed()
    assert membership.suspended.keys() == model.suspended()
    assert membership.contested == model.contested()


def check_epochs(small: Small, membership: Membership, ledger: Ledger) -> None:
    """The same set has the same result; and no later epoch is open to anybody who is out.

    Args:
        small: The history.
        membership: What it means after one order of delivery.
        ledger: It after another one. Every admin starts an epoch on top of it at the same time,
            and one does that has not heard of the last operation.
    """
    started = epochs_on(small, membership)
    started.record(ledger)
    after = evaluate(MembershipLog(ledger))
    for name in WITHOUT_EPOCHS:
        assert getattr(after, name) == getattr(membership, name)
    closed = {epoch.operation: epoch.closed for epoch in after.epochs}
    if started.new:
        check_who_can_open_it(after, ledger.history)
        assert all(closed[one.hash] for one in started.new)
    if started.stale and started.stale.hash in closed:
        assert closed[started.stale.hash] == is_closed(started.stale, after, ledger.history)


def is_closed(one: Operation, membership: Membership, history: History) -> bool:
    """Whether an epoch knows why each device is out that is, and has no box for any."""
    past = history.past(history.number(one.hash))
    reasons = [each for removal in membership.removed.values() for each in removal.operations]
    reasons += [each for suspended in membership.suspended.values() for each in suspended.evidence]
    return is_for_members(one, membership) and all(
        past >> history.number(reason) & 1 for reason in reasons
    )


def is_for_members(one: Operation, membership: Membership) -> bool:
    """Whether an epoch has boxes for members and the key, and for nobody else."""
    assert isinstance(one.content, NewEpoch)
    return all(
        box.device in membership.members or box.device == KEEPER.id for box in one.content.boxes
    )


def check_who_can_open_it(membership: Membership, history: History) -> None:
    """The epoch that writers use has no box for anybody who is out."""
    assert membership.current is not None
    assert not membership.needs_epoch
    starts = history[history.number(membership.current.operation)]
    assert is_for_members(starts, membership)


def check_that_one_epoch_closes(small: Small, membership: Membership) -> None:
    """Whichever admin starts one, upon an epoch of its own that is open to all."""
    for device in membership.members:
        if membership.is_admin(device):
            ledger = one_epoch_on(small, device, membership)
            after = evaluate(MembershipLog(ledger))
            check_who_can_open_it(after, ledger.history)
            assert after.current
            assert after.current.parents
            assert after.members == membership.members
            for one in after.epochs:
                start = ledger.history[ledger.history.number(one.operation)]
                assert one.closed == is_closed(start, after, ledger.history)


def check_the_key_wins(small: Small, membership: Membership) -> None:
    """The last word of the key on a device holds, unless somebody knew it and said another."""
    history = small.ledger.history
    last = {about(history[use.number]): use.number for use in in_force(small.uses)}
    for device, word in last.items():
        if isinstance(history[word].content, Remove):
            assert device not in membership.members
        elif not any(
            history.past(number) >> word & 1 and about(history[number]) == device
            for number in range(word + 1, len(history))
        ):
            assert membership.is_admin(device) or device in membership.suspended


def check_where_authority_is_from(history: History, membership: Membership) -> None:
    """Whatever a member is was given by an admin, and so on back to the first device or the key.

    What somebody gave who is out now, and did not know yet that it was removed, gives nothing.
    """
    out = {
        device: sum(1 << history.number(hash_) for hash_ in removal.operations)
        for device, removal in membership.removed.items()
    }
    admitted: set[DeviceId] = set()
    raised = {KEEPER.id: 1}
    for number in range(len(history)):
        operation, past = history[number], history.past(number)
        role = role_given(operation)
        blind = out.get(operation.author, 0) & ~past
        if any(not history.past(removal) >> number & 1 for removal in positions(blind)):
            continue
        if role and (not number or raised.get(operation.author, 0) & past):
            device = about(operation)
            admitted.add(device)
            if role is Role.ADMIN:
                raised[device] = raised.get(device, 0) | 1 << number
    assert membership.members.keys() | membership.suspended.keys() <= admitted
    assert {id_ for id_ in membership.members if membership.is_admin(id_)} <= raised.keys()


def role_given(one: Operation) -> Role | None:
    match one.content:
        case Genesis():
            return Role.ADMIN
        case Add(role=role) | SetRole(role=role):
            return role
        case _:
            return None


def about(one: Operation) -> DeviceId:
    """Return the device that an operation is about."""
    match one.content:
        case Genesis(first=card) | Add(device=card):
            return card.id
        case Remove(device=device) | SetRole(device=device):
            return device
        case _:
            raise AssertionError("histories have nothing else")
