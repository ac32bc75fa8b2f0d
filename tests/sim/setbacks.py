"""Stores that are put back to an older state, copied, or damaged where they lie."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from p2pvault.core import start
from p2pvault.core.content import JOURNAL
from p2pvault.core.inquiries import RepairRequested
from p2pvault.node.audit import audit
from p2pvault.node.inquiring import is_sound
from p2pvault.node.port import Finding
from p2pvault.protocol.journal import Journal
from p2pvault.protocol.membership.decode import decode
from p2pvault.types import (
    DeviceId,
    Doubt,
    Fingerprint,
    JournalId,
    RecordId,
    StoredRecord,
)
from sim.disk import Disk
from sim.holdings import fields_of
from sim.oracles import Violation
from sim.sown import Sown

if TYPE_CHECKING:
    from sim.simulation import SimParty, Simulation

Fields = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Damage:
    """One bit of a record that was turned on a disk."""

    party: "SimParty"
    record: RecordId
    chunk: bytes
    was: bytes

    @property
    def is_there(self) -> bool:
        """Whether the disk still holds the damaged bytes."""
        return any(self.chunk in s.chunks for s in self.party.disk.records([self.record]))

    def undo(self) -> None:
        """Turn the bit back."""
        for stored in self.party.disk.records([self.record]):
            chunks = tuple(self.was if each == self.chunk else each for each in stored.chunks)
            self.party.disk.damage(StoredRecord(stored.row, chunks))


class Setbacks:
    """What happens to stores while nobody looks.

    Attributes:
        excused: By device, fields that it answered and that no disk holds any more, because the
            disks that held them were put back, or are gone.
        forgotten: By device, what it answered and its own disk lost when it was put back.
    """

    def __init__(
        self, sim: "Simulation", random: Random, acknowledged: Callable[[], Fields]
    ) -> None:
        self.excused: Fields = {}
        self.forgotten: Fields = {}
        self._sim = sim
        self._random = random
        self._acknowledged = acknowledged
        self._copies: dict[str, Disk] = {}
        self._damages: list[Damage] = []

    # Old states --------------------------------------------------------------------------

    def backup(self, party: "SimParty") -> None:
        """Copy a store as it is at this moment."""
        self._copies[party.name] = party.disk.copy()

    def copy_of(self, party: "SimParty") -> Disk | None:
        """Return what the last backup of a device holds, if there is one."""
        copy = self._copies.get(party.name)
        return copy.copy() if copy is not None else None

    def restore(self, party: "SimParty") -> None:
        """Put the last copy in the place of a store, and switch the device on again."""
        copy = self._copies.get(party.name)
        if copy is None or party.twin or self.holds_the_last(party):
            return
        noticed = self._is_noticed()
        self._sim.note(party, f"is put back to an older state, {noticed=}")
        self._sim.lose(party, power=True)
        later = party.disk.past
        party.disk = party.store = copy.copy()
        party.disk.past = later.joined(copy.past)
        self._go_back(party, noticed=noticed)
        self._sim.upheavals += 1
        self.lose()
        gone = self._acknowledged().get(party.name, set()) - fields_of(party.disk)
        self.forgotten.setdefault(party.name, set()).update(gone)
        down_s = self._random.expovariate(0.2)
        now = self._sim.now.monotonic
        self._sim.post(now + down_s, party, lambda: self._sim.start(party), life=None)

    def _is_noticed(self) -> bool:
        """Large edits may make a branch that is too long to be mended; see docs/reliability.md."""
        return self._sim.plan.edit_bulky > 0 or self._random.random() < self._sim.plan.witness_share

    def _go_back(self, party: "SimParty", *, noticed: bool) -> None:
        """Let a store be an older state or a copy, with or without its witness saying so."""
        field, state = self._sim.sown, party.disk.state()
        field.may_contradict(party.id, operations_of(party.disk, party.id))
        if noticed:
            field.kinds |= Sown.RENEWED
            entropy = self._sim.entropy(party.name, "renewed", party.life)
            party.disk.persist(start.renewed(state, entropy, Doubt.COPIED))
        else:
            journal = JournalId(state.meta[JOURNAL])
            author = Journal(party.device.members.vault, party.id, journal).author
            heads = {head.author: head.n for head in state.journals}
            field.may_fork(author, heads.get(author, 0))

    def lose(self) -> None:
        """Note what no disk holds any more that anybody could get it from."""
        parties = [party for party in self._sim.parties if not party.wiped]
        fields = {party.name: fields_of(party.disk) for party in parties}
        staying = [party for party in parties if party.counts and not party.leaving]
        common = set().union(*(fields[party.name] for party in staying))
        answered = self._acknowledged()
        for party in parties:
            gone = answered.get(party.name, set()) - common - fields[party.name]
            self.excused.setdefault(party.name, set()).update(gone)

    # Two of one --------------------------------------------------------------------------

    def clone(self, party: "SimParty") -> None:
        """Run a second device from a copy of a store, beside the first."""
        if not party.counts or party.leaving or any(each.twin for each in self._sim.parties):
            return
        noticed = self._is_noticed()
        self._sim.note(party, f"is copied to another device, {noticed=}")
        twin = self._sim.copy_of(party)
        damaged = [each for each in self._damages if each.party is party and each.is_there]
        self._damages += [replace(each, party=twin) for each in damaged]
        self._sim.sown.kinds |= Sown.CLONE
        self._go_back(twin, noticed=noticed)
        self._sim.start(twin)

    def meet_twins(self, wait_s: float, look: Callable[[], bool]) -> None:
        """Let a device and its copy run until both were refused and told; then one goes away.

        Where both wrote to the membership log, the device is suspended before, and told that. Where
        all others were removed meanwhile, nobody is left to meet both (docs/protocol/journal.md).
        """
        for twin in [party for party in self._sim.parties if party.twin and not party.wiped]:
            (first,) = (p for p in self._sim.parties if p.counts and p.id == twin.id)
            end = self._sim.now.monotonic + wait_s
            while self._has_other(first, twin) and not self._are_told(first, twin):
                if self._sim.now.monotonic > end:
                    raise Violation(f"nobody tells {first.name} and {twin.name} that both run")
                look()
            self._sim.note(twin, "is taken away")
            self._sim.lose(twin, power=True)
            twin.wiped = True
            self._sim.upheavals += 1
            self.lose()

    def _has_other(self, first: "SimParty", twin: "SimParty") -> bool:
        """Tell whether anybody is left that both know, and so may meet both.

        Of a new device that came for all others that a copy knows, only the original hears.
        """
        staying = [p for p in self._sim.parties if p.counts and not p.leaving and p is not first]
        return any(_know(first, twin, other) for other in staying)

    def _are_told(self, first: "SimParty", twin: "SimParty") -> bool:
        watch = self._sim.watch
        told = {twin.name, first.name} <= watch.told and watch.refused_twice
        return told or Sown.SUSPENSION in self._sim.sown.kinds

    # Bits --------------------------------------------------------------------------------

    def flip(self, party: "SimParty") -> None:
        """Turn a bit of a record, or of a fingerprint, that others hold undamaged."""
        if not party.counts or party.leaving or not party.disk.collections():
            return
        self._sim.sown.kinds |= Sown.DAMAGE
        if self._random.random() < 0.2:
            self._flip_fingerprint(party)
        else:
            self._flip_record(party)

    def _flip_fingerprint(self, party: "SimParty") -> None:
        self._sim.sown.kinds |= Sown.MISCOUNT
        kept = self._random.choice(party.disk.collections())
        self._sim.note(party, f"has a wrong fingerprint of {kept.collection}")
        total = kept.total ^ 1 << self._random.randrange(256)
        party.disk.miscount(Fingerprint(kept.collection, total, kept.count))

    def _flip_record(self, party: "SimParty") -> None:
        rows = [row for row in party.disk._rows() if self._holders(party, row.id)]
        if not rows:
            return
        (stored,) = party.disk.records([self._random.choice(rows).id])
        at = self._random.randrange(len(stored.chunks))
        chunk = bytearray(stored.chunks[at])
        chunk[self._random.randrange(len(chunk))] ^= 1 << self._random.randrange(8)
        chunks = (*stored.chunks[:at], bytes(chunk), *stored.chunks[at + 1 :])
        self._sim.note(party, f"has a bit turned in {stored.row.name}")
        party.disk.damage(StoredRecord(stored.row, chunks))
        self._damages.append(Damage(party, stored.row.id, bytes(chunk), stored.chunks[at]))

    def _holders(self, party: "SimParty", record: RecordId) -> list["SimParty"]:
        """Return who else holds a record as a device does, undamaged, and is to hold it further."""
        (own,) = party.disk.records([record])
        others = (p for p in self._sim.parties if p.counts and not p.leaving and p is not party)
        return [
            other
            for other in others
            if not other.may_forget(own.row.collection)
            for theirs in other.disk.records([record])
            if theirs.row.heads == own.row.heads and is_sound(theirs)
        ]

    def holds_the_last(self, *going: "SimParty") -> bool:
        """Tell whether a damaged record is whole on these devices only: they are not lost then."""
        return any(
            not [other for other in self._holders(each.party, each.record) if other not in going]
            for each in self._damages
            if each.party not in going and each.is_there
        )

    def spare_removed(self) -> None:
        """Turn bits back on devices that were removed: nobody repairs anything with them."""
        for damage in reversed(self._damages):
            if not damage.party.counts:
                damage.undo()

    def find_damage(self) -> bool:
        """Let every device verify its store and repair it; tell whether anything was wrong.

        Raises:
            Violation: Damage that is not found and named, or something named that is sound.
        """
        if Sown.DAMAGE not in self._sim.sown.kinds:
            return False
        members = [party for party in self._sim.parties if party.counts]
        found = [self.verify(party) for party in members]
        return any(found)

    def verify(self, party: "SimParty") -> bool:
        """Let one device verify its store and repair it; raises what `find_damage` does."""
        findings = [news for news in audit(party.disk) if isinstance(news, Finding)]
        named = {each.record for each in findings if each.kind == "record"}
        there = {each.record for each in self._damages if each.party is party and each.is_there}
        if named != there:
            raise Violation(f"{party.name} has {len(there)} damaged records and names {len(named)}")
        wrong = tuple(each.wrong for each in findings if each.wrong is not None)
        if len(named) + len(wrong) != len(findings):
            raise Violation(f"{party.name} finds more damage than there is: {findings}")
        if wrong and Sown.MISCOUNT not in self._sim.sown.kinds:
            raise Violation(f"{party.name} keeps a fingerprint that is not that of its records")
        if findings:
            request = next(self._sim._requests)
            corrections = party.device.pipeline.durable.corrections
            asked = RepairRequested(request, tuple(sorted(there)), wrong, corrections)
            self._sim.give(party, asked)
        return bool(findings)


def _know(first: "SimParty", twin: "SimParty", other: "SimParty") -> bool:
    return all(other.id in each.device.members.membership.members for each in (first, twin))


def operations_of(disk: Disk, device: DeviceId) -> int:
    """Return the number of the last operation by a device that a disk holds."""
    written = (decode(stored.data).operation for stored in disk.state().operations)
    return max((each.n for each in written if each.author == device), default=0)
