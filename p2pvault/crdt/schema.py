"""How a record is laid out, and which bounds its names obey.

A record's root map holds two maps and nothing else: `meta` (`collection`, `name`, and `deleted`
once it was deleted) and `data` (the fields). One change by one device makes all three, so that
two devices never make competing containers. This module decides; it must not touch the engine.
"""

import re
from typing import Final

from p2pvault.errors import BadPath
from p2pvault.limits import COLLECTION_CHARACTERS_MAX, NAME_CHARACTERS_MAX

META: Final = "meta"
DATA: Final = "data"
COLLECTION: Final = "collection"
NAME: Final = "name"
DELETED: Final = "deleted"

PROSE_FIELDS: Final = frozenset(
    (
        "abstract",
        "annotation",
        "bio",
        "body",
        "comment",
        "comments",
        "content",
        "description",
        "journal",
        "note",
        "notes",
        "prose",
        "remark",
        "remarks",
        "summary",
        "text",
    )
)
"""Fields whose strings merge by character from the start."""

PROSE_CHARACTERS: Final = 120
"""A longer first value is prose: a scalar string is replaced whole when two devices edit it."""

TOKEN_CHARACTERS: Final = 64
"""An ASCII string longer than this without white space is a token: no word is as long."""

_TOKEN: Final = re.compile(f"[!-~]{{{TOKEN_CHARACTERS + 1},}}", re.ASCII)

# Explicit ranges, not Unicode categories: two devices with different Unicode tables have to
# agree. C0, DEL, C1, line separators, surrogates, and the marks that reorder text on a screen.
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def is_prose(field: str, first: str) -> bool:
    """Tell whether a new string field merges by character; it keeps its kind from then on.

    A long token (a key, a hash, something in base64) never does, whatever its field is called: two
    of them merged by character would be neither.
    """
    if _TOKEN.fullmatch(first):
        return False
    return field in PROSE_FIELDS or len(first) > PROSE_CHARACTERS or "\n" in first


def check_path_parts(collection: str, name: str) -> None:
    """Check the two halves of a path; the name may contain slashes, the collection may not.

    Raises:
        BadPath: Empty, too long, or with characters that do not print.
    """
    _check_part("collection", collection, COLLECTION_CHARACTERS_MAX)
    _check_part("name", name, NAME_CHARACTERS_MAX)
    if "/" in collection:
        raise BadPath("a collection's name has no slash in it")


def _check_part(what: str, part: str, characters_max: int) -> None:
    if not 0 < len(part) <= characters_max:
        raise BadPath(f"a {what} has 1 to {characters_max} characters, this one has {len(part)}")
    if _UNPRINTABLE.search(part):
        raise BadPath(f"a {what} has no control characters, no line breaks and no bidi marks")
