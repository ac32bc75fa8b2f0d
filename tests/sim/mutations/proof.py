"""Fingerprints and verdicts that do not say what is there."""

from collections.abc import Iterable
from typing import Any

from p2pvault.core.content import Content, Tally
from p2pvault.core.io import Effect
from p2pvault.core.link import Link
from p2pvault.core.links import Links
from p2pvault.core.lookup import Lookup
from p2pvault.core.repair import Repair
from p2pvault.core.replication import Replication
from p2pvault.core.restore import Restore, SnapshotsJob
from p2pvault.node import audit
from p2pvault.protocol.reconcile import Journals, Peer, Verdict
from p2pvault.types import Instant, RecordId, RecordRow, StoredRecord
from sim.mutations.deaf import stop_counting
from sim.mutations.mutation import Mutation

_replace = Tally.replace


def _count_new_records_only(self: Tally, old: RecordRow | None, new: RecordRow) -> None:
    if old is None:
        _replace(self, old, new)


def _never_take_away(self: Tally, old: RecordRow | None, new: RecordRow) -> None:
    _replace(self, None, new)


def _contains(self: Peer, journals: Journals, content: bytes) -> Verdict:
    """Equal where the peer holds nothing that we lack."""
    if self.content is None:
        return Verdict.APART
    lacking = any(journals.get(author) != head for author, head in self.journals.items())
    return Verdict.APART if lacking else Verdict.EQUAL


def _announces_only(
    self: Replication, now: Instant, link: Link, content: Content, entries: Any
) -> list[Effect]:
    effects = self._send_live(link, content, entries) if link.feed.at_tail else []
    moved = sorted({entry.author for entry in entries})
    heads = tuple(content.journals[author] for author in moved)
    return [*effects, *self._have(link, heads, content)]


_note_up = Links._note_up


def _keeps_verdict(self: Links, now: Instant, link: Link, standing: Any) -> None:
    verdict = standing.verdict
    _note_up(self, now, link, standing)
    standing.verdict = verdict


def _finds_all_sound(stored: StoredRecord) -> bool:
    return True


_take = Restore.take


def _repairs_uncounted(self: Restore, jobs: Iterable[SnapshotsJob]) -> None:
    taken = [*jobs]
    _take(self, taken)
    if any(job.begins is None for job in taken):
        stop_counting(self._staging)


def _knows_no_row(self: Lookup, record: RecordId) -> RecordRow | None:
    """Take the place of a damaged record for one where nothing was."""
    return None


def _asks_nobody(self: Repair, link: Link) -> list[Effect]:
    return []


PROOF = (
    Mutation(
        "fingerprints count new records only", 10, ((Tally, "replace", _count_new_records_only),)
    ),
    Mutation("fingerprints keep old states", 10, ((Tally, "replace", _never_take_away),)),
    Mutation("“same” means that the peer has nothing new", 3, ((Peer, "compare", _contains),)),
    Mutation(
        "a local edit leaves “same” standing", 3, ((Replication, "announce", _announces_only),)
    ),
    Mutation("a new link begins with the old verdict", 20, ((Links, "_note_up", _keeps_verdict),)),
    Mutation(
        "a flipped bit is not noticed", 30, ((audit, "is_sound", _finds_all_sound),), {"flip": 6}
    ),
    Mutation("damage is not fetched again", 20, ((Repair, "_ask", _asks_nobody),), {"flip": 6}),
    Mutation(
        "a repaired record is not counted",
        20,
        ((Restore, "take", _repairs_uncounted),),
        {"flip": 6, "names": 1, "edit": 20, "moves": 40},
    ),
    Mutation(
        "a repaired record is counted twice",
        20,
        ((Lookup, "stored_row", _knows_no_row),),
        {"flip": 6},
        oracle="fingerprint",
    ),
)
