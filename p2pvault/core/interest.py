"""What this device keeps: the person's setting, what it may lack of that, and what is to be erased.

A collection that nobody ever spoke about is kept. One that is not kept has no records here once it
is erased, and no edit or entry brings any; its entries are headers. One that is `partial` is kept,
but something of it was never here: it was turned on again, or came as headers from a device that
does not keep it. That ends where all other members agree that nobody has more, and with a proof of
equality with a device that vouches for it. But only as long as nobody else comes: somebody's log
may still hold entries of it that no member applies any more, and whoever is admitted gets those,
and applies them. A device may vouch because all agreed once, and does not say so.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Final

from p2pvault.errors import LimitExceeded, NotKept
from p2pvault.limits import (
    COLLECTION_CHARACTERS_MAX,
    INTEGER_MAX,
    INTEREST_COLLECTIONS_MAX,
    PARTIAL_COLLECTIONS_MAX,
)
from p2pvault.protocol.interest import Statement
from p2pvault.wire.codec import Tree, pack, unpack
from p2pvault.wire.collections import collections_shape
from p2pvault.wire.shape import pair, sequence, structure, text, unsigned

INTEREST: Final = "interest"
"""The store's named value that holds an `Interest`, but for what was agreed on."""

AGREED: Final = "interest/agreed"
"""The one that holds `Interest.agreed`, if there is any."""


@dataclass(frozen=True, slots=True)
class Interest:
    """What is kept here.

    Attributes:
        forgotten: The collections that are not.
        partial: Those that are, and of which something may be missing.
        erasing: The forgotten ones that are not erased yet, with the last arrival number up to
            which their entries become headers at once. Those behind go when all members hold them.
        turn: How often this has changed since the device started, or what there is to erase.
        agreed: Kept ones that are no longer partial, as far as the members there were know: those
            who come later may have more.
    """

    forgotten: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()
    erasing: Mapping[str, int] = field(default_factory=dict)
    turn: int = 0
    agreed: frozenset[str] = frozenset()

    @property
    def is_limited(self) -> bool:
        """Whether records that others hold may be missing here without a fault."""
        return bool(self.forgotten or self.partial)

    def statement(self, leaving: frozenset[str]) -> Statement:
        """Return what peers are told."""
        return Statement(self.forgotten, self.partial, leaving - self.forgotten)

    def lacking(self, collections: frozenset[str]) -> "Interest":
        """Return the interest of a device that has not got all of some collections.

        Raises:
            LimitExceeded: They are more than a device remembers.
        """
        partial = self.partial | (collections - self.forgotten)
        if len(partial) > PARTIAL_COLLECTIONS_MAX:
            raise LimitExceeded(f"more than {PARTIAL_COLLECTIONS_MAX} collections lack something")
        return self if partial == self.partial else self._next(partial=partial)

    def lacking_if_room(self, collections: frozenset[str]) -> "Interest":
        """Return the same where nobody is there to be blamed for too many names."""
        try:
            return self.lacking(collections)
        except LimitExceeded:
            return self

    def whole(self, collections: frozenset[str]) -> "Interest":
        """Return it after a proof that no member has more of some collections."""
        return self._next(
            partial=self.partial - collections, agreed=self.agreed | (collections & self.partial)
        )

    def joined(self) -> "Interest":
        """Return it after somebody became a member, who may bring what no other one has."""
        if not self.agreed:
            return self
        return self._next(partial=self.partial | self.agreed, agreed=frozenset())

    def forget(self, collection: str, upto: int) -> "Interest":
        """Return it without a collection; see `erasing` for `upto`."""
        return self._next(
            forgotten=self.forgotten | {collection},
            partial=self.partial - {collection},
            erasing={**self.erasing, collection: upto},
            agreed=self.agreed - {collection},
        )

    def keep(self, collection: str, *, alone: bool) -> "Interest":
        """Return it with a collection; `alone`: there is no other device that could have it."""
        return self._next(
            forgotten=self.forgotten - {collection},
            partial=self.partial if alone else self.partial | {collection},
            erasing={name: n for name, n in self.erasing.items() if name != collection},
            agreed=self.agreed | {collection} if alone else self.agreed,
        )

    def moved(self) -> "Interest":
        """Return the same after something to erase went otherwise; what was found is outdated."""
        return self._next()

    def erased(self, collection: str) -> "Interest":
        """Return it after nothing of a forgotten collection is left."""
        left = {name: n for name, n in self.erasing.items() if name != collection}
        return self._next(erasing=left)

    def _next(
        self,
        forgotten: frozenset[str] | None = None,
        partial: frozenset[str] | None = None,
        erasing: Mapping[str, int] | None = None,
        agreed: frozenset[str] | None = None,
    ) -> "Interest":
        lacking = self.partial if partial is None else partial
        return Interest(
            self.forgotten if forgotten is None else forgotten,
            lacking,
            self.erasing if erasing is None else erasing,
            self.turn + 1,
            _fitting((self.agreed if agreed is None else agreed) - lacking, lacking),
        )

    def meta(self, before: "Interest") -> dict[str, bytes | None]:
        """Return the named values of the store that change with it; `before`: what they hold."""
        if self == before:
            return {}
        meta: dict[str, bytes | None] = {INTEREST: self.to_bytes()}
        if self.agreed != before.agreed:
            names: list[Tree] = [*sorted(self.agreed)]
            meta[AGREED] = pack(names) if names else None
        return meta

    def to_bytes(self) -> bytes:
        """Return what the store keeps under `INTEREST`."""
        erasing: list[Tree] = [[name, n] for name, n in sorted(self.erasing.items())]
        tree: list[Tree] = [[*sorted(self.forgotten)], [*sorted(self.partial)], erasing]
        return pack(tree)


def _fitting(agreed: frozenset[str], partial: frozenset[str]) -> frozenset[str]:
    """Return what was agreed on, unless both would be too much to say when somebody joins.

    Then a difference with whoever joins is told as one, and goes away all the same.
    """
    return agreed if len(agreed) + len(partial) <= PARTIAL_COLLECTIONS_MAX else frozenset()


def check_kept(collection: str | None, forgotten: Set[str]) -> None:
    """Insist that a collection is kept here.

    Raises:
        NotKept: It is not.
    """
    if collection is not None and collection in forgotten:
        hint = f"Turn it on with `p2pvault collections keep {collection}`."
        raise NotKept(f"{collection} is not kept on this device", hint=hint)


@dataclass(frozen=True, slots=True)
class _Kept:
    forgotten: tuple[str, ...]
    partial: tuple[str, ...]
    erasing: tuple[tuple[str, int], ...]


_read = structure(
    _Kept,
    collections_shape(INTEREST_COLLECTIONS_MAX),
    collections_shape(PARTIAL_COLLECTIONS_MAX),
    sequence(
        pair(text(COLLECTION_CHARACTERS_MAX), unsigned(INTEGER_MAX)), INTEREST_COLLECTIONS_MAX
    ),
)


_read_agreed = collections_shape(PARTIAL_COLLECTIONS_MAX)


def interest_of(meta: Mapping[str, bytes]) -> Interest:
    """Read it from a store's named values; raises `MalformedMessage` where it was not written."""
    kept = meta.get(INTEREST)
    if kept is None:
        return Interest()
    read = _read(unpack(kept))
    agreed = meta.get(AGREED)
    return Interest(
        frozenset(read.forgotten),
        frozenset(read.partial),
        dict(read.erasing),
        agreed=frozenset() if agreed is None else frozenset(_read_agreed(unpack(agreed))),
    )
