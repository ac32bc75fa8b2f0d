"""What a retraction could not take out, and edits it could not repeat: the record is damaged here.

A change says nothing without the record that it changes. Those that nobody else is known to hold
are kept beside the content, until the record has been fetched; `repaying` repeats them then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from p2pvault.crdt.chunk import split
from p2pvault.crdt.prefilter import Change, inspect
from p2pvault.errors import LimitExceeded
from p2pvault.limits import ARREARS_BYTES_MAX
from p2pvault.types import RecordId
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.shape import binary, structure

ARREARS: Final = "arrears/"
"""Prefix of the store's named values that hold one `Arrear` each; the record in hex follows."""


@dataclass(frozen=True, slots=True)
class Arrear:
    """Changes to one record that went with a branch, in the order of their arrival.

    While there is one, what the store has of the record may hold more than it should.

    Attributes:
        shared: Those that others hold too, and repeat themselves; nothing in here follows ours.
        own: Those that nobody else is known to hold.
    """

    shared: bytes = b""
    own: bytes = b""

    def joined(self, later: "Arrear") -> "Arrear":
        """Return this with what another retraction adds."""
        return Arrear(self.shared + later.shared, self.own + later.own)

    def to_bytes(self) -> bytes:
        """Return what the store keeps."""
        return pack([self.shared, self.own])


_read = structure(Arrear, binary(ARREARS_BYTES_MAX), binary(ARREARS_BYTES_MAX))


def arrears_of(meta: Mapping[str, bytes]) -> dict[RecordId, Arrear]:
    """Return what a store's named values say."""
    return {
        RecordId(bytes.fromhex(name.removeprefix(ARREARS))): _read(unpack(value))
        for name, value in meta.items()
        if name.startswith(ARREARS)
    }


def check_room(arrears: Iterable[Arrear]) -> None:
    """Insist that arrears are within their bound.

    Raises:
        LimitExceeded: They are not.
    """
    if sum(len(each.to_bytes()) for each in arrears) > ARREARS_BYTES_MAX:
        raise LimitExceeded(f"more than {ARREARS_BYTES_MAX} bytes of edits to repeat later")


def changes_in(chunks: bytes) -> list[Change]:
    """Return the changes in one half of an arrear."""
    return [inspect(chunk) for chunk in split(chunks)]
