"""Columns of operations that change chunks and document chunks share, by their specification.

A specification is the column's id times 16, and its type ("Automerge Binary Document Format",
"Column Specifications"). What only one kind of chunk has stands with its reader.
"""

from typing import Final

OBJECT_ACTOR: Final = 0x01
OBJECT_COUNTER: Final = 0x02
KEY_ACTOR: Final = 0x11
KEY_COUNTER: Final = 0x13
KEY_STRING: Final = 0x15
INSERT: Final = 0x34
ACTION: Final = 0x42
VALUE_META: Final = 0x56
VALUE: Final = 0x57
