"""One pipeline that judges entries under a membership which a test sets."""

from harness.entropy import seeded
from harness.pipelines import ADA, BOB, LOG, NOW, VAULT, Bench
from p2pvault.core import asks, io
from p2pvault.core.io import QuarantineSettled
from p2pvault.core.quarantine import LiftJob, Quarantine, ReleaseJob, SettleJob, quarantine_of
from p2pvault.core.steps import Circumstances, Step
from p2pvault.crdt.record import Record
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.protocol.journal import Entry, decode_entry
from p2pvault.protocol.membership import Author, Membership, admit, evaluate, revoke
from p2pvault.protocol.membership.operation import DeviceCard
from p2pvault.types import AuthorId, DeviceId, Role

CYD = DeviceKeys.generate(seeded("cyd"))
BOB_ID, CYD_ID = device_id(BOB.public), device_id(CYD.public)
_LOG = admit(
    LOG,
    Author(ADA, seeded("admit cyd"), 0),
    DeviceCard(CYD.public, "cyd", "laptop"),
    Role.MEMBER,
    {},
).log


class Judge(Bench):
    """A pipeline of ada's; bob is removed at some time, cyd stays a member.

    Args:
        bounds: How far bob's journals count; None while he is a member.
        name: Another device of the same kind, for a second opinion.
    """

    def __init__(self, bounds: dict[AuthorId, int] | None = None, name: str = "ada") -> None:
        keys = {"ada": ADA, "bob": BOB, "cyd": CYD}[name]
        super().__init__(keys, name)
        self.now = NOW
        self.certain: Membership | None = None
        self.bound(bounds)

    def bound(self, bounds: dict[AuthorId, int] | None) -> None:
        log = _LOG
        if bounds is not None:
            log = revoke(log, Author(ADA, seeded("revoke"), 0), BOB_ID, bounds).log
        self.membership = evaluate(log)

    def loaded(self, answer: io.RecordsLoaded) -> Step:
        known, certain = self.membership, self.certain or self.membership
        return self.pipeline.loaded(answer, Circumstances(self.now, known, certain, LOG.heads))

    def load(self, effect: io.LoadRecords) -> Step:
        ids = list(effect.ids)
        ids += [row.id for path in effect.paths for row in self.store.find(*path)]
        held = self.store.quarantined(effect.quarantined)
        return self.loaded(io.RecordsLoaded(effect.load, self.store.records(ids), held))

    @property
    def quarantine(self) -> Quarantine:
        """Return what the pipeline believes, which is what the store holds."""
        believed = self.pipeline.durable.quarantine
        assert believed == quarantine_of(self.store.state())
        return believed

    @property
    def kept(self) -> list[tuple[DeviceId, int]]:
        return [(row.device, row.n) for row in self.quarantine.rows.values()]

    def marked(self, author: AuthorId) -> int | None:
        mark = self.quarantine.marks.get(author)
        return None if mark is None else mark.head.n

    def held(self, author: AuthorId) -> int:
        """Return how far a journal is in the log."""
        head = self.pipeline.durable.journals.get(author)
        return head.n if head is not None else 0

    def take(self, *entries: Entry, link: int = 5) -> list[Step]:
        return self.run(self.entries(link, *entries))

    def sweep(self) -> list[Step]:
        """Try everything again, then lift marks."""
        jobs = [ReleaseJob(row) for row in self.quarantine.rows.values()]
        return self.run(self.pipeline.submit(*jobs, LiftJob()))

    def settle(self, *, repeat: bool, device: DeviceId | None = None) -> QuarantineSettled:
        job = SettleJob(1, self.quarantine.of(device), repeat)
        steps = self.run(self.pipeline.submit(job))
        (settled,) = [result for s in steps if s.done for _, result in s.done.answers]
        assert isinstance(settled, QuarantineSettled)
        return settled

    def value(self, path: str) -> dict[str, object] | None:
        """Read the live record of a path; None where there is none."""
        rows = [row for row in self.store.find(*path.split("/")) if not row.deleted]
        if not rows:
            return None
        (stored,) = self.store.records([row.id for row in rows])
        return Record.load(self.pipeline.author, stored.chunks, stored.row.heads).value()

    def written_as_one(self, *edits: asks.Edit) -> list[Entry]:
        """Commit edits as one, and return the entries that this made."""
        before = self.pipeline.durable.last_arrival
        self.run(self.edit(1, *edits))
        return [decode_entry(each.data, VAULT) for each in self.store.entries(before, 1 << 40)]

    def log(self) -> list[Entry]:
        return [decode_entry(each.data, VAULT) for each in self.store.entries(0, 1 << 40)]


def one_journal(*edits: asks.Edit) -> list[Entry]:
    """Return entries that bob writes, one for each edit."""
    return Judge(name="bob").written(*edits)
