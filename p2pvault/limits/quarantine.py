"""Bounds of the quarantine."""

from typing import Final

from p2pvault.limits.changes import ENTRY_WORK_MAX
from p2pvault.limits.units import MIB

QUARANTINE_BYTES_MAX: Final = 64 * MIB
"""Entries kept apart from the journals: what a removed device may still put on others' disks."""

QUARANTINE_JOURNAL_ENTRIES_MAX: Final = 4_096
"""Of them by one journal, so that a removed device leaves room for the next."""

QUARANTINE_CHANGES_MAX: Final = 8_192
"""Changes in them. Accepting all of it is one commit: 4 s for as many records. The rows
stay in memory, 16 bytes a change, and are copied with each batch."""

QUARANTINE_WORK_MAX: Final = 4 * ENTRY_WORK_MAX
"""Work in them, for the same reason: 0.7 s."""

QUARANTINE_KEPT_MS: Final = 90 * 86_400_000
"""90 days, after which an entry in quarantine gives way to a new one where there is no room."""

RELEASE_ENTRIES_MAX: Final = 256
"""Entries tried again at a time: local edits come in between, see EDITS_QUEUED_MAX."""

QUARANTINE_PATHS_MAX: Final = 100
"""Paths of records that are named for one device; their number is always told. Names at their
longest for 64 devices still fit into CONTROL_LINE_BYTES_MAX."""
