"""Snapshots: what is dropped from the log and folded, handed out, fetched, adopted and counted."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from p2pvault.core import device
from p2pvault.core.acknowledged import Acknowledged
from p2pvault.core.content import Content
from p2pvault.core.fetch import Fetch
from p2pvault.core.io import Effect
from p2pvault.core.link import Link
from p2pvault.core.loads import SnapshotsLoaded
from p2pvault.core.replica import Replica
from p2pvault.core.restore import Restore, SnapshotsJob
from p2pvault.protocol.reconcile import content_digest
from p2pvault.types import AuthorId, DeviceId, Instant, JournalHead, RecordWrite
from sim.mutations.deaf import stop_counting
from sim.mutations.mutation import Mutation

_take = Restore.take


def _fetches_uncounted(self: Restore, jobs: Iterable[SnapshotsJob]) -> None:
    taken = [*jobs]
    _take(self, taken)
    if any(job.begins is not None for job in taken):
        stop_counting(self._staging)


def _adopts_early(self: Fetch) -> list[Effect]:
    """Be done with a cut once anything of it is durable."""
    request = self._request
    if request is None or self._adopting or self._pipeline.durable.fetching is None:
        return []
    return self._adopt(request.cut, self._beyond(request.cut), self._adopted, request.lacks)


def _adopts_at_the_end(self: Fetch) -> list[Effect]:
    """Be done with a cut once all of it has arrived."""
    request = self._request
    if request is None or not request.ended or self._adopting:
        return []
    return self._adopt(request.cut, self._beyond(request.cut), self._adopted, request.lacks)


def _held_by_the_fastest(
    self: Acknowledged, members: Iterable[DeviceId], journals: Mapping[AuthorId, JournalHead]
) -> dict[AuthorId, int]:
    words = [self._words.get(member, {}) for member in members]
    return {
        author: min(head.n, max([0, *(word.get(author, 0) for word in words)]))
        for author, head in journals.items()
    }


_loaded = device.loaded


def _leaves_one_out(link: Link, answer: SnapshotsLoaded, content: Content) -> list[Effect]:
    return _loaded(link, replace(answer, snapshots=answer.snapshots[1:]), content)


def _digest_of_half(self: Content, collections: Iterable[str]) -> bytes:
    """Prove with what was fetched so far."""
    left_out = self.interest.forgotten.union(collections)
    kept = (each for each in self.fingerprints.values() if each.collection not in left_out)
    return content_digest(kept)


def _restates_nothing(self: Fetch, now: Instant) -> list[Effect]:
    return []


def _folds_too_little(self: Replica) -> RecordWrite:
    """Put in the place of a record's chunks what lacks its newest changes, and look at nothing."""
    assert self.row is not None, "only what the store holds is folded"
    _, history = self.record.history_without(self.record.heads)
    return self._replace(self.row, history or self.record.snapshot())


_ADMITTING = {"admit": 6, "pause_s": 15.0, "moves": 40}
"""Whoever joins long after entries were dropped gets snapshots."""

FETCHING = (
    Mutation(
        "entries are dropped that the slowest member lacks",
        30,
        ((Acknowledged, "held_by_all", _held_by_the_fastest),),
        oracle="never held",
    ),
    Mutation(
        "records are folded without a proof",
        10,
        ((Replica, "fold", _folds_too_little),),
        {"edit": 40, "delete": 0, "names": 1, "restart": 4, "moves": 60, "pause_s": 4.0},
    ),
    Mutation(
        "fingerprints are not updated with snapshots",
        30,
        ((Restore, "take", _fetches_uncounted),),
        _ADMITTING,
    ),
    Mutation(
        "a cut is adopted before its last snapshot",
        20,
        ((Fetch, "_adopt_if_complete", _adopts_early),),
        {"edit_bulky": 1, **_ADMITTING},
        first=3,
    ),
    Mutation(
        "a cut is adopted before its snapshots are durable",
        20,
        ((Fetch, "_adopt_if_complete", _adopts_at_the_end),),
        {"persist_fault_rate": 0.1, **_ADMITTING},
    ),
    Mutation(
        "a cut that was adopted is not told",
        30,
        ((Fetch, "_restate", _restates_nothing),),
        _ADMITTING,
        first=28,
    ),
    Mutation(
        "what was fetched of a cut counts as a proof",
        40,
        ((Content, "digest_without", _digest_of_half),),
        _ADMITTING,
    ),
    Mutation(
        "a source of snapshots leaves one out",
        20,
        ((device, "loaded", _leaves_one_out),),
        _ADMITTING,
    ),
)
