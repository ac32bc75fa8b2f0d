"""Fetching record snapshots, where a peer does not keep the entries that this device lacks.

One peer is asked at a time. What arrives is merged and made durable in the order of the record ids
and acknowledged then; how far it has come is in the store, so that it goes on after a crash, with
the same peer or with another one that can supply the same cut. When all records are durable, the
cut becomes what this device holds, in one batch. Until then its content is unsettled, and proves
nothing to anybody.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from p2pvault.core.content import FETCHING, JOURNAL_OWNER, Content
from p2pvault.core.errands import Then
from p2pvault.core.io import Effect, Report, StatusChanged, Write
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Link, Phase
from p2pvault.core.links import Links
from p2pvault.core.members import Members
from p2pvault.core.patience import Mark, Patience, mark_of
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.replication import Replication
from p2pvault.core.restore import SnapshotsJob
from p2pvault.core.steps import Done
from p2pvault.crdt.snapshot import Snapshot, inspect_snapshot
from p2pvault.errors import (
    LimitExceeded,
    RevokedDevice,
    UnexpectedMessage,
    UnknownDevice,
)
from p2pvault.limits import CUTS_PER_LINK_MAX, FORK_PATIENCE_S, JOURNALS_PER_DEVICE_MAX
from p2pvault.protocol.bootstrap import (
    Cut,
    CutHead,
    Fetching,
    Wanted,
    beginning,
    decode_cut,
    decode_end,
    encode_progress,
    encode_wanted,
)
from p2pvault.protocol.snapshot import Assembly
from p2pvault.types import Batch, DeviceId, Instant, LinkId, RecordId

Save = Callable[[Batch, Then, frozenset[str]], list[Effect]]
"""Makes a batch durable, sooner or later, and then calls back. With it, collections are marked of
which something is missing."""


@dataclass(slots=True)
class Request:
    """What one peer was asked for, and what came of it.

    Attributes:
        link: The link that it was asked on.
        cut: As of when.
        last: The last record that arrived, or the one to go on behind.
        assembly: Pieces of a record that is not whole yet.
        taken_bytes: Bodies of snapshot messages that are durable here, or in `assembly` while no
            record was whole with them.
        ended: Everything has arrived.
        lacks: Collections that the peer does not hand out whole.
    """

    link: Link
    cut: Cut
    last: RecordId | None
    lacks: frozenset[str]
    assembly: Assembly = field(default_factory=Assembly)
    taken_bytes: int = 0
    ended: bool = False


class Fetch:
    """At most one request at a time, and the offers of other peers."""

    def __init__(
        self,
        links: Links,
        members: Members,
        replication: Replication,
        pipeline: Pipeline,
        save: Save,
    ) -> None:
        self._links = links
        self._members = members
        self._replication = replication
        self._pipeline = pipeline
        self._save = save
        self._request: Request | None = None
        self._offers: dict[LinkId, tuple[Link, Cut]] = {}
        self._adopting = False
        self._unsettled = pipeline.durable.fetching is not None
        self._patience = Patience()

    @property
    def wake_at(self) -> float:
        """Monotonic time at which to call `wake`."""
        return self._patience.ends_at

    @property
    def is_stranded(self) -> bool:
        """Whether peers get nothing because of records that nobody is handing out any more."""
        return self._request is None and not self._adopting and self._holds_back()

    @property
    def source(self) -> DeviceId | None:
        """The peer that snapshots are fetched from just now."""
        return self._request.link.device if self._request is not None else None

    # What peers say ----------------------------------------------------------------------

    def heard_behind(self, now: Instant, link: Link, body: bytes) -> list[Effect]:
        """Take in what a peer holds and does not keep; ask for it, unless another one was asked.

        Raises:
            RemoteProtocolError, UnknownDevice, RevokedDevice: It is no cut of this vault.
        """
        cut = decode_cut(body)
        _check_said(cut, link)
        self._check(cut)
        link.cuts += 1
        if link.cuts > CUTS_PER_LINK_MAX:
            raise UnexpectedMessage("a peer that says again and again what it does not keep")
        if self._contests(cut) or any(self._leads(each) for each in cut):
            # Adopted, it would bury our branch, or have us write on behind numbers that we never
            # wrote. Once that is mended the link begins anew.
            return []
        self._offers[link.id] = link, cut
        if self._request is not None and self._request.link is link and not self._adopting:
            # It cannot supply what it was asked for.
            return self._ask(link, cut, None)
        return self.ask_next(now)

    def heard_snapshots(self, link: Link, body: bytes) -> SnapshotsJob | list[Effect]:
        """Read records that were asked for, and count them until they are durable.

        Raises:
            RemoteProtocolError, ChangeRefused: They were not asked for, are out of order, or no
                snapshots.
        """
        request = self._current(link)
        if request is None:
            return []
        arrived = request.assembly.take(body)
        if not arrived:
            return self._taken(request, len(body))
        ids, after = [each.record for each in arrived], request.last
        if ids != sorted(set(ids)) or (after is not None and ids[0] <= after):
            raise UnexpectedMessage("snapshots out of order")
        records = tuple((each.record, inspect_snapshot(each.data, each.heads)) for each in arrived)
        self._check_authors(request.cut, records)
        link.inbound.add(len(body))
        request.last = ids[-1]
        assert link.device is not None, "only members are listened to"
        begins = Fetching(request.cut, after)
        size, lacks = len(body), request.lacks
        return SnapshotsJob(link.id, link.device, records, size, begins, lacks=lacks)

    def heard_end(self, link: Link, body: bytes) -> list[Effect]:
        """Take note that everything has arrived.

        Raises:
            RemoteProtocolError: It was not asked for, or not everything has.
        """
        decode_end(body)
        request = self._current(link)
        if request is None:
            return []
        if request.assembly.pending is not None:
            raise UnexpectedMessage("an end of snapshots inside of one")
        request.ended = True
        return self._adopt_if_complete()

    def lost(self, now: Instant, link: LinkId) -> list[Effect]:
        """Take note that a link is gone; go on with another peer, if one offered."""
        self._offers.pop(link, None)
        if self._request is not None and self._request.link.id == link:
            self._request = None
        return self.ask_next(now)

    def _current(self, link: Link) -> Request | None:
        """Return the request that a link answers; None where it was overtaken by entries."""
        if not link.source:
            raise UnexpectedMessage("snapshots that were not asked for")
        request = self._request
        if request is None or request.link is not link:
            return None
        if request.ended:
            raise UnexpectedMessage("snapshots behind their end")
        return request

    # What becomes durable ----------------------------------------------------------------

    def done(self, now: Instant, done: Done) -> list[Effect]:
        """Take note of a durable batch: acknowledge snapshots, and see whether all are here."""
        effects: list[Effect] = []
        unsettled = self._pipeline.durable.fetching is not None
        if unsettled and not self._unsettled:
            effects += self._restate(now)
        self._unsettled = unsettled
        request = self._request
        if request is not None and done.link == request.link.id and done.fetched_bytes:
            if request.link.phase is Phase.UP:
                effects += self._taken(request, done.fetched_bytes)
            effects += self._adopt_if_complete()
        if unsettled:
            effects += self._adopt_if_reached()
        return effects

    def _taken(self, request: Request, size: int) -> list[Effect]:
        request.taken_bytes += size
        wanted = encode_wanted(Wanted(request.taken_bytes, None, ()))
        link = request.link
        return [Write(link.id, link.seal(Kind.SNAPSHOTS_WANTED, wanted))]

    def _adopt_if_complete(self) -> list[Effect]:
        request = self._request
        if request is None or not request.ended or self._adopting:
            return []
        fetching = self._pipeline.durable.fetching
        reached = (fetching.cut, fetching.after) if fetching is not None else None
        if request.last is not None and reached != (request.cut, request.last):
            return []
        return self._adopt(request.cut, self._beyond(request.cut), self._adopted, request.lacks)

    def _beyond(self, cut: Cut) -> Cut:
        """Return how far records may still reach once a cut is what this device holds."""
        content = self._pipeline.durable
        ahead = beginning(content.fetching, cut).ahead
        return tuple(each for each in ahead if not content.reaches(each.head))

    def _adopt_if_reached(self) -> list[Effect]:
        """Be done with a cut whose entries came from somewhere else in the meantime."""
        content = self._pipeline.durable
        assert content.fetching is not None, "there is a cut to be done with"
        fetching = content.fetching
        if self._adopting or not _reached(content, fetching.cut or fetching.ahead):
            return []
        return self._adopt(fetching.cut, self._beyond(fetching.cut), self._adopted)

    def _adopt(
        self, cut: Cut, ahead: Cut, then: Then, lacks: frozenset[str] = frozenset()
    ) -> list[Effect]:
        """Make a cut what this device holds, and keep in mind how far records reach beyond it."""
        self._adopting = True
        adopted = [each for each in cut if not self._leads(each)]
        meta: dict[str, bytes | None] = {
            JOURNAL_OWNER + each.author.hex(): each.device for each in adopted
        }
        meta[FETCHING] = encode_progress(Fetching((), None, ahead)) if ahead else None
        batch = Batch(adopted=tuple(each.head for each in adopted), meta=meta)
        return self._save(batch, then, lacks)

    def _adopted(self, now: Instant) -> list[Effect]:
        self._adopting, self._request = False, None
        report = Report("info", "snapshots_fetched", {"records": self._pipeline.durable.records})
        return [report, StatusChanged(), *self._restate(now), *self.ask_next(now)]

    def _restate(self, now: Instant) -> list[Effect]:
        """Say anew on every link what this device holds, since that is not what it was."""
        content, say = self._pipeline.durable, self._replication.restate
        return [effect for link in self._links.up() for effect in say(now, link, content)]

    # Asking ------------------------------------------------------------------------------

    def ask_next(self, now: Instant) -> list[Effect]:
        """Ask one of those that offered, if nobody is asked; call it when more may be asked."""
        content = self._pipeline.durable
        self._offers = {
            link: offer for link, offer in self._offers.items() if not _reached(content, offer[1])
        }
        if self._request is not None or self._adopting:
            return []
        # Rather from a device that keeps everything.
        for link, cut in sorted(self._offers.values(), key=lambda offer: bool(_lacks(offer[0]))):
            if self._is_open(now, link):
                fetching = content.fetching
                if fetching is None or not fetching.cut:
                    return self._ask(link, cut, None)
                return self._ask(link, fetching.cut, fetching.after)
        return []

    def _is_open(self, now: Instant, link: Link) -> bool:
        """Tell whether a peer may be asked.

        What it hands out is of its branch of every journal. Where one forked, that is mended first
        if it can be, and all links begin anew then.
        """
        is_old = now.monotonic >= link.started + FORK_PATIENCE_S
        is_open = link.is_checked and (is_old or not link.peer.contested)
        return link.phase is Phase.UP and is_open and self._patience.trusts(now, link.device)

    def _ask(self, link: Link, cut: Cut, after: RecordId | None) -> list[Effect]:
        self._request = Request(link, cut, after, _lacks(link))
        # One request for one offer: what is still on its way from the first would pass for the
        # answer to a second. Who has more by then offers again.
        self._offers.pop(link.id, None)
        link.source = True
        assert link.device is not None, "only members are asked"
        report = Report("info", "snapshots_wanted", {"device": link.device.hex()})
        body = encode_wanted(Wanted(0, after, cut))
        return [report, Write(link.id, link.seal(Kind.SNAPSHOTS_WANTED, body)), StatusChanged()]

    def heard_interest(self, link: Link) -> None:
        """Take note of what a peer does not hand out any more, if it is the one that was asked.

        Whatever it sends from here on says so, in the transaction that makes it durable.
        """
        if self._request is not None and self._request.link is link:
            self._request.lacks |= _lacks(link)

    # Patience ----------------------------------------------------------------------------

    def arm(self, now: Instant) -> None:
        """See whether anything came, and whether anybody waits for it."""
        self._patience.look(now, self._mark(now))

    def wake(self, now: Instant) -> list[Effect]:
        """Leave a source that brings nothing, or a cut that has none any more, if it is time."""
        if now.monotonic < self._patience.ends_at:
            return []
        self._patience.start_anew()
        if self._request is None:
            return self._give_up()
        link, self._request = self._request.link, None
        assert link.device is not None, "only members are asked"
        self._patience.spurn(now, link.device)
        self._offers.pop(link.id, None)
        left = self._links.fail(now, link, UnexpectedMessage("a source that hands out nothing"))
        return left + self.ask_next(now)

    def _mark(self, now: Instant) -> Mark | None:
        request = self._request
        if self._adopting or not (self._holds_back() or self._has_choice(now)):
            return None
        if request is None:
            return mark_of(None, 0, ended=False)
        return mark_of(request.link.id, request.taken_bytes, ended=request.ended)

    def _holds_back(self) -> bool:
        """Tell whether a peer gets nothing from us, since it lacks some of what is fetched."""
        upto = self._pipeline.durable.fetched
        return bool(upto) and any(
            peer.content is not None and any(n > peer.reached(author) for author, n in upto.items())
            for peer in (link.peer for link in self._links.up())
        )

    def _has_choice(self, now: Instant) -> bool:
        """Tell whether somebody else offers what one peer was asked for."""
        if self._request is None:
            return False
        others = [link for link, _ in self._offers.values() if link is not self._request.link]
        return any(self._is_open(now, link) for link in others)

    def _give_up(self) -> list[Effect]:
        """Be done with a cut that nobody hands out, so that what is written here is sent again.

        Records hold changes by journals of the cut already. Those that no peer here can tell us
        more of are adopted, or nobody would take these records from us; the others come from
        the peers that hold them. Should the source come back, what differs is fetched from it: of
        whatever collection is known here, something may be missing until then.
        """
        content = self._pipeline.durable
        assert content.fetching is not None, "there is something to give up"
        peers = [link.peer for link in self._links.up()]
        orphans = [
            head
            for head in content.fetching.heads
            if not content.reaches(head.head)
            and not any(head.n <= peer.reached(head.author) for peer in peers)
        ]
        report = Report("warning", "snapshots_given_up", {"journals": len(orphans)})
        lacks = frozenset(content.counts)
        return [report, *self._adopt(tuple(orphans), (), self._given_up, lacks)]

    def _given_up(self, now: Instant) -> list[Effect]:
        self._adopting = False
        return [StatusChanged(), *self._restate(now), *self.ask_next(now)]

    # Checks ------------------------------------------------------------------------------

    def _contests(self, cut: Cut) -> bool:
        """Tell whether another branch of a journal that we hold is in a cut."""
        journals = self._pipeline.newest.journals
        held = ((head, journals.get(head.author)) for head in cut)
        return any(ours and ours.n == head.n and ours.hash != head.hash for head, ours in held)

    def _leads(self, head: CutHead) -> bool:
        """Tell whether a head is beyond what is held of the journal that this device writes.

        Somebody who knows more of it than its author has its author draw a new one first.
        """
        return head.author == self._pipeline.author and not self._pipeline.newest.reaches(head.head)

    def _check(self, cut: Cut) -> None:
        """Insist on journals of devices of this vault, none further than they may be."""
        membership, owners = self._members.membership, self._pipeline.newest.devices
        for each in cut:
            if membership.keys_of(each.device) is None:
                raise UnknownDevice("a journal by a device that the vault does not know")
            if owners.get(each.author, each.device) != each.device:
                raise UnexpectedMessage("a journal that is another device's")
            last = membership.acceptance(each.device, each.author)
            if last is not None and each.n > last:
                raise RevokedDevice("entries by a device that was removed before")
        journals = {**owners, **{each.author: each.device for each in cut}}
        if any(count > JOURNALS_PER_DEVICE_MAX for count in Counter(journals.values()).values()):
            raise LimitExceeded(f"more than {JOURNALS_PER_DEVICE_MAX} journals of one device")

    def _check_authors(self, cut: Cut, records: Iterable[tuple[RecordId, Snapshot]]) -> None:
        """Insist that whoever wrote in a record has a journal that is held, or will be."""
        known = {each.author for each in cut} | self._pipeline.newest.journals.keys()
        if any(not snapshot.authors <= known for _, snapshot in records):
            raise UnexpectedMessage("a snapshot by an author that the cut does not name")


def _check_said(cut: Cut, link: Link) -> None:
    """Insist that a peer's cut is what its HAVE said: both are its journals as they stand."""
    if any(link.peer.journals.get(each.author) != each.head for each in cut):
        raise UnexpectedMessage("a cut that is not what the peer said to hold")


def _lacks(link: Link) -> frozenset[str]:
    return link.interests.theirs.forgotten | link.interests.theirs.partial


def _reached(content: Content, cut: Cut) -> bool:
    return all(content.reaches(each.head) for each in cut)
