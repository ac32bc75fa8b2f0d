"""Bounds of discovery and of watching the network."""

from typing import Final

DISCOVERY_SLOT_S: Final = 900
"""Life of an advertised instance name."""

DISCOVERY_RETRIES: Final = 4
"""Names per slot to choose from when one is taken."""

SIGHTINGS_QUEUED_MAX: Final = 256
"""mDNS events that wait for the core; more are dropped, they will be announced again."""

DISCOVERY_JITTER_S: Final = 60.0
"""Largest delay of a change of names after the slot's end, so that devices do not move at once."""

DISCOVERY_HOST_TTL_S: Final = 120
"""Life of address and SRV records in other devices' caches (RFC 6762, section 10)."""

DISCOVERY_OTHER_TTL_S: Final = 1_200
"""Life of PTR and TXT records: a name outlives its slot by little (zeroconf floors it at 1 125)."""

DISCOVERY_RESOLVE_S: Final = 3.0
"""How long to ask for the records of one name; zeroconf's own default."""

DISCOVERY_SETTLE_S: Final = 1.5
"""Pause between looks at a name: flushed records live on for 1 s (RFC 6762, section 10.2)."""

DISCOVERY_SETTLE_LOOKS: Final = 2
"""Looks without news: one after a flush, one more for a flush by DISCOVERY_REPEAT_S."""

DISCOVERY_REPEAT_S: Final = 1.0
"""Least time between announcements that may flush each other (RFC 6762, sections 8.3 and 10.2)."""

DISCOVERY_GATHER_S: Final = 0.1
"""Pause between news of a name and the look at it: one announcement may be several packets."""

DISCOVERY_LOOKS_MAX: Final = 64
"""Names looked at simultaneously: one per member. More wait for their next announcement."""

DISCOVERY_TEXT_BYTES_MAX: Final = 255
"""One TXT string (RFC 6763, section 6.1); ours has 18 bytes."""

DISCOVERY_CLOSE_S: Final = 2.0
"""Goodbyes and the end of the mDNS thread; beyond it the process ends without them."""

DISCOVERY_RETRY_S: Final = 5.0
"""While another program keeps the port, between tries; each costs 0.7 ms of processor time."""

INTERFACES_DEBOUNCE_S: Final = 0.5
"""A change of network is several events; they are looked at together after this pause."""

INTERFACES_POLL_S: Final = 30.0
"""Between looks at the addresses where the kernel refuses to report changes."""

SUSPEND_CHECK_S: Final = 5.0
"""Between looks at the two clocks that tell a suspend."""

SUSPEND_GAP_S: Final = 10.0
"""Time asleep that counts as a wake-up; peers' idle timers have noticed much later than this."""
