"""Bounds of local edits and of what is loaded for them."""

from typing import Final

EDITS_QUEUED_MAX: Final = 1_024
"""Local edits that wait for the store; beyond it the caller is told to slow down."""

EDIT_RECORDS_MAX: Final = 1_000
"""Records in one local edit: they become one entry."""

ID_PREFIX_ROWS_MAX: Final = 1_024
"""Records looked at for an id prefix; so short a prefix that more match is ambiguous anyway."""

RECORDS_CACHED_MAX: Final = 256
"""Loaded records; one costs 8 to 17 KB in the engine, so about 4 MB."""
