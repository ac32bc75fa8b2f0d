"""Bounds of messages and frames."""

from typing import Final

from p2pvault.limits.units import KIB, MIB

FRAME_BYTES_MAX: Final = 65_535
"""The Noise specification's cap on one message, section 3."""

MESSAGE_BYTES_MAX: Final = 1 * MIB + 64 * KIB
"""One logical message: an entry of ENTRY_BYTES_MAX and its envelope."""

WIRE_DEPTH_MAX: Final = 8
"""Nesting of decoded messages; the deepest of ours has 5 levels."""

WIRE_ARRAY_ITEMS_MAX: Final = 4_096
"""Items in one decoded array: an entry has 1 000 changes, a HAVE 4 096 journals."""

WIRE_OBJECTS_MAX: Final = 65_536
"""Objects in one decoded message; 16.8 MB of empty maps would take 1.1 GB otherwise."""
