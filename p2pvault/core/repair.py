"""Repair: two devices with equal journals and different content become equal again.

Each first counts its own fingerprints anew: where only those were wrong, they are written right and
nothing else happens. Otherwise the device with the smaller id begins a search by ranges; each side
asks for the records that the other holds otherwise, and merges them into its own. Both keep what
the other lacked, so it does not matter which of them was damaged.

A collection that was turned on here, or of which something came as headers, is fetched in the same
way; then nothing is damaged, and nobody is told.

A peer that lies about its content costs us walks over the index, bounded in number, and gets its
own link ended where it breaks a rule; what it sends is checked as in `restore`.
"""

from collections.abc import Iterable, Sequence
from typing import assert_never

from p2pvault.core.book import Book
from p2pvault.core.content import Content
from p2pvault.core.inquiries import (
    CountsLoaded,
    Finding,
    LoadCounts,
    LoadRanges,
    LoadWhole,
    RangesLoaded,
    RepairRequested,
    WholeLoaded,
)
from p2pvault.core.io import Answer, Effect, Refuse, Report, StatusChanged, Write
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Link
from p2pvault.core.recount import RecountJob
from p2pvault.core.restore import SnapshotsJob
from p2pvault.core.steps import Done
from p2pvault.crdt.snapshot import Snapshot, inspect_snapshot
from p2pvault.crypto.envelope import Message
from p2pvault.errors import LimitExceeded, MalformedMessage, UnexpectedMessage, VaultError
from p2pvault.limits import (
    FEED_BYTES_MAX,
    RECORDS_WANTED_MAX,
    REPAIR_INBOX_MAX,
    REPAIR_MESSAGES_MAX,
    REPAIR_ROUNDS_MAX,
)
from p2pvault.protocol.ranges import FIRST, RangeSum, decode_ranges
from p2pvault.protocol.reconcile import Verdict
from p2pvault.protocol.snapshot import (
    RecordSnapshot,
    decode_records,
    decode_wanted,
    encode_records,
    encode_snapshots,
    encode_wanted,
)
from p2pvault.types import DeviceId, RecordId

_EVERYTHING = RangeSum(FIRST, None, bytes(16))
"""What a search begins with: a fingerprint over all records that nobody has."""


_DIFFERS = (Verdict.CONTRADICTION, Verdict.INCOMPLETE)


class Repair:
    """What all links share of repair. One link's state is in the link."""

    def __init__(self, device: DeviceId, fingerprint_key: bytes, book: Book) -> None:
        self._device = device
        self._key = fingerprint_key
        self._book = book

    def consider(self, link: Link, content: Content) -> list[Effect]:
        """Begin or end a repair, as the last comparison with the peer suggests."""
        assert link.device is not None, "only members are compared with"
        mending, standing = link.mending, self._book[link.device]
        if standing.verdict is not Verdict.APART:
            mending.fetching = standing.verdict is Verdict.INCOMPLETE
        if standing.verdict is Verdict.EQUAL:
            mending.rounds = 0
        if standing.verdict is Verdict.EQUAL and mending.checked:
            mending.checked = False
            peer, records = link.device.hex(), standing.repaired
            return [Report("warning", "repair_done", {"device": peer, "records": records})]
        differs = standing.verdict in _DIFFERS
        if not differs or link.peer.journals != content.journals or not mending.is_idle:
            return []
        if not mending.checked and not mending.fetching:
            mending.checked = mending.counting = True
            begun = Report("warning", "repair_begun", {"device": link.device.hex()})
            return [begun, LoadCounts(link.id, self._key, content.corrections)]
        return self._begin_search(link)

    def _begin_search(self, link: Link) -> list[Effect]:
        mending = link.mending
        assert link.device is not None, "only members are compared with"
        if self._book[link.device].verdict not in _DIFFERS:
            return []
        if self._device > link.device or mending.rounds >= REPAIR_ROUNDS_MAX:
            return []
        mending.rounds += 1
        mending.inbox.append((_EVERYTHING,))
        return self._compare_next(link)

    def asked(self, links: Iterable[Link], asked: RepairRequested) -> Sequence[Effect | RecountJob]:
        """Repair what a local program found: every linked device is asked for the records."""
        effects: list[Effect] = []
        for link in links:
            link.mending.want(list(asked.records))
            effects += self._ask(link)
        if asked.wrong:
            return [*effects, RecountJob(None, asked.wrong, asked.corrections, asked.request)]
        return [*effects, Answer(asked.request, ())]

    # What the peer says ------------------------------------------------------------------

    def heard(self, link: Link, message: Message, content: Content) -> list[Effect] | SnapshotsJob:
        """Take one of the messages of repair."""
        if message.kind != Kind.RECORDS:
            # Those bring what was asked for, and no more messages of them than that takes.
            self._count(link)
        match message.kind:
            case Kind.RANGES:
                return self._heard_ranges(link, message.body)
            case Kind.RECORDS_WANTED:
                return self._heard_wanted(link, message.body)
            case _:
                return self._heard_records(link, message.body, content)

    def _count(self, link: Link) -> None:
        link.mending.messages += 1
        if link.mending.messages > REPAIR_MESSAGES_MAX:
            raise LimitExceeded("more questions of a repair than one link may carry")

    def _heard_ranges(self, link: Link, body: bytes) -> list[Effect]:
        """Compare what the peer holds in some ranges with what we hold there."""
        mending, parts = link.mending, decode_ranges(body)
        if parts:
            if len(mending.inbox) >= REPAIR_INBOX_MAX:
                raise UnexpectedMessage("ranges to compare before the last ones are answered")
            mending.inbox.append(parts)
            return self._compare_next(link)
        if not mending.search.backlog:
            mending.search.running = False
            return []
        return [_message(link, Kind.RANGES, mending.search.proceed())]

    def _compare_next(self, link: Link) -> list[Effect]:
        mending = link.mending
        if mending.comparing or not mending.inbox:
            return []
        mending.comparing = True
        without = frozenset(link.interests.without)
        return [LoadRanges(link.id, self._key, mending.inbox[0], without)]

    def _heard_wanted(self, link: Link, body: bytes) -> list[Effect]:
        """Send the peer records whole, as many as fit one answer."""
        if link.mending.to_serve:
            raise UnexpectedMessage("records asked for before the last ones are sent")
        link.mending.to_serve = decode_wanted(body)
        return self.serve(link)

    def serve(self, link: Link) -> list[Effect]:
        """Read what the peer asked for, once the stream has room for it."""
        mending = link.mending
        if not mending.to_serve or mending.serving or link.feed.is_blocked:
            return []
        mending.serving = True
        return [LoadWhole(link.id, mending.to_serve, FEED_BYTES_MAX)]

    def _heard_records(
        self, link: Link, body: bytes, content: Content
    ) -> list[Effect] | SnapshotsJob:
        """Take in records that we asked for, and none else."""
        mending = link.mending
        if not mending.awaiting:
            raise UnexpectedMessage("records that nobody asked for")
        message = decode_records(body)
        if not message.pieces and not message.is_last:
            raise MalformedMessage("records that bring nothing, with more to come")
        wholes = mending.assembly.take(message.pieces) if message.pieces else []
        taken = [self._accept(link, whole) for whole in wholes]
        if message.is_last:
            self._answered(link)
        known = [each for each in taken if each[1].authors <= content.journals.keys()]
        mending.staged += len(known)
        if not known:
            return [*self._ask(link), StatusChanged()]
        assert link.device is not None, "only members are listened to"
        return SnapshotsJob(link.id, link.device, tuple(known), received_bytes=0)

    def _accept(self, link: Link, whole: RecordSnapshot) -> tuple[RecordId, Snapshot]:
        mending = link.mending
        if whole.record not in mending.asked:
            raise UnexpectedMessage("a record that nobody asked for")
        mending.asked.remove(whole.record)
        mending.came = True
        return whole.record, inspect_snapshot(whole.data, whole.heads)

    def _answered(self, link: Link) -> None:
        """Ask again for what did not fit; what the peer cannot send, it does not hold sound."""
        mending = link.mending
        if mending.assembly.pending is not None:
            raise MalformedMessage("an answer that ends inside a record")
        if mending.came:
            mending.wanted = {**dict.fromkeys(sorted(mending.asked)), **mending.wanted}
        mending.asked.clear()
        mending.awaiting = mending.came = False

    def _ask(self, link: Link) -> list[Effect]:
        mending = link.mending
        if not mending.wanted or mending.awaiting or mending.staged:
            return []
        ids = list(mending.wanted)[:RECORDS_WANTED_MAX]
        for record in ids:
            del mending.wanted[record]
        mending.asked.update(ids)
        mending.quiet = mending.fetching
        mending.awaiting = True
        return [_message(link, Kind.RECORDS_WANTED, encode_wanted(ids))]

    # What the store says -----------------------------------------------------------------

    def found(self, link: Link, finding: Finding) -> Sequence[Effect | RecountJob]:
        """Take an answer of the store."""
        match finding:
            case CountsLoaded(_, wrong, corrections) if wrong:
                return [RecountJob(link.id, wrong, corrections)]
            case CountsLoaded():
                link.mending.counting = False
                return self._begin_search(link)
            case RangesLoaded():
                return self._compared(link, finding)
            case WholeLoaded():
                return self._send_whole(link, finding)
            case _:
                assert_never(finding)

    def _compared(self, link: Link, ranges: RangesLoaded) -> list[Effect]:
        mending = link.mending
        mending.inbox.popleft()
        mending.comparing = False
        body, wanted = mending.search.answer(ranges.parts, ranges.states)
        mending.want(wanted)
        answer = _message(link, Kind.RANGES, body)
        return [answer, *self._ask(link), *self._compare_next(link)]

    def _send_whole(self, link: Link, whole: WholeLoaded) -> list[Effect]:
        mending = link.mending
        mending.to_serve, mending.serving = (), False
        bodies = list(encode_snapshots(whole.records)) or [b""]
        effects: list[Effect] = [report_damaged(record) for record in whole.damaged]
        for body in bodies:
            message = encode_records(body, is_last=body is bodies[-1])
            effects.append(_message(link, Kind.RECORDS, message))
        mending.want(list(whole.damaged))
        return effects + self._ask(link)

    def took(self, link: Link, done: Done) -> list[Effect]:
        """Take note of what is durable here: records of this link, or corrected fingerprints."""
        assert link.device is not None, "only members are listened to"
        damaged: list[Effect] = [report_damaged(record) for record in done.staged.damaged]
        damaged += [_report_diminished(record) for record in done.staged.diminished]
        link.mending.staged -= done.restored
        if not link.mending.quiet:
            self._book[link.device].repaired += done.restored
        if done.recounted is None:
            moved: list[Effect] = [StatusChanged()] if done.restored else []
            return damaged + moved + self._ask(link)
        link.mending.counting = False
        if not done.recounted:
            return []
        return [Report("warning", "fingerprints_corrected", {"collections": done.recounted})]


def recount_failed(job: RecountJob, error: VaultError) -> list[Effect]:
    """Say that fingerprints could not be corrected; the next link tries again."""
    report = Report("error", "persist_failed", {"reason": error.code})
    return [report] if job.request is None else [report, Refuse(job.request, error)]


def report_damaged(record: RecordId) -> Report:
    """Return the line about a record whose stored copy does not load."""
    return Report("error", "record_damaged", {"record": record.hex()})


def _report_diminished(record: RecordId) -> Report:
    return Report("error", "record_diminished", {"record": record.hex()})


def _message(link: Link, kind: Kind, body: bytes) -> Effect:
    sealed = link.seal(kind, body)
    link.feed.untaken_bytes += len(sealed)
    return Write(link.id, sealed)
