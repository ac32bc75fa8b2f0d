"""What has arrived on one link and is not taken in yet, counted just as its sender counts it.

The sender takes for acknowledged what we said to hold, in the order in which it was sent, whoever
we have it from. So what other peers brought meanwhile counts no more, although it still waits here
to be passed over.
"""

from collections import deque

from p2pvault.core.content import Content
from p2pvault.errors import LimitExceeded
from p2pvault.limits import INBOUND_BYTES_MAX
from p2pvault.types import JournalHead


class Inbound:
    """The parts of what arrived, first in, first out.

    Attributes:
        size: Bytes that wait, and that the sender has not seen acknowledged.
    """

    def __init__(self) -> None:
        self.size = 0
        self._parts: deque[tuple[int, JournalHead | None, int]] = deque()
        self._arrived = self._taken = 0

    def add(self, size: int, head: JournalHead | None = None) -> None:
        """Count what arrived: an entry with its head, or something else.

        Raises:
            LimitExceeded: The peer does not wait for acknowledgements.
        """
        self._arrived += size
        self._parts.append((self._arrived, head, size))
        self.size += size
        if self.size > INBOUND_BYTES_MAX:
            raise LimitExceeded("more entries than the peer may send unacknowledged")

    def take_out(self, size: int) -> None:
        """Take note that the next so many bytes were taken in, refused or passed over."""
        self._taken += size
        while self._parts and self._parts[0][0] <= self._taken:
            self._drop()

    def acknowledge(self, content: Content) -> None:
        """Take note that the peer is told what we hold."""
        while self._parts and (head := self._parts[0][1]) is not None and content.holds(head):
            self._drop()

    def _drop(self) -> None:
        self.size -= self._parts.popleft()[2]
