"""What must hold once everything is well again: devices are equal, and nothing is lost or leaked.

Like `oracles`, it looks at disks from outside, and shares no code with what it judges other than
reading entries, records and operations.
"""

from collections.abc import Collection, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from p2pvault.core.members import EPOCH_SECRET
from p2pvault.crdt.record import Record
from p2pvault.crypto.hashing import fingerprint_item
from p2pvault.crypto.schedule import fingerprint_key
from p2pvault.errors import CrdtError
from p2pvault.protocol.journal import decode_entry
from p2pvault.protocol.membership import MembershipLog
from p2pvault.protocol.membership.history import History, Mask, positions
from p2pvault.protocol.membership.operation import NewEpoch, Remove
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import DeviceId, RecordId
from sim.key_uses import returns_from
from sim.oracles import Violation
from sim.truth import truth_without

if TYPE_CHECKING:
    from sim.simulation import SimParty, Simulation


Held = tuple[Mapping[str, object], bool]
"""The fields of a record, and whether it is deleted."""


def is_settled(sim: "Simulation") -> bool:
    """Tell whether all devices say that they are equal; cheap, and not the judgement."""
    members = [party for party in sim.parties if party.counts]
    if any(party.switched_off or party.device.pipeline._persisting for party in members):
        return False
    if any(guest.stored and sim.party_of(guest.id) is None for guest in sim.guests):
        return False
    views = [party.device.members.membership for party in members]
    if not all(view.is_member(party.id) for view in views for party in members):
        return False
    if any(party.disk.interest.erasing for party in members):
        return False
    logs = {party.device.members.durable.heads for party in members}
    are_equal = len(logs) == 1 and all(_say_the_same(*pair) for pair in combinations(members, 2))
    return are_equal and all(_is_proved(sim, party) for party in members)


def _say_the_same(one: "SimParty", other: "SimParty") -> bool:
    """Tell whether two devices count the same, of what both keep."""
    contents = one.device.pipeline.durable, other.device.pipeline.durable
    without = frozenset[str]().union(*(content.interest.forgotten for content in contents))
    first, second = (content.digest_without(without) for content in contents)
    return first == second


def _is_proved(sim: "Simulation", party: "SimParty") -> bool:
    others = [party.device.book[other.id] for other in sim.parties if other.counts]
    linked = [standing for standing in others if standing.link is not None]
    alone = sum(other.counts for other in sim.parties) == 1
    return bool(linked or alone) and all(each.verdict is Verdict.EQUAL for each in linked)


def judge(sim: "Simulation", acknowledged: dict[str, set[str]], homes: Mapping[str, str]) -> None:
    """Check everything that holds once devices had the time to become equal.

    Args:
        sim: A simulation that was healed.
        acknowledged: By device, the fields of all edits that it answered with success.
        homes: The collection of each field.

    Raises:
        Violation: Something does not.
    """
    members = [party for party in sim.parties if party.counts]
    _check_equal(sim, members)
    for party in members:
        _check_fingerprints(party)
        _check_erased(party)
    _check_acknowledged(sim, members, acknowledged, homes)
    _check_removed(sim, members)


def _check_equal(sim: "Simulation", members: list["SimParty"]) -> None:
    first = members[0]
    held = {party.name: values(party) for party in members}
    for party, other in combinations(members, 2):
        without = party.disk.interest.forgotten | other.disk.interest.forgotten
        if truth_without(party.disk.truth, without) != truth_without(other.disk.truth, without):
            raise Violation(f"{party.name} and {other.name} hold different records")
        if _without(held[party.name], without) != _without(held[other.name], without):
            raise Violation(f"{party.name} and {other.name} hold different values")
    for party in members:
        if party.disk.state().journals != first.disk.state().journals:
            raise Violation(f"{party.name} and {first.name} hold different journals")
        if party.device.members.durable.heads != first.device.members.durable.heads:
            raise Violation(f"{party.name} and {first.name} know different operations")
        _check_members(sim, party, {each.id for each in members})
        _check_present_epoch(party)


def _check_members(sim: "Simulation", party: "SimParty", ids: set[DeviceId]) -> None:
    """All who count belong, and nobody else but those who were wiped, or never came to be."""
    known = set(party.device.members.membership.members)
    if not sim.lost <= party.device.members.membership.removed.keys():
        raise Violation(f"{party.name} does not know that lost devices were removed")
    ghosts = {each.id for each in sim.parties if each.wiped} - sim.lost
    ghosts |= {guest.id for guest in sim.guests if not guest.stored}
    if not ids <= known <= ids | ghosts:
        raise Violation(f"{party.name} does not know who belongs to the vault")


def _check_present_epoch(party: "SimParty") -> None:
    """The epoch that is used shuts out whoever is out, where anybody is left who could start it."""
    membership = party.device.members.membership
    admins = [device for device in membership.members if membership.is_admin(device)]
    if admins and membership.needs_epoch:
        raise Violation(f"{party.name} uses an epoch that is open to a removed device")


def values(party: "SimParty") -> dict[str, dict[RecordId, Held]]:
    """Read every record of a device from its disk, deleted ones too, by collection."""
    rows = list(party.disk._rows())
    actor = party.device.pipeline.author
    found: dict[str, dict[RecordId, Held]] = {}
    for stored in party.disk.records([row.id for row in rows]):
        try:
            record = Record.load(actor, stored.chunks, stored.row.heads)
        except CrdtError as error:
            raise Violation(f"{party.name} cannot read {stored.row.name}") from error
        its = found.setdefault(stored.row.collection, {})
        its[stored.row.id] = record.value(), record.deleted
    return found


def _without(
    held: dict[str, dict[RecordId, Held]], collections: Collection[str]
) -> dict[str, dict[RecordId, Held]]:
    return {name: its for name, its in held.items() if name not in collections}


def _check_erased(party: "SimParty") -> None:
    """Nothing is left of what is not kept."""
    if not {row.collection for row in party.disk._rows()}.isdisjoint(party.disk.interest.forgotten):
        raise Violation(f"{party.name} holds records of what it does not keep")


def _check_fingerprints(party: "SimParty") -> None:
    """Add up the proofs from what the disk holds."""
    key = fingerprint_key(party.device.members.vault)
    totals: dict[str, list[int]] = {}
    for row in party.disk._rows():
        total = totals.setdefault(row.collection, [0, 0])
        total[0] = (total[0] + fingerprint_item(key, row.id, row.heads)) % 2**256
        total[1] += not row.deleted
    for kept in party.disk.collections():
        if totals.pop(kept.collection, [0, 0]) != [kept.total, kept.count]:
            raise Violation(f"{party.name} keeps a fingerprint that is not that of its records")
    if totals:
        raise Violation(f"{party.name} keeps no fingerprint of a collection")


def _check_acknowledged(
    sim: "Simulation",
    members: list["SimParty"],
    acknowledged: dict[str, set[str]],
    homes: Mapping[str, str],
) -> None:
    """An edit that was answered is wherever its collection is kept, or on the removed device.

    What some device has forgotten may be left on a removed device only, since that vouched for it.
    """
    staying = [party for party in sim.parties if not party.wiped]
    fields = {party.name: _fields(party) for party in staying}
    kept = set[str]().union(*(fields[party.name] for party in members))
    gone = set[str]().union(*(fields[party.name] for party in staying if not party.counts)) - kept
    gone = {field for field in gone if homes.get(field) in sim.forgotten}
    for party in staying:
        answered = acknowledged.get(party.name, set())
        if lost := answered - kept - gone - fields[party.name]:
            raise Violation(f"nobody holds {sorted(lost)} that {party.name} answered")
        for place in members if party.counts else [party]:
            interest = place.disk.interest
            # A removed device that keeps a collection again has nobody to get it from.
            without = interest.forgotten | (interest.partial if not place.counts else set())
            lost = answered - fields[place.name] - (gone if place.counts else set())
            if any(homes[field] not in without for field in lost):
                raise Violation(f"{place.name} lacks {sorted(lost)} that {party.name} answered")


def _fields(party: "SimParty") -> set[str]:
    return {field for its in values(party).values() for value, _ in its.values() for field in value}


def _check_removed(sim: "Simulation", members: list["SimParty"]) -> None:
    """A removed device gets nothing new, and nothing new of it counts.

    If the recovery key has let it in again it is a member like any other (`_check_members`); then
    it is still shut out of epochs whose authors had heard of the removal alone.
    """
    log = members[0].device.members.log
    history = log.ledger.history
    for number in positions(history.everything):
        operation = history[number]
        if not isinstance(operation.content, Remove):
            continue
        gone = sim.party_of(operation.content.device)
        if gone is None or gone.wiped:
            continue
        returns = returns_from(sim, history, number)
        _check_epochs(gone, history, number, returns)
        if not returns:
            _check_out(gone, log, number, members)


def _check_epochs(gone: "SimParty", history: History, removal: int, returns: Mask) -> None:
    """No epoch that was started in knowledge of a removal, and no more, is open to who it is of."""
    for later in positions(history.everything):
        epoch, past = history[later].content, history.past(later)
        knows = past >> removal & 1 and not past & returns
        if knows and isinstance(epoch, NewEpoch) and gone.id in {b.device for b in epoch.boxes}:
            raise Violation(f"{gone.name} was removed and a later epoch has a box for it")


def _check_out(
    gone: "SimParty", log: MembershipLog, removal: int, members: list["SimParty"]
) -> None:
    """Who is out holds no later secret and nothing written in knowledge of that."""
    history = log.ledger.history
    for party in members:
        _check_bound(party, gone)
    secrets = {name for name in gone.disk.state().meta if name.startswith(EPOCH_SECRET)}
    for later in positions(history.everything):
        epoch = history[later].content
        if not (history.past(later) >> removal & 1 and isinstance(epoch, NewEpoch)):
            continue
        if EPOCH_SECRET + epoch.id.hex() in secrets:
            raise Violation(f"{gone.name} was removed and holds the secret of a later epoch")
    for stored in gone.disk.all_entries():
        body = decode_entry(stored.data, log.vault).body
        if body.device != gone.id and log.covers(body.heads, history[removal].hash):
            raise Violation(f"{gone.name} was removed and holds a later entry")


def _check_bound(party: "SimParty", gone: "SimParty") -> None:
    """Nothing of a removed device counts beyond what somebody entitled said to have accepted."""
    membership = party.device.members.membership
    for head in party.device.pipeline.durable.journals_of(gone.id):
        last = membership.acceptance(gone.id, head.author)
        if last is None or head.n > last:
            raise Violation(f"{party.name} holds entries of {gone.name} beyond its removal")
