"""Who may start a handshake: bounds on half-open streams and on the rate of each address.

Pure bookkeeping with the time as an argument. The gate comes before any cryptography, so it is all
that a flood of connections costs. Loopback is treated like any network: the bounds are wide enough
for many devices on one machine, and a local program may not starve the daemon either.

A place is never refused for want of room: the oldest stream in the way gives its own up. A device
needs one for a fraction of a second, while who holds places open to keep others out is always
oldest; and the rate of each address bounds how fast anybody can push others out.
"""

from dataclasses import dataclass
from ipaddress import ip_network

from p2pvault.limits import (
    HALF_OPEN_MAX,
    HALF_OPEN_PER_NETWORK_MAX,
    HANDSHAKE_BURST,
    HANDSHAKE_SOURCES_MAX,
    HANDSHAKES_PER_S,
)
from p2pvault.net.addresses import parse_host
from p2pvault.types import LinkId


@dataclass(slots=True)
class _Bucket:
    """A token bucket: how much was left at a time; it refills by itself."""

    tokens: float
    at: float

    def level(self, now: float) -> float:
        return min(float(HANDSHAKE_BURST), self.tokens + (now - self.at) * HANDSHAKES_PER_S)

    def take(self, now: float) -> bool:
        level = self.level(now)
        taken = level >= 1.0
        self.tokens, self.at = (level - 1.0 if taken else level), now
        return taken


class HalfOpenGate:
    """Admits streams into a handshake."""

    def __init__(self) -> None:
        self._networks: dict[LinkId, str] = {}  # by stream, oldest first
        self._buckets: dict[str, _Bucket] = {}

    def __contains__(self, link: LinkId) -> bool:
        return link in self._networks

    def may_begin(self, host: str, now: float) -> bool:
        """Decide on a stream that was just accepted, and count it.

        Args:
            host: Literal IP address of its other end.
            now: Monotonic time in seconds.

        Returns:
            Whether it may start a handshake. If not, it is closed without a word.
        """
        return self._take(_source_of(host), now)

    def admit(self, link: LinkId, host: str) -> None:
        """Give a stream a place until `release`; `crowded_out` is to be asked then.

        Args:
            link: Names the stream.
            host: Literal IP address of its other end.
        """
        self._networks[link] = network_of(host)

    def crowded_out(self) -> LinkId | None:
        """Take the place of the oldest stream where there are too many, and return it."""
        newest = next(reversed(self._networks.values()), "")
        neighbours = [link for link, network in self._networks.items() if network == newest]
        if len(neighbours) > HALF_OPEN_PER_NETWORK_MAX:
            oldest = neighbours[0]
        elif len(self._networks) > HALF_OPEN_MAX:
            oldest = next(iter(self._networks))
        else:
            return None
        self.release(oldest)
        return oldest

    def release(self, link: LinkId) -> None:
        """Give back the place of an admitted stream whose handshake is over, well or badly."""
        del self._networks[link]

    def _take(self, source: str, now: float) -> bool:
        if source not in self._buckets and not self._make_room(now):
            return False
        bucket = self._buckets.setdefault(source, _Bucket(float(HANDSHAKE_BURST), now))
        return bucket.take(now)

    def _make_room(self, now: float) -> bool:
        """Forget full buckets, which say nothing, when the table is full."""
        if len(self._buckets) >= HANDSHAKE_SOURCES_MAX:
            self._buckets = {
                source: bucket
                for source, bucket in self._buckets.items()
                if bucket.level(now) < HANDSHAKE_BURST
            }
        return len(self._buckets) < HANDSHAKE_SOURCES_MAX


def network_of(host: str) -> str:
    """Return the network that an address counts towards: its /24 (IPv4) or /64 (IPv6).

    Args:
        host: Literal IP address, as the socket of an accepted stream gives it.
    """
    parsed = parse_host(host)
    assert parsed is not None, "the other end of a stream has a literal address"
    return str(ip_network((parsed, 24 if parsed.version == 4 else 64), strict=False))


def _source_of(host: str) -> str:
    # One machine has a whole /64 of IPv6 addresses; Linux's WireGuard counts by it too
    # (drivers/net/wireguard/ratelimiter.c).
    return network_of(host) if ":" in host else host
