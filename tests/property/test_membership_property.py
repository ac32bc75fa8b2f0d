"""Laws of the membership evaluation, over random histories of five devices.

The histories contain whatever signed operations can: concurrent, backdated, forked, by removed
devices and by outsiders.
"""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.members import (
    ACTORS,
    ALICE,
    KEEPER,
    NOW_MS,
    SUCCESSOR,
    Actor,
    Past,
    add,
    effect,
    epoch,
    last,
    merged,
    pasts,
    read,
)
from harness.membership_model import Model
from p2pvault.errors import MembershipError
from p2pvault.protocol.membership import MembershipLog, evaluate, start_epoch
from p2pvault.protocol.membership.authority import Authority
from p2pvault.protocol.membership.operation import Add, Genesis, Operation, Rename, SetRole
from p2pvault.types import DeviceId, OperationHash, Role

pytestmark = pytest.mark.heavy

KEYS = {KEEPER.id, SUCCESSOR.id}

thorough = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
quick = settings(thorough, max_examples=60)


def shuffled(log: MembershipLog, random: Random) -> list[Operation]:
    """Return the operations in another causal order, some of them twice."""
    waiting = list(read(log))
    random.shuffle(waiting)
    order: list[Operation] = []
    known: set[OperationHash] = set()
    while waiting:
        ready = next(one for one in waiting if known.issuperset(one.prev))
        waiting.remove(ready)
        order += [ready] * random.randint(1, 2)
        known.add(ready.hash)
    return order


@thorough
@given(pasts(), st.randoms(use_true_random=False))
def test_what_is_taken_over_from_one_scope_to_the_next_is_what_each_has_alone(
    past: Past, random: Random
) -> None:
    ledger = past.whole.ledger.copy()
    history, rulings = ledger.history, ledger.rulings
    for _ in range(20):
        number = random.randrange(len(history))
        scope = history.past(number) | 1 << number
        alone = Authority(history, rulings, scope & rulings.all)
        assert ledger.authority(scope).valid == alone.valid


@thorough
@given(pasts(), st.randoms(use_true_random=False))
def test_any_order_of_delivery_leads_to_the_same_membership(past: Past, random: Random) -> None:
    again = MembershipLog.load(one.data for one in shuffled(past.whole, random))
    assert again.heads == past.whole.heads
    assert evaluate(again) == evaluate(past.whole)


@thorough
@given(pasts())
def test_the_evaluation_agrees_with_the_plain_model(past: Past) -> None:
    model, membership = Model(read(past.whole)), evaluate(past.whole)
    assert {id_: member.role for id_, member in membership.members.items()} == model.roles()
    removed = {id_: set(one.operations) for id_, one in membership.removed.items()}
    assert removed == model.removed()
    assert membership.suspended.keys() == model.suspended()
    assert {one.id for one in membership.epochs} == model.epochs()
    assert membership.bounds == model.bounds()
    assert (membership.recovery and membership.recovery.id) == model.key()
    assert membership.contested == model.contested()


@quick
@given(pasts(), st.data())
def test_since_gives_a_peer_exactly_what_it_lacks(past: Past, data: st.DataObject) -> None:
    peer = data.draw(st.sampled_from(past.stages))
    missing = past.whole.since(peer.heads)
    assert len(missing) == len(past.whole) - len(peer)
    caught_up = peer.add(one.data for one in missing)
    assert caught_up.added == missing
    assert caught_up.log.heads == past.whole.heads


@quick
@given(pasts(), st.data())
def test_removals_and_bounds_only_ever_grow_but_for_the_recovery_key(
    past: Past, data: st.DataObject
) -> None:
    earlier, later = evaluate(data.draw(st.sampled_from(past.stages))), evaluate(past.whole)
    recovered = any(one.author in KEYS for one in read(past.whole))
    for device, removal in earlier.removed.items():
        assert recovered or set(removal.operations) <= set(later.removed[device].operations)
    for author, bound in earlier.bounds.items():
        assert bound <= later.bounds[author]
    assert not later.members.keys() & later.removed.keys()


@thorough
@given(pasts(), st.data())
def test_a32_nothing_that_a_removed_device_adds_later_has_an_effect(
    past: Past, data: st.DataObject
) -> None:
    before = effect(past.whole)
    thieves = [actor for actor in ACTORS if actor.id in before.removed]
    stages = [stage for stage in past.stages if len(stage) < len(past.whole)]
    if not thieves or not stages:
        return
    thief: Actor = data.draw(st.sampled_from(thieves))
    target: Actor = data.draw(st.sampled_from(ACTORS))
    stage = data.draw(st.sampled_from(stages))
    if not stage.ledger.introduced.get(thief.id):
        return
    contents = [add(target), epoch(stage, 99, ACTORS)]
    if stage.ledger.introduced.get(target.id):
        contents += [SetRole(target.id, Role.ADMIN), Rename(target.id, "owned")]
    backdated = thief.write(stage, data.draw(st.sampled_from(contents)))
    assert effect(merged(past.whole, backdated)) == before


@thorough
@given(pasts())
def test_authority_never_comes_from_nowhere(past: Past) -> None:
    """Every member is the first device, was added by one with a chain of admins behind it, or has
    the word of a recovery key."""
    operations = read(past.whole)
    for device in evaluate(past.whole).members:
        adds = [
            one
            for one in operations
            if isinstance(one.content, Add) and one.content.device.id == device
        ]
        named = any(
            isinstance(one.content, SetRole) and one.content.device == device and one.author in KEYS
            for one in operations
        )
        assert (
            device == operations[0].author
            or named
            or any(one.author in ever_admins(past.whole, one) for one in adds)
        )


@thorough
@given(pasts())
def test_a_device_that_nobody_made_an_admin_changes_only_its_own_name(past: Past) -> None:
    history = past.whole.ledger.history
    authority = past.whole.ledger.authority(history.everything)
    for number, operation in enumerate(read(past.whole)[1:], start=1):
        if authority.permits(number) and operation.author not in ever_admins(past.whole, operation):
            assert isinstance(operation.content, Rename)
            assert operation.content.device == operation.author


def ever_admins(log: MembershipLog, until: Operation) -> set[DeviceId]:
    """Return who was made an admin by an admin before `until`, removals and voids left aside."""
    admins: set[DeviceId] = {*KEYS}
    for one in read(log):
        if log.covers(until.prev, one.hash):
            match one.content:
                case Genesis(first=card):
                    admins.add(card.id)
                case Add(device=card, role=Role.ADMIN) if one.author in admins:
                    admins.add(card.id)
                case SetRole(device=device, role=Role.ADMIN) if one.author in admins:
                    admins.add(device)
    return admins


@quick
@given(pasts())
def test_one_epoch_by_any_admin_shuts_every_removed_device_out(past: Past) -> None:
    membership = evaluate(past.whole)
    for actor in ACTORS:
        try:
            written = start_epoch(past.whole, actor.author)
        except MembershipError:
            assert not membership.is_admin(actor.id)
            continue
        after = evaluate(written.log)
        assert not after.needs_epoch
        assert after.current is not None
        assert after.current.id in written.secrets
        assert after.tips == (after.current.id,) or len(membership.tips) > 8


@quick
@given(pasts())
def test_the_current_epoch_is_open_to_nobody_outside_or_says_so(past: Past) -> None:
    membership = evaluate(past.whole)
    if membership.current is None or membership.needs_epoch:
        return
    start = next(one for one in read(past.whole) if one.hash == membership.current.operation)
    for removal in membership.removed.values():
        for operation in removal.operations:
            assert past.whole.covers([start.hash], operation)
    boxed = {box.device for box in getattr(start.content, "boxes", ())}
    assert boxed <= membership.members.keys() | KEYS


@quick
@given(pasts())
def test_writing_on_top_of_any_log_follows_all_of_it(past: Past) -> None:
    log = ALICE.write(past.whole, Rename(ALICE.id, "last word"))
    assert log.heads == (last(log),)
    assert read(log)[-1].wall_ms == NOW_MS
