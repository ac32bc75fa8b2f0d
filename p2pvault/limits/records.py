"""Bounds of records and their values."""

from typing import Final

from p2pvault.limits.units import KIB, MIB

RECORD_BYTES_MAX: Final = 8 * MIB
"""A saved record; the engine needs a few times this while loading, and holds the interpreter."""

RECORD_OPERATIONS_MAX: Final = 524_288
"""Operations in a record's history, counted along its longest line: half a million keystrokes."""

SNAPSHOT_BYTES_MAX: Final = 2 * RECORD_BYTES_MAX
"""A record as it travels whole: two devices may have filled it to RECORD_BYTES_MAX apart."""

SNAPSHOT_INFLATED_BYTES_MAX: Final = 16 * MIB
"""Columns of a document chunk, inflated; a few KB can inflate to any size otherwise. A record
whose history is larger is kept and sent as changes."""

SNAPSHOT_OPERATIONS_MAX: Final = 2 * RECORD_OPERATIONS_MAX
"""Operations in a snapshot: a few bytes of run lengths can stand for any number otherwise."""

SNAPSHOT_DEPENDENCIES_MAX: Final = 4 * SNAPSHOT_OPERATIONS_MAX
"""References between the changes of a snapshot: more than one each only after concurrent edits."""

VALUE_DEPTH_MAX: Final = 32
"""Nesting of maps and lists in a record; deeper than people write, shallow enough to recurse."""

VALUE_ITEMS_MAX: Final = 50_000
"""Values in one record, counted recursively, so that one edit fits one change."""

TEXT_CHARACTERS_MAX: Final = 50_000
"""One text; each character is an operation, and a whole text must fit into one change."""

SCALAR_BYTES_MAX: Final = 256 * KIB
"""One byte string or atomic string; larger content belongs into a file, not into a record."""

TIMESTAMP_MS_MIN: Final = -62_135_424_000_000
"""0001-01-03T00:00Z: the binding turns timestamps into local datetimes, which begin in year 1."""

TIMESTAMP_MS_MAX: Final = 253_402_128_000_000
"""9999-12-30T00:00Z: the same at the other end; datetime looks a day around, zones add another."""

DIFF_DISTANCE_MAX: Final = 512
"""Inserted and deleted items that a minimal diff looks for; time and memory are its square."""

DEFLATE_BYTES_MIN: Final = 1 * KIB
"""Shorter changes stay as they are: deflating takes 85 us and saves a tenth of a usual record."""

INTEGER_MAX: Final = 2**63 - 1
"""Integers are signed 64-bit in the engine."""

COLLECTION_CHARACTERS_MAX: Final = 64
"""A collection's name: a word or two, shown in tables."""

NAME_CHARACTERS_MAX: Final = 200
"""A record's name: a title line."""

FIELD_CHARACTERS_MAX: Final = 200
"""A field's name."""

CHUNKS_BEFORE_FOLD: Final = 16
"""Chunks of a record before they are folded into a snapshot; loading stays one small read."""

FOLD_BYTES_MIN: Final = 4 * KIB
"""Below this, appended changes are cheaper than a new snapshot."""
