"""Keeping linked peers equal: say what we hold, send what they lack, take in what we lack.

Durable first: nothing is said or sent that a crash could take back, and nothing is acknowledged
before it is durable. A peer that does not keep up is fed from the store at its own pace, within
its window; one that does gets new entries the moment they are durable.
"""

from collections.abc import Iterable, Mapping, Sequence

from p2pvault.core.book import Book, Standing
from p2pvault.core.content import Content
from p2pvault.core.errands import Errands
from p2pvault.core.io import Effect, EntriesLoaded, LoadEntries, Report, StatusChanged, Write
from p2pvault.core.jobs import EntriesJob, weigh_entry
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Link
from p2pvault.core.repair import Repair
from p2pvault.core.supply import offer
from p2pvault.limits import (
    FEED_BYTES_MAX,
    HEADERS_PATIENCE_S,
    MEMBERSHIP_PATIENCE_S,
)
from p2pvault.protocol.entries import decode_entries, encode_entries, share_messages
from p2pvault.protocol.interest import Statement
from p2pvault.protocol.journal import decode_entry, outside_of
from p2pvault.protocol.reconcile import (
    UNSETTLED,
    Have,
    Peer,
    Verdict,
    decode_have,
    decode_refused,
    encode_have,
    encode_refused,
    first_missing,
)
from p2pvault.types import AuthorId, DeviceId, Instant, JournalHead, StoredEntry, VaultId


class Replication:
    """What all links share of replication. One link's state is in the link.

    Attributes:
        leaving: Collections that this device is about to keep no longer, and says so.
    """

    def __init__(self, vault: VaultId, book: Book, repair: Repair, errands: Errands) -> None:
        self.leaving: frozenset[str] = frozenset()
        self._vault = vault
        self._book = book
        self._repair = repair
        self._errands = errands

    def begin(self, link: Link, content: Content) -> list[Effect]:
        """Say all that we hold; what the peer lacks follows once it has said the same."""
        heads = tuple(content.journals[author] for author in sorted(content.journals))
        return [*self.refuse(link, content.quarantine.heads), *self._have(link, heads, content)]

    def beat(self, link: Link, content: Content) -> list[Effect]:
        """Give a sign of life, which is also a fresh proof."""
        return self._have(link, (), content)

    def state(self, now: Instant, link: Link, content: Content) -> list[Effect]:
        """Say what this device keeps now, and what that makes of a comparison."""
        return self._have(link, (), content) + self._compare(now, link, content)

    def heard_interest(self, link: Link, body: bytes, content: Content) -> list[Effect]:
        """Take in what the peer keeps. Its last digest was of something else, perhaps."""
        link.interests.hear(body)
        if link.peer.content is not None:
            link.peer.content = UNSETTLED
        message = self._interest(link, content)
        return [*message, *self._have(link, (), content), StatusChanged()] if message else []

    def refuse(self, link: Link, marks: Iterable[JournalHead]) -> list[Effect]:
        """Say which entries we want no more; the peer takes them as settled."""
        refused = [(mark.author, mark.n) for mark in marks]
        if not refused:
            return []
        return [Write(link.id, link.seal(Kind.REFUSED, encode_refused(refused)))]

    def heard_refused(self, link: Link, body: bytes, content: Content) -> list[Effect]:
        """Take in what the peer wants no more; there may be room to send other things now."""
        link.peer.heard_refused(decode_refused(body))
        return self.feed(link, content)

    def heard_have(self, now: Instant, link: Link, body: bytes, content: Content) -> list[Effect]:
        """Take in what the peer holds; it may be the first word, an acknowledgement, a beat.

        `feed` follows, once it is known which journals forked as far as this says so.
        """
        assert link.device is not None, "only members are listened to"
        link.peer.heard(decode_have(body))
        self._book[link.device].heard(now)
        effects = self._compare(now, link, content)
        _lift_bar(now, link)
        return effects

    def heard_entries(self, link: Link, body: bytes, content: Content) -> EntriesJob | None:
        """Read entries and count them until they are durable; what is durable already is dropped.

        Another peer may have been faster with the same entries, and ours has not heard of it yet.
        """
        read = (decode_entry(data, self._vault) for data in decode_entries(body))
        entries = tuple(entry for entry in read if not content.holds(entry.head))
        for entry in entries:
            link.inbound.add(len(entry.data), entry.head)
        if not entries:
            return None
        return EntriesJob(link.id, entries, contested=link.peer.contested, whole=link.may_fork)

    def took_in(self, link: Link, entries: Iterable[StoredEntry]) -> None:
        """Take note that entries of this link are durable here; the peer has them of course."""
        for entry in entries:
            link.peer.received(entry)

    def announce(
        self, now: Instant, link: Link, content: Content, entries: tuple[StoredEntry, ...]
    ) -> list[Effect]:
        """Tell a peer that our durable state moved: new entries first, then where we stand."""
        effects: list[Effect] = []
        if link.feed.at_tail:
            effects += self._send_live(link, content, entries)
        moved = sorted({entry.author for entry in entries})
        heads = tuple(content.journals[author] for author in moved)
        effects += self._have(link, heads, content)
        return effects + self._compare(now, link, content)

    def feed(self, link: Link, content: Content) -> list[Effect]:
        """Ask the store for what the peer lacks, if it may be sent now."""
        feed, peer = link.feed, link.peer
        if feed.at_tail or feed.loading or feed.barred or peer.content is None:
            return []
        if feed.cursor is None and not _reaches(peer, content.bases):
            return offer(link, content) if link.is_checked else []
        if link.supply is not None:
            link.supply.withdrawn = True
        if feed.cursor is None and not _reaches(peer, content.fetched):
            # What is written here now may follow from what comes without its entries.
            return []
        if feed.is_blocked or peer.window_bytes == 0:
            return []
        first = tuple(first_missing(content.journals, peer)) if feed.cursor is None else ()
        if feed.cursor is None and not first:
            feed.at_tail = True
            return []
        feed.loading, feed.until = True, content.last_arrival
        room_bytes = min(peer.window_bytes, FEED_BYTES_MAX)
        without = link.interests.theirs.forgotten
        return [LoadEntries(link.id, feed.cursor, first, room_bytes, without)]

    def loaded(self, link: Link, answer: EntriesLoaded, content: Content) -> list[Effect]:
        """Send loaded entries that the peer lacks, and go on."""
        feed = link.feed
        feed.loading = False
        lacking = [entry for entry in answer.entries if link.peer.lacks(entry)]
        was_cut = feed.cursor is None and not answer.entries
        if feed.stale or was_cut or not link.peer.continues(lacking):
            # What it lacks was dropped meanwhile, or what we hold is known otherwise now.
            feed.cursor, feed.stale = None, False
            return self.feed(link, content)
        free = lacking if feed.open else _free_of_headers(link, lacking)
        if len(free) < len(lacking):
            feed.cursor, feed.barred = lacking[len(free)].arrival - 1, True
            return self._send(link, free)
        feed.cursor = answer.entries[-1].arrival if answer.entries else feed.until
        # The store may have shown more than we were told is durable; that comes as an announcement.
        feed.at_tail = feed.cursor >= content.last_arrival
        if feed.at_tail:
            feed.open, feed.barred_since = False, None
        return self._send(link, lacking) + self.feed(link, content)

    def restate(self, now: Instant, link: Link, content: Content) -> list[Effect]:
        """Say anew all that we hold, and find anew what the peer lacks of it."""
        feed = link.feed
        feed.at_tail, feed.stale = False, feed.loading
        if not feed.loading:
            feed.cursor = None
        effects = self.begin(link, content) + self._compare(now, link, content)
        return effects + self.feed(link, content)

    def _send_live(
        self, link: Link, content: Content, entries: tuple[StoredEntry, ...]
    ) -> list[Effect]:
        lacking = [entry for entry in entries if link.peer.lacks(entry)]
        size = sum(len(entry.data) for entry in lacking)
        # What is to be a header, and what has to wait, is found out where the store is asked.
        special = link.interests.theirs.forgotten or any(outside_of(e.data) for e in lacking)
        if lacking and (special or size > link.peer.window_bytes or link.feed.is_blocked):
            link.feed.at_tail = False
            link.feed.cursor = entries[0].arrival - 1
            return self.feed(link, content)
        return self._send(link, lacking)

    def _send(self, link: Link, entries: Sequence[StoredEntry]) -> list[Effect]:
        for entry in entries:
            link.peer.sent(entry)
        messages = share_messages((entry.data for entry in entries), self._weigh)
        sealed = [link.seal(Kind.ENTRIES, encode_entries(message)) for message in messages]
        link.feed.untaken_bytes += sum(len(each) for each in sealed)
        return [Write(link.id, each) for each in sealed]

    def _weigh(self, stored: bytes) -> int:
        return weigh_entry(decode_entry(stored, self._vault))

    def _compare(self, now: Instant, link: Link, content: Content) -> list[Effect]:
        assert link.device is not None, "only members are compared with"
        standing = self._book[link.device]
        standing.journals = link.peer.journals
        self._acknowledge(link, link.device, content)
        before, standing.verdict = standing.verdict, self._verdict(now, link, content)
        standing.without = frozenset(link.interests.without)
        if standing.verdict is Verdict.EQUAL:
            standing.proved_at = now.elapsed
        return _news(standing, before) + self._repair.consider(link, content)

    def _acknowledge(self, link: Link, device: DeviceId, content: Content) -> None:
        """Count what a peer holds just as we do; another branch says nothing about ours."""
        if link.peer.content is None:
            return
        for author, head in link.peer.journals.items():
            if content.journals.get(author) == head:
                link.peer.agree(head)
        self._book.acknowledged.heard(device, link.peer.agreed)

    def _verdict(self, now: Instant, link: Link, content: Content) -> Verdict:
        interests, peer = link.interests, link.peer
        if not interests.is_settled(self._statement(content)):
            return peer.compare(content.journals, UNSETTLED)
        verdict = peer.compare(content.journals, content.digest_without(interests.without))
        differs = verdict is Verdict.CONTRADICTION and not peer.contested
        lacking = (interests.ours.partial | interests.theirs.partial) - interests.without
        if not differs or peer.journals != content.journals:
            return verdict
        if lacking:
            return Verdict.INCOMPLETE
        # Whoever does not know yet who joined does not know either that it may lack something.
        is_new = now.monotonic < link.started + MEMBERSHIP_PATIENCE_S
        return Verdict.APART if is_new and not link.abreast else verdict

    def _statement(self, content: Content) -> Statement:
        interest = content.interest.joined() if self._errands.joining else content.interest
        return interest.statement(self.leaving)

    def _interest(self, link: Link, content: Content) -> list[Effect]:
        message = link.interests.say(self._statement(content))
        return [] if message is None else [Write(link.id, link.seal(Kind.INTEREST, message))]

    def _have(self, link: Link, heads: tuple[JournalHead, ...], content: Content) -> list[Effect]:
        """Say what is held, as a digest that leaves out what one of both does not keep."""
        interest = self._interest(link, content)
        digest = content.digest_without(link.interests.without)
        link.inbound.acknowledge(content)
        body = encode_have(Have(heads, digest))
        return [*interest, Write(link.id, link.seal(Kind.HAVE, body))]


def _reaches(peer: Peer, upto: Mapping[AuthorId, int]) -> bool:
    return all(n <= peer.reached(author) for author, n in upto.items())


def _news(standing: Standing, before: Verdict | None) -> list[Effect]:
    if standing.verdict is before:
        return []
    effects: list[Effect] = [StatusChanged()]
    if standing.verdict is Verdict.CONTRADICTION:
        peer = standing.device.hex()
        effects.append(Report("error", "content_differs", {"device": peer}))
    return effects


def _free_of_headers(link: Link, entries: list[StoredEntry]) -> list[StoredEntry]:
    """Return the entries before the first header that stands for what the peer would have whole."""
    forgotten = link.interests.theirs.forgotten
    for at, entry in enumerate(entries):
        if not forgotten.issuperset(outside_of(entry.data)):
            return entries[:at]
    return entries


def _lift_bar(now: Instant, link: Link) -> None:
    """Let headers go that have waited long enough; others look again whether they are needed."""
    feed = link.feed
    if not feed.barred:
        return
    if feed.barred_since is None:
        feed.barred_since = now.monotonic
    feed.open = now.monotonic - feed.barred_since >= HEADERS_PATIENCE_S
    feed.barred = False
