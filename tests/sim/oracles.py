"""What must hold: at every transition, and once everything is well again.

They look at disks, bytes and verdicts from outside, and share no code with what they judge other
than reading entries and records.
"""

from typing import TYPE_CHECKING

from p2pvault.core import io
from p2pvault.core.link import Link, Phase
from p2pvault.core.members import EPOCH_SECRET
from p2pvault.crdt.prefilter import inspect
from p2pvault.crdt.record import Record
from p2pvault.crypto.hashing import fingerprint_item
from p2pvault.crypto.schedule import fingerprint_key
from p2pvault.errors import CrdtError
from p2pvault.limits import (
    DIALS_MAX,
    EDITS_QUEUED_MAX,
    ENTRIES_MESSAGE_BYTES_MAX,
    ENTRY_BYTES_MAX,
    HELD_MESSAGES_MAX,
    INBOUND_BYTES_MAX,
    KIB,
    LINKS_MAX,
    MESSAGE_BYTES_MAX,
    UNACKNOWLEDGED_BYTES_MAX,
)
from p2pvault.protocol.journal import decode_entry
from p2pvault.protocol.membership import Membership, evaluate
from p2pvault.protocol.membership.decode import decode
from p2pvault.protocol.membership.history import History, positions
from p2pvault.protocol.membership.operation import NewEpoch, Operation, Remove
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Batch, DeviceId, OperationHash, RecordId, StoredEntry
from sim.disk import Disk
from sim.sown import Sown

if TYPE_CHECKING:
    from sim.simulation import SimParty, Simulation

SECRET_WORD = "unsayable"
"""In every name and value that a simulated person writes; never on the wire as it is."""


class Violation(AssertionError):
    """A promise was broken."""


class Watch:
    """Looks at what happens in a simulation while it happens.

    Attributes:
        told: The devices that heard that they run twice.
        refused_twice: Whether somebody refused a device because it runs twice.
    """

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._entries: dict[tuple[bytes, int], bytes] = {}
        self._changes: dict[tuple[bytes, bytes, int], bytes] = {}
        self._operations: dict[tuple[bytes, int], bytes] = {}
        self._held: dict[tuple[DeviceId, bytes], int] = {}
        self._views: dict[tuple[OperationHash, ...], Membership] = {}
        self._told: set[OperationHash] = set()
        self._settled: set[tuple[str, int]] = set()
        self.told: set[str] = set()
        self.refused_twice = False

    # At every transition -----------------------------------------------------------------

    def given(self, party: "SimParty", given: io.Input) -> None:
        """A device is about to take an input; from `Persisted` on it may speak of a batch."""
        if isinstance(given, io.Persisted):
            party.truth = party.disk.truth

    def look(self, party: "SimParty") -> None:
        """Check what a device holds and claims after a transition."""
        if party.device.clones.told_by is not None:
            self._hear_of_twin(party)
        links = list(party.device.links)
        for link in links:
            _check_bounds(link)
            if link.phase is Phase.UP and link.device is not None:
                self._check_claim(party, link)
        if len(links) > LINKS_MAX:
            raise Violation(f"{party.name} has more links than it may")
        if party.device.pipeline.backlog > EDITS_QUEUED_MAX + LINKS_MAX:
            raise Violation(f"{party.name} has more jobs than it may")
        if len(party.device._dialer._attempts) > DIALS_MAX + 1:
            raise Violation(f"{party.name} dials more than it may")

    def _hear_of_twin(self, party: "SimParty") -> None:
        if not self._sim.sown.excuses("device_runs_twice"):
            raise Violation(f"{party.name} was told that it runs twice")
        self.told.add(party.name)

    def _check_claim(self, party: "SimParty", link: Link) -> None:
        """“Same” may only stand where the peer held just that at some time, and on its disk."""
        assert link.device is not None, "checked by the caller"
        standing = party.device.book[link.device]
        if standing.link != link.id or standing.verdict is not Verdict.EQUAL:
            return
        other = self._sim.network.link_to(party, link.id)
        if other is None or other.lies or party.truth in other.disk.truths:
            return
        raise Violation(f"{party.name} says that it is equal to {other.name}, and never was")

    def wrote(self, party: "SimParty", data: bytes) -> None:
        """Check bytes that leave a device."""
        if SECRET_WORD.encode() in data:
            raise Violation(f"{party.name} writes plain text to a stream")

    def answered(self, party: "SimParty", request: int) -> None:
        """Check that a request is answered once, whatever lives the device has had since."""
        if (party.name, request) in self._settled:
            raise Violation(f"{party.name} answers request {request} twice")
        self._settled.add((party.name, request))

    def said(self, party: "SimParty", effect: io.Report | io.Publish) -> None:
        """Check what a device tells its person: nothing is wrong that nobody did."""
        if not isinstance(effect, io.Report):
            return
        about = effect.fields.get("device")
        device = DeviceId(bytes.fromhex(about)) if isinstance(about, str) else None
        if not self._sim.sown.excuses(effect.event, device):
            raise Violation(f"{party.name} reports {effect.event}")
        self.refused_twice |= effect.event == "device_runs_twice"
        if effect.event == "snapshots_given_up":
            # Should the source come back after all, content differs, and is repaired.
            self._sim.sown.kinds |= Sown.GIVEN_UP

    def writes(self, disk: Disk, batch: Batch) -> None:
        """Check that journals grow one by one, and that no number is ever used for two things.

        The latter on all disks that there ever were. An entry names what is durable, nothing of a
        removed device is taken that does not count, nothing is dropped that a member never held.
        """
        _check_order(disk, batch)
        party = next((party for party in self._sim.parties if party.disk is disk), None)
        if party is not None:
            _check_named(party, batch)
            self._check_taken(party, batch)
            self._note_held(party, batch)
            self._check_dropped(party, batch)
        for stored in batch.entries:
            key = (stored.author, stored.n)
            if key in self._entries:
                if self._entries[key] != stored.hash and not self._sim.sown.forks(*key):
                    raise Violation(f"two entries {stored.n} in one journal")
                continue
            self._entries[key] = stored.hash
            self._note_changes(stored)
        for operation in batch.operations:
            written = decode(operation.data).operation
            self._check_told(party, written)
            key = (written.author, written.n)
            first = self._operations.setdefault(key, operation.hash)
            if first != operation.hash and not self._sim.sown.contradicts(*key):
                raise Violation(f"two membership operations {written.n} by one device")

    def _check_told(self, party: "SimParty | None", written: Operation) -> None:
        """Nobody hears of an operation before its author has it for good."""
        if party is None or party.id == written.author:
            self._told.add(written.hash)
            return
        is_ours = self._sim.party_of(written.author) is not None
        if is_ours and written.hash not in self._told and not self._sim.sown.contradictable:
            raise Violation(f"{party.name} knows an operation that its author may yet forget")

    def _durable(self, party: "SimParty") -> Membership:
        """Return who belongs to the vault as far as a disk says so, by the core's own rules."""
        log = party.device.members.durable
        if log.heads not in self._views:
            self._views[log.heads] = evaluate(log)
        return self._views[log.heads]

    def _check_taken(self, party: "SimParty", batch: Batch) -> None:
        """An entry of a removed device counts by what is durable, or it is not taken."""
        if not batch.entries:
            return
        membership = self._durable(party)
        for stored in batch.entries if membership.removed else ():
            device = decode_entry(stored.data, membership.vault).body.device
            last = membership.acceptance(device, stored.author)
            if device != party.id and last is not None and stored.n > last:
                raise Violation(f"{party.name} takes an entry of a removed device beyond its end")

    def _note_held(self, party: "SimParty", batch: Batch) -> None:
        for reached in (*batch.entries, *batch.adopted):
            key = (party.id, reached.author)
            self._held[key] = max(reached.n, self._held.get(key, 0))

    def _check_dropped(self, party: "SimParty", batch: Batch) -> None:
        """What is dropped was with every member, or comes from snapshots and can go to nobody."""
        if not batch.dropped:
            return
        members = party.device.members
        others = self._durable(party).members.keys() & {*members.others}
        bases = {base.author: base.n for base in party.disk.state().bases}
        for head in batch.dropped:
            for other in sorted(others) if head.n > bases.get(head.author, 0) else ():
                if self._held.get((other, head.author), 0) < head.n:
                    name = members.name_of(other)
                    raise Violation(f"{party.name} drops an entry that “{name}” never held")

    def _note_changes(self, stored: StoredEntry) -> None:
        vault = self._sim.parties[0].device.members.vault
        for record, chunk in decode_entry(stored.data, vault).body.changes:
            change = inspect(chunk)
            key = (record, change.actor, change.sequence)
            first = self._changes.setdefault(key, change.hash)
            if first != change.hash and not self._sim.sown.forks(stored.author, stored.n):
                raise Violation(f"two changes {change.sequence} by one actor in one record")


def _check_order(disk: Disk, batch: Batch) -> None:
    last = {cut.author: cut.n for cut in batch.cuts}
    for stored in batch.entries:
        if stored.n != last.get(stored.author, disk.last_of(stored.author)) + 1:
            raise Violation(f"an entry {stored.n} that leaves a gap, or comes again")
        last[stored.author] = stored.n


def _check_named(party: "SimParty", batch: Batch) -> None:
    """What a device writes names no operation that a crash could take back."""
    pipeline = party.device.pipeline
    own = [stored for stored in batch.entries if stored.author == pipeline.author]
    durable = {operation.hash for operation in party.disk.state().operations} if own else set()
    for stored in own:
        body = decode_entry(stored.data, party.device.members.vault).body
        if not durable.issuperset(body.heads):
            raise Violation(f"{party.name} names an operation that is not durable")


def _check_bounds(link: Link) -> None:
    # A link that ended because of the bound has counted the message that it ended with.
    last_bytes = MESSAGE_BYTES_MAX if link.phase is Phase.CLOSED else 0
    if link.inbound.size > INBOUND_BYTES_MAX + last_bytes:
        raise Violation("more bytes received and not applied than the bound")
    if link.peer.in_flight_bytes > UNACKNOWLEDGED_BYTES_MAX + ENTRY_BYTES_MAX + 64 * KIB:
        raise Violation("more bytes in flight than the bound")
    if len(link.held) > HELD_MESSAGES_MAX:
        raise Violation("more messages held than the bound")
    assert ENTRIES_MESSAGE_BYTES_MAX <= ENTRY_BYTES_MAX, "or the bound above is another"


# When all is well again --------------------------------------------------------------------


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
    digests = {party.device.pipeline.durable.digest for party in members}
    logs = {party.device.members.durable.heads for party in members}
    return len(digests) == len(logs) == 1 and all(_is_proved(sim, party) for party in members)


def _is_proved(sim: "Simulation", party: "SimParty") -> bool:
    others = [party.device.book[other.id] for other in sim.parties if other.counts]
    linked = [standing for standing in others if standing.link is not None]
    alone = sum(other.counts for other in sim.parties) == 1
    return bool(linked or alone) and all(each.verdict is Verdict.EQUAL for each in linked)


def judge(sim: "Simulation", acknowledged: dict[str, set[str]]) -> None:
    """Check everything that holds once devices had the time to become equal.

    Args:
        sim: A simulation that was healed.
        acknowledged: By device, the fields of all edits that it answered with success.

    Raises:
        Violation: Something does not.
    """
    members = [party for party in sim.parties if party.counts]
    _check_equal(sim, members)
    for party in members:
        _check_fingerprints(party)
    _check_acknowledged(sim, members, acknowledged)
    _check_removed(sim, members)


def _check_equal(sim: "Simulation", members: list["SimParty"]) -> None:
    first = members[0]
    expected = values(first)
    for party in members:
        if party.disk.truth != first.disk.truth:
            raise Violation(f"{party.name} and {first.name} hold different records")
        if values(party) != expected:
            raise Violation(f"{party.name} and {first.name} hold different values")
        if party.disk.state().journals != first.disk.state().journals:
            raise Violation(f"{party.name} and {first.name} hold different journals")
        if party.device.members.durable.heads != first.device.members.durable.heads:
            raise Violation(f"{party.name} and {first.name} know different operations")
        _check_members(sim, party, {each.id for each in members})
        _check_present_epoch(party)


def _check_members(sim: "Simulation", party: "SimParty", ids: set[DeviceId]) -> None:
    """All who count belong, and nobody else but those who were wiped, or never came to be."""
    known = set(party.device.members.membership.members)
    ghosts = {each.id for each in sim.parties if each.wiped}
    ghosts |= {guest.id for guest in sim.guests if not guest.stored}
    if not ids <= known <= ids | ghosts:
        raise Violation(f"{party.name} does not know who belongs to the vault")


def _check_present_epoch(party: "SimParty") -> None:
    """The epoch that is used shuts out whoever is out, where anybody is left who could start it."""
    membership = party.device.members.membership
    admins = [device for device in membership.members if membership.is_admin(device)]
    if admins and membership.needs_epoch:
        raise Violation(f"{party.name} uses an epoch that is open to a removed device")


def values(party: "SimParty") -> dict[RecordId, object]:
    """Read every record of a device from its disk, deleted ones too."""
    rows = list(party.disk._rows())
    actor = party.device.pipeline.author
    found: dict[RecordId, object] = {}
    for stored in party.disk.records([row.id for row in rows]):
        try:
            record = Record.load(actor, stored.chunks, stored.row.heads)
        except CrdtError as error:
            raise Violation(f"{party.name} cannot read {stored.row.name}") from error
        found[stored.row.id] = record.value(), record.deleted
    return found


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
    sim: "Simulation", members: list["SimParty"], acknowledged: dict[str, set[str]]
) -> None:
    """An edit that was answered is there: everywhere, or at the removed device that made it."""
    fields = {party.name: _fields(party) for party in sim.parties if not party.wiped}
    for party in sim.parties:
        if party.wiped:
            continue
        for place in members if party.counts else [party]:
            lost = acknowledged.get(party.name, set()) - fields[place.name]
            if lost:
                raise Violation(f"{place.name} lacks {sorted(lost)} that {party.name} answered")


def _fields(party: "SimParty") -> set[str]:
    found: set[str] = set()
    for value, _ in values(party).values():  # type: ignore[misc]  # pairs, as made above
        found |= set(value)
    return found


def _check_removed(sim: "Simulation", members: list["SimParty"]) -> None:
    """A removed device holds no later secret, nothing that was written in knowledge of that."""
    log = members[0].device.members.log
    history = log.ledger.history
    for number in positions(history.everything):
        operation = history[number]
        if not isinstance(operation.content, Remove):
            continue
        gone = sim.party_of(operation.content.device)
        if gone is None or gone.wiped:
            continue
        for party in members:
            _check_bound(party, gone)
        _check_epochs(gone, history, number)
        for stored in gone.disk.all_entries():
            body = decode_entry(stored.data, log.vault).body
            if body.device != gone.id and log.covers(body.heads, operation.hash):
                raise Violation(f"{gone.name} was removed and holds a later entry")


def _check_epochs(gone: "SimParty", history: History, removal: int) -> None:
    """No epoch that was started in knowledge of a removal is open to who was removed."""
    secrets = {name for name in gone.disk.state().meta if name.startswith(EPOCH_SECRET)}
    for later in positions(history.everything):
        epoch = history[later].content
        if not (history.past(later) >> removal & 1 and isinstance(epoch, NewEpoch)):
            continue
        if any(box.device == gone.id for box in epoch.boxes):
            raise Violation(f"{gone.name} was removed and a later epoch has a box for it")
        if EPOCH_SECRET + epoch.id.hex() in secrets:
            raise Violation(f"{gone.name} was removed and holds the secret of a later epoch")


def _check_bound(party: "SimParty", gone: "SimParty") -> None:
    """Nothing of a removed device counts beyond what somebody entitled said to have accepted."""
    membership = party.device.members.membership
    for head in party.device.pipeline.durable.journals_of(gone.id):
        last = membership.acceptance(gone.id, head.author)
        if last is None or head.n > last:
            raise Violation(f"{party.name} holds entries of {gone.name} beyond its removal")
