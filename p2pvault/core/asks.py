"""What local programs ask of a device: edits, pairing, and decisions about other devices.

`io` has it in its union of inputs; each is answered, or refused, under its `request`. What repair
asks for is in `inquiries`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from p2pvault.crdt.values import Value
from p2pvault.types import Address

FieldPath = tuple[str, ...]
"""Where a value stands in a record: the names of the maps on the way and of the field."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A wish to change one record; the record is made when none has the path.

    Attributes:
        selector: `COLLECTION/NAME`, or `id:` and a unique prefix.
        puts: Values to set, by field path.
        deletes: Fields to take away.
        remove: Delete the whole record instead.
    """

    selector: str
    puts: Sequence[tuple[FieldPath, Value]] = ()
    deletes: Sequence[FieldPath] = ()
    remove: bool = False


@dataclass(frozen=True, slots=True)
class EditRequested:
    """A local program asks for edits, to be committed as one."""

    request: int
    edits: Sequence[Edit]


@dataclass(frozen=True, slots=True)
class PairingRequested:
    """A local program opens a pairing window.

    Attributes:
        request: Names the window.
        admin: Whether the new device may change the membership.
        listening: Where the pairing listener accepts.
        seed: The recovery key's, which admits the new device in place of this one; 32 bytes.
    """

    request: int
    admin: bool
    listening: tuple[Address, ...]
    seed: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class WordsTyped:
    """The person typed the two words that the new device shows."""

    request: int
    words: str


@dataclass(frozen=True, slots=True)
class PairingCancelled:
    """The local program that opened the window is gone."""

    request: int


@dataclass(frozen=True, slots=True)
class RenameRequested:
    """A local program gives a device another name."""

    request: int
    device: str
    name: str


@dataclass(frozen=True, slots=True)
class RevokeRequested:
    """A local program removes a device from the vault."""

    request: int
    device: str


@dataclass(frozen=True, slots=True)
class ReinstateRequested:
    """A local program lets a suspended device in again."""

    request: int
    device: str


@dataclass(frozen=True, slots=True)
class RecoveryRequested:
    """A local program takes the vault over with the recovery key (`seed`, 32 bytes).

    It removes the `lost` devices, or all others, and brings `restored` ones back.
    """

    request: int
    seed: bytes = field(repr=False)
    lost: tuple[str, ...] = ()
    all_others: bool = False
    restored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecoveryForgotten:
    """A local program has this device forget the recovery key that it keeps for showing."""

    request: int


@dataclass(frozen=True, slots=True)
class AddressGiven:
    """A local program notes an address by hand, or takes one back."""

    request: int
    device: str
    address: Address
    forget: bool = False


@dataclass(frozen=True, slots=True)
class KeepRequested:
    """A local program has this device keep a collection again."""

    request: int
    collection: str


@dataclass(frozen=True, slots=True)
class ForgetRequested:
    """A local program has this device keep a collection no longer; `anyway`: unproved, too."""

    request: int
    collection: str
    anyway: bool = False


@dataclass(frozen=True, slots=True)
class SettleQuarantine:
    """A local program settles what is in quarantine.

    Attributes:
        request: Names the request.
        device: Whose entries, with all that hangs together with them; None for all.
        repeat: Whether to repeat their effect before they are dropped.
    """

    request: int
    device: str | None
    repeat: bool
