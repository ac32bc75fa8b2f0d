"""How people name records: `COLLECTION/NAME`, or `id:` and enough of the id to be unique."""

from dataclasses import dataclass
from typing import Final

from p2pvault.crdt.schema import check_path_parts
from p2pvault.errors import AmbiguousPath, BadPath, NoSuchRecord
from p2pvault.types import RecordId, RecordRow

_HEX_DIGITS: Final = frozenset("0123456789abcdef")
_ID_PREFIX: Final = "id:"
_ID_HEX_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Path:
    """A record by collection and name."""

    collection: str
    name: str

    def __str__(self) -> str:
        """Return the path as people write it."""
        return f"{self.collection}/{self.name}"


@dataclass(frozen=True, slots=True)
class IdPrefix:
    """A record by the first hexadecimal digits of its id."""

    digits: str

    def __str__(self) -> str:
        """Return the selector as people write it."""
        return f"{_ID_PREFIX}{self.digits}"


Selector = Path | IdPrefix


def parse_selector(text: str) -> Selector:
    """Read what a person wrote.

    Raises:
        BadPath: Neither a path nor an id.
    """
    if text.startswith(_ID_PREFIX):
        digits = text.removeprefix(_ID_PREFIX).replace("-", "").lower()
        if not 1 <= len(digits) <= _ID_HEX_DIGITS or not _HEX_DIGITS.issuperset(digits):
            raise BadPath(f"“{text}” is no record id: 1 to 32 hexadecimal digits follow id:")
        return IdPrefix(digits)
    collection, slash, name = text.partition("/")
    if not slash:
        raise BadPath(f"“{text}” is no path, it has no slash")
    check_path_parts(collection, name)
    return Path(collection, name)


def path_of(row: RecordRow) -> str:
    """Return the path of a record as people write it."""
    return f"{row.collection}/{row.name}"


def pick(selector: Selector, found: list[RecordId]) -> RecordId:
    """Return the one record that a selector means.

    Args:
        selector: What the person wrote.
        found: The records that match it.

    Raises:
        NoSuchRecord: None does.
        AmbiguousPath: Several do; the message names their ids.
    """
    if not found:
        raise NoSuchRecord(f"there is no record {selector}")
    if len(found) > 1:
        ids = ", ".join(f"id:{record.hex()}" for record in sorted(found))
        raise AmbiguousPath(f"{selector} means several records: {ids}")
    return found[0]
