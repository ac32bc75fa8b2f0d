"""Bounds of pairing and recovery."""

from typing import Final

from p2pvault.limits.units import KIB, MIB

PAIRING_S: Final = 120.0
"""How long a code is valid."""

PAIRING_GUESSES: Final = 3
"""Wrong codes before it is burnt: 3 in 2**31 is the attacker's chance."""

PAIRING_FAILURES_PER_HOUR: Final = 10
"""Failures after which pairing is locked for PAIRING_LOCK_S."""

PAIRING_LOCK_S: Final = 3_600.0
"""See PAIRING_FAILURES_PER_HOUR."""

PAIRING_NEWS_MAX: Final = 64
"""Pairing events that wait for the program that shows them: a window makes a dozen at most."""

PAIRING_CONFIRM_S: Final = 120.0
"""How long both people may take to compare and type the words."""

PAIRING_SPONSORS_MAX: Final = 3
"""Devices that one typed code is tried on: whoever answers to a code gets one guess at it."""

PAIRING_SEARCH_S: Final = 30.0
"""How long a joining device looks for one that shows a code; mDNS answers within 2 s. Where mDNS is
hindered it looks for PAIRING_S."""

PAIRING_BUSY_S: Final = 0.5
"""Before a busy device is asked again; one that seeks another code leaves within milliseconds."""

PAIRING_LAST_LOOK_S: Final = 3.0
"""After a wrong code, how long another device that shows one is looked for."""

PAIRING_PACKAGE_BYTES_MAX: Final = 32 * MIB
"""What a new device is given: a membership log at its longest is some 15 MB, epochs included."""

PAIRING_PART_BYTES: Final = 512 * KIB
"""One piece of that; the rest of a message's room is left to its envelope and padding."""

PAIRING_BYTES_PER_S_MIN: Final = 64 * KIB
"""The slowest network on which a new device still gets all of it in time."""

PAIRING_ADDRESSES_MAX: Final = 8
"""Addresses in a QR code: each makes it denser, and a device has few that a phone can reach."""

INVITATION_CHARACTERS_MAX: Final = 1_024
"""A QR code's text; eight IPv6 addresses and both keys are some 470 characters."""

CODE_CHARACTERS_MAX: Final = 64
"""A typed code: three words of at most 10 letters and two digits, spaced generously."""

RECOVERY_TEXT_CHARACTERS_MAX: Final = 1_024
"""A typed recovery key: 24 words of at most 8 letters, numbered and spaced generously."""
