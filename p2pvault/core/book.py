"""What this device remembers of each peer: where it was, when, and how its content compared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from p2pvault.core.acknowledged import Acknowledged
from p2pvault.errors import Refused
from p2pvault.limits import ADDRESSES_PER_PEER_MAX
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import (
    Acknowledgement,
    Address,
    AuthorId,
    DeviceId,
    EpochId,
    Instant,
    JournalHead,
    LinkId,
    PeerRow,
)

EXPECTED: Final = "expected"
"""The store's named value with the devices that were members when this one took the vault over from
a backup, and that it has yet to meet: their ids, one behind the other."""

_ID_BYTES: Final = 32


def expected_of(meta: Mapping[str, bytes]) -> frozenset[DeviceId]:
    """Return the devices that this one has yet to meet, as its store says."""
    ids = meta.get(EXPECTED, b"")
    return frozenset(DeviceId(ids[at : at + _ID_BYTES]) for at in range(0, len(ids), _ID_BYTES))


def expecting(devices: Iterable[DeviceId]) -> dict[str, bytes | None]:
    """Return the store's named values that say so."""
    return {EXPECTED: b"".join(sorted(devices)) or None}


@dataclass(slots=True)
class Standing:
    """One peer.

    Attributes:
        device: Its id.
        link: The link that is up, if one is.
        address: Where that link leads.
        given: Addresses that the person gave.
        seen: Addresses that worked or that it said it has, newest first.
        last_seen_ms: What the wall clock said at the last sign of life, 0 for never.
        heard_at: When that was since this device started, as `Instant.elapsed` has it; None if it
            was before.
        verdict: What the last comparison said; None before the first.
        proved_at: When content was last proved equal, as `Instant.elapsed` has it.
        without: Collections that the last comparison left out, since one of both does not keep
            them.
        contested: Whose journal it holds another branch of, if it does.
        unforked: Its journals were found to be ours where something was missing, so that copies
            here are damaged.
        journals: What it held when it last said so; kept after the link is gone.
        repaired: Records that were fetched from it whole since this device started, because the
            content differed.
        aware: The newest epoch here of which it said, when a link began, that it knows it.
        met: The epoch by which it was met last: that of its name on the network, or of the gate of
            a link.
    """

    device: DeviceId
    link: LinkId | None = None
    address: Address | None = None
    given: tuple[Address, ...] = ()
    seen: tuple[Address, ...] = ()
    last_seen_ms: int = 0
    heard_at: float | None = None
    verdict: Verdict | None = None
    proved_at: float | None = None
    without: frozenset[str] = frozenset()
    contested: DeviceId | None = None
    unforked: bool = False
    journals: Mapping[AuthorId, JournalHead] = field(default_factory=dict)
    repaired: int = 0
    aware: EpochId | None = None
    met: EpochId | None = None

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

    def note_given(self, name: str, address: Address, *, forget: bool) -> None:
        """Put an address that the person gave in front of the others, or take it back.

        Raises:
            Refused: The device has too many.
        """
        others = tuple(each for each in self.given if each != address)
        if not forget and len(others) >= ADDRESSES_PER_PEER_MAX:
            raise Refused(
                f"{name} has {len(others)} addresses, which is the most that are kept",
                hint="Take one back with `p2pvault address remove`.",
            )
        self.given = others if forget else (address, *others)

    def heard(self, now: Instant) -> None:
        """Take note of a sign of life."""
        self.last_seen_ms, self.heard_at = now.wall_ms, now.elapsed

    def last_seen(self, now: Instant) -> int | None:
        """Return when the last sign of life was, in milliseconds of the wall clock as it is now.

        Somebody may have set it since. Across a restart there is only what it said then.
        """
        if self.heard_at is None:
            return self.last_seen_ms or None
        return now.wall_ms - int(now.since(self.heard_at) * 1000)


class Book:
    """The standings of all peers, made as they are asked for, and what they said to hold.

    Attributes:
        acknowledged: Their last words on that, which decide how long entries are kept.
        expected: Those that were members when this device took the vault over from a backup, and
            have not greeted it since: that it knows a gate key does not make it a member to them.
    """

    def __init__(
        self,
        rows: Iterable[PeerRow],
        acknowledged: Iterable[Acknowledgement] = (),
        expected: Iterable[DeviceId] = (),
    ) -> None:
        self.acknowledged = Acknowledged(acknowledged)
        self.expected = self._saved = frozenset(expected)
        self._standings = {
            row.device: Standing(
                row.device, given=row.given, seen=row.seen, last_seen_ms=row.last_seen_ms
            )
            for row in rows
        }

    def greeted(self, device: DeviceId) -> None:
        """Take note that a device takes this one for a member."""
        self.expected -= {device}

    def take_unsaved(self) -> Mapping[str, bytes | None]:
        """Return the named values that have changed since they were last asked for."""
        changed, self._saved = self.expected != self._saved, self.expected
        return expecting(self.expected) if changed else {}

    def __getitem__(self, device: DeviceId) -> Standing:
        standing = self._standings.get(device)
        if standing is None:
            standing = self._standings[device] = Standing(device)
        return standing
