"""What this device remembers of each peer: where it was, when, and how its content compared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from p2pvault.limits import ADDRESSES_PER_PEER_MAX
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Address, AuthorId, DeviceId, Instant, JournalHead, LinkId, PeerRow


@dataclass(slots=True)
class Standing:
    """One peer.

    Attributes:
        device: Its id.
        link: The link that is up, if one is.
        address: Where that link leads.
        given: Addresses that the person gave.
        seen: Addresses that worked or that it said it has, newest first.
        last_seen_ms: Wall clock of the last sign of life, 0 for never.
        verdict: What the last comparison said; None before the first.
        proved_at: Monotonic time of the last proof of equal content.
        contested: Whose journal it holds another branch of, if it does.
        journals: What it held when it last said so; kept after the link is gone.
    """

    device: DeviceId
    link: LinkId | None = None
    address: Address | None = None
    given: tuple[Address, ...] = ()
    seen: tuple[Address, ...] = ()
    last_seen_ms: int = 0
    verdict: Verdict | None = None
    proved_at: float | None = None
    contested: DeviceId | None = None
    journals: Mapping[AuthorId, JournalHead] = field(default_factory=dict)

    @property
    def row(self) -> PeerRow:
        """What is kept over restarts."""
        return PeerRow(self.device, self.given, self.seen, self.last_seen_ms)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where to dial, likeliest first."""
        return tuple(dict.fromkeys([*self.given, *self.seen]))

    def note_seen(self, addresses: Iterable[Address]) -> None:
        """Put addresses in front of the list."""
        self.seen = tuple(dict.fromkeys([*addresses, *self.seen]))[:ADDRESSES_PER_PEER_MAX]

    def note_not_at(self, address: Address) -> None:
        """Forget an address that leads to another device by now, unless the person gave it."""
        self.seen = tuple(each for each in self.seen if each != address)

    def heard(self, now: Instant) -> None:
        """Take note of a sign of life."""
        self.last_seen_ms = now.wall_ms


class Book:
    """The standings of all peers, made as they are asked for."""

    def __init__(self, rows: Iterable[PeerRow]) -> None:
        self._standings = {
            row.device: Standing(
                row.device, given=row.given, seen=row.seen, last_seen_ms=row.last_seen_ms
            )
            for row in rows
        }

    def __getitem__(self, device: DeviceId) -> Standing:
        return self._standings.setdefault(device, Standing(device))
