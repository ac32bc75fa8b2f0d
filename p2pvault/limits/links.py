"""Bounds of links: handshakes, streams, dials."""

from typing import Final

from p2pvault.limits.units import MIB

HANDSHAKE_FIRST_S: Final = 5.0
"""From accept to the first message: a device of ours sends it at once."""

HANDSHAKE_S: Final = 10.0
"""A whole handshake, generous for a slow Wi-Fi."""

HEARTBEAT_S: Final = 25.0
"""Between signs of life on an idle link, jittered by a fifth; keeps NAT and ARP entries fresh."""

IDLE_S: Final = 90.0
"""Silence after which a link is dead: three heartbeats and some."""

WRITE_STALL_S: Final = 30.0
"""A write that makes no progress for this long ends the link."""

LINK_AGE_MAX_S: Final = 1_800.0
"""A link is replaced by a new handshake after 30 min, so a stolen link key heals."""

RENEWAL_RETRY_S: Final = 60.0
"""Between attempts to replace an old link; the old one goes on meanwhile."""

REKEY_RECORDS: Final = 65_536
"""Frames per direction under one key."""

REKEY_BYTES: Final = 1024 * MIB
"""Bytes per direction under one key."""

PADDED_BYTES_MIN: Final = 256
"""Smallest padded message: short edits, heartbeats and acknowledgements look the same."""

LINKS_MAX: Final = 128
"""Streams of links at once: one for each of 64 members, and as many that replace one or begin."""

HALF_OPEN_MAX: Final = 32
"""Streams in a handshake, over all addresses."""

HALF_OPEN_PER_NETWORK_MAX: Final = 8
"""The same per /24 (IPv4) or /64 (IPv6)."""

HANDSHAKES_PER_S: Final = 20.0
"""Accepted handshakes per address and second, with a burst of 5 (as WireGuard's limiter)."""

HANDSHAKE_BURST: Final = 5
"""See HANDSHAKES_PER_S."""

HANDSHAKE_SOURCES_MAX: Final = 1_024
"""Addresses whose rate is remembered; a bucket is forgotten once it is full, after 0.25 s."""

LISTEN_BACKLOG: Final = 64
"""Streams that wait to be accepted: twice HALF_OPEN_MAX."""

REFUSED_PAUSE_S: Final = 0.01
"""After refused streams: the next ones are gathered, so that a flood wakes nobody for each."""

SHORTAGE_PAUSE_S: Final = 0.1
"""Before a stream that found no free descriptor is tried again: too short to be noticed."""

LISTEN_PORT_TRIES: Final = 16
"""Ports tried until one is free for both IPv4 and IPv6; a second try is rare already."""

WRITE_QUEUE_BYTES_MAX: Final = 40 * MIB
"""Sealed bytes that wait for one stream; a peer that never reads is dropped at this point, or after
WRITE_STALL_S. A whole membership log goes out at once: PAIRING_PACKAGE_BYTES_MAX, and entries."""

DIALS_PER_DEVICE_MAX: Final = 4
"""Addresses of one device tried at the same time."""

DIALS_MAX: Final = 8
"""Dials under way over all devices."""

DIAL_S: Final = 5.0
"""One TCP connect on a local network."""

RUNS_REMEMBERED: Final = 8
"""Runs of a peer by which it is noticed that two of them are alive; two would do."""

RUNS_TWICE_S: Final = 600.0
"""How long a peer that runs twice is refused: both are told at every attempt, which come as seldom
as this by then, and a false alarm is over after that."""

LINK_SETTLED_S: Final = 60.0
"""A link that lived this long worked; one that broke sooner is dialled again with a pause."""

BACKOFF_MIN_S: Final = 1.0
"""First pause after a failed dial; doubles with jitter."""

BACKOFF_MAX_S: Final = 600.0
"""Longest pause; a sighting or a network change resets it."""

ADDRESSES_PER_PEER_MAX: Final = 16
"""Remembered or advertised addresses of one device."""

HOST_CHARACTERS_MAX: Final = 64
"""An IPv6 address has at most 45 characters, its scope (an interface) at most 15 and a `%`."""

STOP_LINKS_S: Final = 2.0
"""How long a stopping node waits for its closes to be written; SIGTERM is given 5 s in all."""
