"""A pipeline by hand: jobs in, effects out, and a memory store that performs them when told to."""

from harness.entropy import seeded
from harness.memory_store import MemoryStore
from p2pvault.core import asks, io
from p2pvault.core.commit import read_wishes
from p2pvault.core.content import content_of
from p2pvault.core.jobs import EditJob, EntriesJob
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.steps import Circumstances, Step
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.errors import StoreFull
from p2pvault.protocol.journal import Entry, Journal, Writer, decode_entry
from p2pvault.protocol.membership import Author, RecoveryKey, evaluate
from p2pvault.protocol.membership.operation import DeviceCard
from p2pvault.protocol.membership.write import admit, found
from p2pvault.types import Instant, JournalId, LinkId, Role

NOW = Instant(5.0, 1_790_000_000_000)
ADA, BOB = (DeviceKeys.generate(seeded(name)) for name in ("ada", "bob"))
_KEY = RecoveryKey.draw(seeded("words"))
_FOUNDED = found(Author(ADA, seeded("vault"), 0), "home", "ada", "laptop", _KEY.public)
LOG = admit(
    _FOUNDED.log,
    Author(ADA, seeded("admit"), 0),
    DeviceCard(BOB.public, "bob", "laptop"),
    Role.MEMBER,
    _FOUNDED.secrets,
).log
MEMBERSHIP = evaluate(LOG)
VAULT = LOG.vault


class Bench:
    """One device's pipeline and store."""

    def __init__(self, keys: DeviceKeys = ADA, name: str = "ada") -> None:
        self.store = MemoryStore()
        self.journal = Journal(VAULT, device_id(keys.public), JournalId(name.encode().ljust(16)))
        self._writer, self._name = Writer(self.journal, keys), name
        self.restart()

    def restart(self) -> None:
        """Begin anew from what the store holds."""
        content, entropy = content_of(self.store.state()), seeded(self._name)
        self.pipeline = Pipeline(content, self._writer, bytes(32), entropy)
        self.pipeline.watched = True

    def edit(self, request: int, *edits: asks.Edit) -> Step:
        return self.pipeline.submit(EditJob(request, read_wishes(edits)))

    def entries(self, link: int, *entries: Entry) -> Step:
        return self.pipeline.submit(EntriesJob(LinkId(link), entries))

    def load(self, effect: io.LoadRecords) -> Step:
        """Answer a load from the store as it is now."""
        ids = list(effect.ids)
        ids += [row.id for path in effect.paths for row in self.store.find(*path)]
        ids += [row.id for p in effect.prefixes for row in self.store.with_id_prefix(p, 16)]
        records = self.store.records(list(dict.fromkeys(ids)))
        return self.loaded(io.RecordsLoaded(effect.load, records))

    def loaded(self, answer: io.RecordsLoaded) -> Step:
        around = Circumstances(NOW, MEMBERSHIP, MEMBERSHIP, LOG.heads)
        return self.pipeline.loaded(answer, around)

    def persist(self, effect: io.Persist) -> Step:
        self.store.persist(effect.batch)
        return self.pipeline.persisted(effect.id)

    def fail(self, effect: io.Persist) -> Step:
        return self.pipeline.persist_failed(effect.id, StoreFull("no room"))

    def run(self, step: Step) -> list[Step]:
        """Perform effects until there are none; return every step, the given one first."""
        steps, queue = [step], list(step.effects)
        while queue:
            effect = queue.pop(0)
            after = (
                self.load(effect) if isinstance(effect, io.LoadRecords) else self.persist(effect)
            )
            steps.append(after)
            queue += after.effects
        return steps

    def written(self, *edits: asks.Edit) -> list[Entry]:
        """Commit edits, one entry each, and return these entries as they travel."""
        after = self.pipeline.durable.last_arrival
        for number, edit in enumerate(edits, start=1_000):
            self.run(self.edit(number, edit))
        return [decode_entry(e.data, VAULT) for e in self.store.entries(after, 1 << 40)]


def bob() -> Bench:
    return Bench(BOB, "bob")


def one(step: Step, kind: type) -> object:
    """Return the only effect of a step, which is of this kind."""
    (effect,) = step.effects
    assert isinstance(effect, kind), effect
    return effect


def answered(steps: list[Step]) -> list[int]:
    """Return the requests that were answered, in order."""
    return [request for s in steps if s.done is not None for request, _ in s.done.answers]
