"""What peers said to hold, kept over restarts: it decides which entries may go, and nothing else.

What to send follows from what a peer says on the link that is up. Here its last word counts, not
its highest: a peer that was restored from an old copy needs the entries again.
"""

from collections.abc import Iterable, Mapping

from p2pvault.types import Acknowledgement, AuthorId, DeviceId, JournalHead


class Acknowledged:
    """The last word of every peer on every journal."""

    def __init__(self, kept: Iterable[Acknowledgement]) -> None:
        self._words: dict[DeviceId, dict[AuthorId, int]] = {}
        self._unsaved: dict[tuple[DeviceId, AuthorId], int] = {}
        for word in kept:
            self._words.setdefault(word.device, {})[word.author] = word.n

    @property
    def is_saved(self) -> bool:
        """Whether the store has been told all of it."""
        return not self._unsaved

    def heard(self, device: DeviceId, journals: Mapping[AuthorId, JournalHead]) -> bool:
        """Take in all that a peer holds as of its present link; return whether that is news."""
        before = self._words.get(device, {})
        said = dict.fromkeys(before, 0) | {author: head.n for author, head in journals.items()}
        moved = {author: n for author, n in said.items() if before.get(author) != n}
        self._words[device] = said
        self._unsaved |= {(device, author): n for author, n in moved.items()}
        return bool(moved)

    def reached(self, device: DeviceId, author: AuthorId) -> int:
        """Return how far a peer is known to hold one of our journals."""
        return self._words.get(device, {}).get(author, 0)

    def cut(self, cuts: Iterable[JournalHead]) -> None:
        """Take note that the ends of journals went here: whoever held those holds no others."""
        for cut in cuts:
            for device, words in self._words.items():
                if words.get(cut.author, 0) > cut.n:
                    words[cut.author] = self._unsaved[device, cut.author] = cut.n

    def take_unsaved(self) -> tuple[Acknowledgement, ...]:
        """Return what the store has not been told yet, once."""
        taken = tuple(Acknowledgement(*key, n) for key, n in sorted(self._unsaved.items()))
        self._unsaved.clear()
        return taken

    def held_by_all(
        self, members: Iterable[DeviceId], journals: Mapping[AuthorId, JournalHead]
    ) -> dict[AuthorId, int]:
        """Return, for each of our journals, the number up to which all members hold it.

        Args:
            members: All members but this device; one that never said anything holds nothing.
            journals: What this device holds.
        """
        words = [self._words.get(device, {}) for device in members]
        return {
            author: min([head.n, *(word.get(author, 0) for word in words)])
            for author, head in journals.items()
        }
