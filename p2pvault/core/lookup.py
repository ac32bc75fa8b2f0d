"""Finding records for a job: in the cache, in batches under way, or freshly loaded."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from p2pvault.core.replica import Replica, Replicas, replica_of
from p2pvault.core.selector import Path, Selector, path_of
from p2pvault.crdt.pieces import began, piece_together, salvage
from p2pvault.crdt.prefilter import Change
from p2pvault.crdt.record import Record
from p2pvault.errors import CrdtError
from p2pvault.types import AuthorId, RecordId, RecordRow, StoredRecord


class Lookup:
    """Everything that one job may refer to.

    Attributes:
        loaded: What the store found, which may be older than the cache.
        made: Records by path that batches under way made when the store was asked.
    """

    def __init__(
        self,
        actor: AuthorId,
        replicas: Replicas,
        loaded: Iterable[StoredRecord],
        made: Iterable[tuple[str, RecordId]],
    ) -> None:
        self._actor = actor
        self._replicas = replicas
        self._loaded: Mapping[RecordId, StoredRecord] = {each.row.id: each for each in loaded}
        self._made: dict[str, list[RecordId]] = {}
        for path, record in made:
            self.note_made(path, record)

    def note_made(self, path: str, record: RecordId) -> None:
        """Make a record that this job created known to the rest of the job."""
        self._made.setdefault(path, []).append(record)

    def replica(self, record: RecordId) -> Replica | None:
        """Return a record from the cache, or load it from what the store found.

        Raises:
            CrdtError: The stored chunks do not make the stored heads.
        """
        replica = self._replicas.get(record)
        if replica is None and record in self._loaded:
            replica = replica_of(self._actor, self._loaded[record])
            self._replicas.put(replica)
        return replica

    def pieced_together(self, record: RecordId, changes: Sequence[Change]) -> Replica:
        """Return a record whose stored copy is damaged, made of what is sound of it.

        Args:
            record: One that the store found. It is not kept in the cache.
            changes: Changes to it that are known otherwise. Where they begin it, what they and the
                sound parts make counts as all of it.

        Raises:
            CrdtError: Something is missing all the same.
        """
        row, chunks = self._loaded[record].row, self._loaded[record].chunks
        heads = () if began(changes) else row.heads
        return Replica(record, piece_together(self._actor, chunks, changes, heads), row)

    def salvage(self, record: RecordId, other: Record) -> list[Change]:
        """Bring what is sound of a damaged copy into another one; return what is new in that.

        Nothing is, where the two contradict each other.

        Args:
            record: One that the store found.
            other: What is to take its place.
        """
        try:
            return salvage(self._actor, other, self._loaded[record].chunks)
        except CrdtError:
            return []

    def stored_row(self, record: RecordId) -> RecordRow | None:
        """Return the index row as the store found it, whatever the chunks beside it are worth."""
        stored = self._loaded.get(record)
        return stored.row if stored is not None else None

    def matching(self, selector: Selector) -> list[RecordId]:
        """Return the live records that a selector means, newest state counted."""
        ids = dict.fromkeys([*self._stored(selector), *self._under_way(selector)])
        return [record for record in ids if self._is_live(record)]

    def _stored(self, selector: Selector) -> Sequence[RecordId]:
        if isinstance(selector, Path):
            return self._stored_at.get(str(selector), [])
        return [record for record in self._loaded if record.hex().startswith(selector.digits)]

    @cached_property
    def _stored_at(self) -> Mapping[str, list[RecordId]]:
        """What the store found, by path: a job names up to a thousand, and not all jobs do."""
        found: dict[str, list[RecordId]] = {}
        for record, each in self._loaded.items():
            found.setdefault(path_of(each.row), []).append(record)
        return found

    def _under_way(self, selector: Selector) -> Sequence[RecordId]:
        if isinstance(selector, Path):
            return self._made.get(str(selector), [])
        made = (record for ids in self._made.values() for record in ids)
        return [record for record in made if record.hex().startswith(selector.digits)]

    def _is_live(self, record: RecordId) -> bool:
        replica = self._replicas.get(record)
        if replica is not None:
            return not replica.record.deleted
        return not self._loaded[record].row.deleted
