"""One link: from the first byte of the handshake to the close.

A link authenticates, then is in one of two phases. *Introducing*: the peer knows the vault's gate
key, but no operation that we hold admits it; nothing is revealed to it, and its messages wait
while its operations are looked at. *Up*: it is a member. Deadlines are checked by `overdue`, so
the device keeps one timer for everything.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import assert_never

from p2pvault.core.inbound import Inbound
from p2pvault.core.kinds import Kind
from p2pvault.core.mending import Mending
from p2pvault.crypto.channel import Channel
from p2pvault.crypto.entropy import Entropy
from p2pvault.crypto.envelope import Message
from p2pvault.errors import LimitExceeded, UnexpectedMessage
from p2pvault.limits import (
    FEED_BYTES_MAX,
    HANDSHAKE_FIRST_S,
    HANDSHAKE_S,
    HEARTBEAT_S,
    HELD_BYTES_MAX,
    HELD_MESSAGES_MAX,
    IDLE_S,
    INTRODUCTIONS_MAX,
    LINK_AGE_MAX_S,
    RENEWAL_RETRY_S,
    UNACKNOWLEDGED_BYTES_MAX,
)
from p2pvault.protocol.bootstrap import Cut
from p2pvault.protocol.fork import Narrowing
from p2pvault.protocol.handshake import Established, Initiator, Responder
from p2pvault.protocol.interest import Interests
from p2pvault.protocol.reconcile import Peer
from p2pvault.types import (
    Address,
    AuthorId,
    DeviceId,
    Instant,
    JournalHead,
    LinkId,
    RecordId,
)


class Phase(Enum):
    """How far a link has come."""

    HANDSHAKE = auto()
    INTRODUCING = auto()
    UP = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Origin:
    """How a stream came about: where it leads, and for whom we dialled it (None: accepted)."""

    remote: Address
    dialled: DeviceId | None


@dataclass(slots=True)
class Feed:
    """How far the log has been sent on a link.

    Attributes:
        cursor: Arrival number of the last entry that was sent or passed over; None before the
            first load. Worth nothing while `at_tail`.
        at_tail: Everything durable has been sent, so that new entries go out at once.
        loading: The store is reading for this link.
        until: Arrival number of the last durable entry when the store was asked.
        stale: What is being loaded must not be sent, but the start be found anew.
        untaken_bytes: Entries that the operating system has not taken yet, sealed.
        barred: What comes next is a header of an entry that the peer would have whole; it waits
            until the peer has spoken again.
        barred_since: Monotonic time at which the peer first spoke while it waited.
        open: It has waited long enough.
    """

    cursor: int | None = None
    at_tail: bool = False
    loading: bool = False
    until: int = 0
    stale: bool = False
    untaken_bytes: int = 0
    barred: bool = False
    barred_since: float | None = None
    open: bool = False

    @property
    def is_blocked(self) -> bool:
        """Whether the stream has enough to carry already."""
        return self.untaken_bytes > FEED_BYTES_MAX


@dataclass(slots=True)
class Supply:
    """Snapshots for one peer, which was told that it lacks entries that are not kept here.

    Attributes:
        cut: As of when the records are; None until it asks.
        after: The last record that was sent or passed over.
        withdrawn: The peer does not need it any more.
        loading: The store is reading for it.
        ended: All records were sent.
        sent_bytes: Bodies of snapshot messages, in all.
        taken_bytes: Those that the peer says to have; pieces of one record may be in memory only.
    """

    cut: Cut | None = None
    after: RecordId | None = None
    withdrawn: bool = False
    loading: bool = False
    ended: bool = False
    sent_bytes: int = 0
    taken_bytes: int = 0

    @property
    def window_bytes(self) -> int:
        """How much more may be sent before an acknowledgement; not below zero."""
        return max(0, UNACKNOWLEDGED_BYTES_MAX - (self.sent_bytes - self.taken_bytes))

    def acknowledge(self, taken_bytes: int) -> None:
        """Take note of what the peer says to have.

        Raises:
            UnexpectedMessage: Less than before, or more than was sent.
        """
        if not self.taken_bytes <= taken_bytes <= self.sent_bytes:
            raise UnexpectedMessage("an acknowledgement of snapshots that were not sent")
        self.taken_bytes = taken_bytes


@dataclass(slots=True)
class Talk:
    """What is being said on a link about journals that forked.

    Attributes:
        told: Contested journals that the peer has been told of.
        checks: What the peer said of journals that we hold more of, while the store looks up what
            we hold there; None before its first word.
        doubtful: Journals with entries that build on what is not here, which a check may explain.
        answering: The store is looking up what the peer asked.
        proved: Journals of which the peer was shown an entry that it would give way to.
        ordered: Journals of the peer's own of which it told us to give way.
        searched: Journals that we looked through for the last shared entry, once a link.
        author: The journal that we are asking about.
        narrowing: Our search for its last shared entry.
        by_hash: Nobody speaks for that journal, so the hashes decide which branch stands.
        theirs: The peer's last answer, while the store looks up what we hold there.
    """

    told: set[AuthorId] = field(default_factory=set)
    checks: dict[AuthorId, JournalHead] | None = None
    doubtful: set[AuthorId] = field(default_factory=set)
    answering: bool = False
    proved: set[AuthorId] = field(default_factory=set)
    ordered: set[AuthorId] = field(default_factory=set)
    searched: set[AuthorId] = field(default_factory=set)
    author: AuthorId | None = None
    narrowing: Narrowing | None = None
    by_hash: bool = False
    theirs: tuple[bytes, ...] | None = None


@dataclass(slots=True)
class Link:
    """The state of one link.

    Attributes:
        id: Names the stream.
        origin: How it came about.
        device: Whom the peer proved to be, once it did.
        static: The peer's static key, once it proved to hold it.
        gate: The gate key that opened the handshake.
        binding: Names the handshake, the same on both sides.
        peer: What replication knows of it.
        interests: What both sides keep, as far as they said.
        mending: How far repair is.
        feed: How far we have sent.
        supply: Snapshots that it gets instead, while it lacks what is not kept here.
        source: We have asked for snapshots on this link.
        cuts: How often the peer has said what it does not keep.
        talk: What is said about forks.
        unforked: The check on the link before found no fork where something was missing.
        inbound: Received entries and snapshots that are not applied yet.
        held: Messages that wait until the peer is admitted.
        introductions: How often the peer has greeted us, and said what it knows, by kind.
        introduced: Whether the peer has said which operations it knows, so that new ones follow
            from those.
        abreast: Whether it knew the same as we then, and so who is a member.
    """

    id: LinkId
    origin: Origin
    started: float
    handshake: Initiator | Responder
    phase: Phase = Phase.HANDSHAKE
    device: DeviceId | None = None
    static: bytes = b""
    gate: bytes = b""
    binding: bytes = b""
    peer: Peer = field(default_factory=Peer)
    interests: Interests = field(default_factory=Interests)
    mending: Mending = field(default_factory=Mending)
    feed: Feed = field(default_factory=Feed)
    supply: Supply | None = None
    source: bool = False
    cuts: int = 0
    talk: Talk = field(default_factory=Talk)
    unforked: bool = False
    inbound: Inbound = field(default_factory=Inbound)
    held: list[Message] = field(default_factory=list)
    introductions: Counter[int] = field(default_factory=Counter)
    introduced: bool = False
    abreast: bool = True
    last_heard: float = 0.0
    next_beat: float = 0.0
    renew_at: float = float("inf")
    _channel: Channel | None = None

    @property
    def may_fork(self) -> bool:
        """Whether the peer may hold another branch of a journal, for all that is known yet."""
        return not self.unforked and (self.talk.checks is None or bool(self.talk.checks))

    @property
    def is_checked(self) -> bool:
        """Whether it was looked up what we hold where the peer's journals ended: which forked."""
        return self.talk.checks == {}

    @property
    def channel(self) -> Channel:
        """The sealed transport; there is one from the end of the handshake on."""
        assert self._channel is not None, "no message moves before the handshake is over"
        return self._channel

    @property
    def peer_closed(self) -> bool:
        """Whether the peer has said that nothing more comes."""
        return self._channel is not None and self._channel.peer_closed

    def begin(self) -> bytes:
        """Return what opens the handshake."""
        return self.handshake.start()

    def receive(self, now: Instant, data: bytes) -> tuple[bytes, list[Message]]:
        """Take bytes; return what to write at once and the messages that they complete.

        Only what authenticates is a sign of life. A length that was changed on the way would
        otherwise have us wait for the rest of a frame for as long as the peer goes on sending.

        Raises:
            AuthenticationError, RemoteProtocolError: The link is over.
        """
        if self.phase is not Phase.HANDSHAKE:
            frames, messages = self.channel.frames, self.channel.receive(data)
            if self.channel.frames != frames:
                self.last_heard = now.monotonic
            return b"", messages
        self.last_heard = now.monotonic
        progress = self.handshake.receive(data)
        if progress.established is None:
            return progress.send, []
        self._establish(progress.established)
        return progress.send, self.channel.receive(progress.established.leftover)

    def seal(self, kind: Kind, body: bytes) -> bytes:
        """Return one sealed message."""
        return self.channel.seal(kind, body)

    def close(self) -> bytes:
        """Return the last bytes of the link: its close, if there is a channel to close."""
        speaks = self._channel is not None and self.phase is not Phase.CLOSED
        self.phase = Phase.CLOSED
        return self.channel.close() if speaks else b""

    def come_up(self, now: Instant, device: DeviceId, entropy: Entropy) -> list[Message]:
        """Take note that the peer is a member; return the messages that waited for it.

        Whoever dialled replaces the link when it is old: the other side may not know the way.
        """
        self.phase = Phase.UP
        self.device = device
        if self.origin.dialled is not None:
            self.renew_at = now.monotonic + jittered(LINK_AGE_MAX_S, entropy)
        self.schedule_beat(now, entropy)
        held, self.held = self.held, []
        return held

    def hold(self, message: Message) -> None:
        """Keep a message until the peer is admitted.

        Raises:
            LimitExceeded: It sends more than an introduction.
        """
        size = len(message.body) + sum(len(each.body) for each in self.held)
        if len(self.held) >= HELD_MESSAGES_MAX or size > HELD_BYTES_MAX:
            raise LimitExceeded("a peer that is no member sends more than an introduction")
        self.held.append(message)

    def count_introduction(self, kind: Kind) -> None:
        """Count a message that belongs to the beginning of a link.

        Raises:
            UnexpectedMessage: The peer goes on introducing itself.
        """
        self.introductions[kind] += 1
        if self.introductions[kind] > INTRODUCTIONS_MAX:
            raise UnexpectedMessage("a peer that introduces itself again and again")

    def schedule_beat(self, now: Instant, entropy: Entropy) -> None:
        """Put the next heartbeat off: something was just sent."""
        self.next_beat = now.monotonic + jittered(HEARTBEAT_S, entropy)

    def schedule_renewal(self, now: Instant, entropy: Entropy) -> None:
        """Put the replacement of this link off: a new one is being dialled."""
        self.renew_at = now.monotonic + jittered(RENEWAL_RETRY_S, entropy)

    @property
    def deadline(self) -> float:
        """When to look at this link again, on the monotonic clock."""
        match self.phase:
            case Phase.HANDSHAKE:
                return self.started + (HANDSHAKE_S if self.last_heard else HANDSHAKE_FIRST_S)
            case Phase.INTRODUCING:
                return self.started + 2 * HANDSHAKE_S
            case Phase.UP:
                return min(self.last_heard + IDLE_S, self.next_beat, self.renew_at)
            case Phase.CLOSED:
                return float("inf")
            case _:
                assert_never(self.phase)

    def is_dead(self, now: Instant) -> bool:
        """Tell whether the peer has let a deadline pass."""
        if self.phase is Phase.UP:
            return now.monotonic >= self.last_heard + IDLE_S
        return now.monotonic >= self.deadline

    def _establish(self, established: Established) -> None:
        self._channel = established.channel
        self.static, self.gate = established.remote_static, established.psk
        self.binding = established.binding
        self.phase = Phase.INTRODUCING


def jittered(seconds: float, entropy: Entropy) -> float:
    """Return a time within a fifth of `seconds`, so that devices do not act in step."""
    return seconds * (0.8 + 0.4 * entropy(1)[0] / 255)


def survivor(ours: DeviceId, links: Sequence[Link]) -> Link:
    """Return the one of two links to the same peer that stays; both sides choose the same.

    Links that began within the time of a handshake were dialled by both at once, or by one on two
    ways: the one that the smaller device id dialled stays, and of two by the same device the one
    with the lower binding, since the two sides may have seen them begin in either order. Otherwise
    the newer one stays, because the side that dialled it has lost the older.
    """
    older, newer = sorted(links, key=lambda link: link.started)
    if newer.started - older.started >= HANDSHAKE_S:
        return newer
    return min(links, key=lambda link: (_dialler(link, ours), link.binding))


def _dialler(link: Link, ours: DeviceId) -> DeviceId:
    assert link.device is not None, "only links that are up compete"
    return ours if link.origin.dialled is not None else link.device
