"""Bounds of the repair of records, and of the audit."""

from typing import Final

from p2pvault.limits.units import KIB

RANGE_PARTS: Final = 16
"""Parts of a range that differs: with RANGE_LISTED_MAX the fewest bytes in a model of 100 000
records, 1.4 KB for one difference and 86 KB for 100 scattered ones."""

RANGE_LISTED_MAX: Final = 32
"""Records of a range that are listed rather than divided further."""

RANGE_ITEMS_MAX: Final = 512
"""Records in one list: what one side holds where the other has few. Above it, a range is cut."""

RANGES_PER_MESSAGE_MAX: Final = 1_024
"""Ranges in one message: 64 KB of fingerprints, answered by at most 16 times as many, in turns."""

RANGES_MESSAGE_BYTES_MAX: Final = 256 * KIB
"""Their bytes, one list more: 512 items are 17 KB."""

RANGES_BACKLOG_MAX: Final = 65_536
"""Ranges that wait to be compared on one link, deepest first: 16 of each of 1 024, on the four
levels of one side at 10^9 records."""

REPAIR_MESSAGES_MAX: Final = 4_096
"""Ranges and wishes that a peer may send on one link; each may cost a walk over the index. What is
not repaired by then goes on with the next link."""

REPAIR_INBOX_MAX: Final = 4
"""Messages of ranges that wait to be compared: one answers another, so one is usual."""

REPAIR_ROUNDS_MAX: Final = 4
"""Searches that one side begins on one link: one is enough unless records change meanwhile."""

RECORDS_WANTED_MAX: Final = 256
"""Records asked for in one message; the answer is about FEED_BYTES_MAX, and no more than
ENTRY_WORK_MAX to load, as 256 texts of 300 bytes take 20 s. What is left is asked for again."""

REPAIR_RECORDS_MAX: Final = 65_536
"""Records that wait to be asked for, 1 MB of ids; those beyond are found by the next search."""

VERIFY_EVENTS_MAX: Final = 64
"""Events of a `verify` that wait for its reader; then the audit itself waits."""

INDEX_PAGE_ROWS: Final = 1_000
"""Rows of the index read at a time by what walks over all of it."""
