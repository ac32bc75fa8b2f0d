"""What must hold at every transition; `judgement` has what must once everything is well again.

They look at disks, bytes and verdicts from outside, and share no code with what they judge other
than reading entries and records.
"""

from typing import TYPE_CHECKING

from p2pvault.core import io
from p2pvault.core.interest import INTEREST, interest_of
from p2pvault.core.link import Link, Phase
from p2pvault.crdt.prefilter import inspect
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
from p2pvault.protocol.membership.operation import Operation
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Batch, DeviceId, OperationHash, StoredEntry
from sim.disk import Disk
from sim.holdings import fields_of
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
        unmended: Journals of which somebody could not take its branch out.
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
        self.unmended: set[str] = set()

    # At every transition -----------------------------------------------------------------

    def given(self, party: "SimParty", given: io.Input) -> None:
        """A device is about to take an input; from `Persisted` on it may speak of a batch."""
        if isinstance(given, io.Persisted):
            self.see(party)

    def see(self, party: "SimParty") -> None:
        """A device may speak of what its disk holds now."""
        party.truth, party.forgotten = party.disk.truth, party.disk.interest.forgotten
        self._sim.left_behind.see(party)

    def settled_in(self, party: "SimParty") -> None:
        """A device begins with what the store of another one held, and may speak of it."""
        for head in party.disk.state().journals:
            self._held[party.id, head.author] = head.n
        self.see(party)

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
        if not party.forgotten <= standing.without:
            raise Violation(f"{party.name} says that what it does not keep is equal")
        other = self._sim.network.link_to(party, link.id)
        if other is None or other.lies:
            return
        if not standing.without <= party.disk.past.forgotten | other.disk.past.forgotten:
            raise Violation(f"{party.name} leaves out what it and {other.name} have always kept")
        if other.disk.past.knew(party.truth, standing.without):
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
        if effect.event == "fork_not_mended":
            self.unmended.add(str(effect.fields["journal"]))
        if effect.event == "snapshots_given_up":
            # Should the source come back after all, content differs, and is repaired.
            self._sim.sown.kinds |= Sown.GIVEN_UP
        if effect.event == "collections_whole" and self._is_missed(party):
            self._sim.sown.kinds |= Sown.MISSED

    def _is_missed(self, party: "SimParty") -> bool:
        """Tell whether one of two copies may hold more of what a device is about to call whole.

        All others were equal to it, so nobody has more; but it cannot tell the two copies apart.
        """
        running = [each for each in self._sim.parties if not each.wiped]
        twins = {each.id for each in running if each.twin}
        return any(
            not party.disk.past.knew_of(collection, each.disk.truth.get(collection, 0))
            for each in running
            if each.id in twins and each is not party
            for collection in party.disk.interest.partial - each.disk.interest.forgotten
        )

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
        self._check_vouched(disk, batch)
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

    def _check_vouched(self, disk: Disk, batch: Batch) -> None:
        """Whoever is about to forget a collection is not the last one to hold what it holds of it.

        But for what happened to others since its person has asked for it.
        """
        party = next((party for party in self._sim.parties if party.disk is disk), None)
        if INTEREST not in batch.meta or party is None:
            # What a new device does not keep that begins with the store of another one, that one
            # has forgotten.
            return
        for collection in interest_of(batch.meta).forgotten - disk.interest.forgotten:
            self._sim.forgotten.add(collection)
            asked = party.forgetting(collection)
            if any(it.anyway or it.upheavals != self._sim.upheavals for it in asked):
                self._sim.given_up |= self._held_only(party, collection)
            elif not self._is_held(party, collection):
                raise Violation(f"{party.name} forgets {collection}, which nobody else keeps")

    def _held_only(self, party: "SimParty", collection: str) -> set[str]:
        others = [p for p in self._sim.parties if p is not party and not p.wiped]
        elsewhere = set[str]().union(*(fields_of(other.disk) for other in others))
        return fields_of(party.disk, collection) - elsewhere

    def _is_held(self, party: "SimParty", collection: str) -> bool:
        """Tell whether somebody else holds, or held, what a device holds of a collection."""
        others = (p for p in self._sim.parties if p.id != party.id and not p.wiped)
        part = party.disk.truth.get(collection, 0)
        return not part or any(
            collection not in other.disk.interest.forgotten
            and other.disk.past.knew_of(collection, part)
            for other in others
        )

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
