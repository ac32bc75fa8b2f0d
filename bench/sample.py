"""The records of every workload: about 300 bytes of JSON each, the same at every run."""

import random
from typing import Final

from p2pvault.control.messages import JsonObject

COLLECTION: Final = "notes"
STEP: Final = 7919
"""A prime: edits of record `i * STEP % count` are scattered, and none is hit twice."""

_BODY_BITS: Final = 800


def record(index: int) -> JsonObject:
    """Return R(index)."""
    body = random.Random(index).getrandbits(_BODY_BITS)
    return {
        "type": "note",
        "title": f"Note number {index}",
        "created": 1_700_000_000_000 + index,
        "starred": False,
        "rev": 1,
        "body": f"{body:0{_BODY_BITS // 4}x}",
    }


def path(index: int) -> str:
    """Return where R(index) is kept."""
    return f"{COLLECTION}/n{index}"


def scattered(edit: int, count: int) -> int:
    """Return which of `count` records the edit with this number changes."""
    return edit * STEP % count
