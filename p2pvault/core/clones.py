"""One device that runs twice: noticed by its peers, refused on both sides, and told.

Every run of a device has a random number, which its GREETING carries. A run that was followed by
another one has ended, since a store has one daemon at a time. So a number that comes back after
another one, on a link that began later, proves that both runs are alive: somebody runs a copy of
the store.
"""

from collections import deque

from p2pvault.core.book import Book
from p2pvault.core.io import Effect, Report, StatusChanged, Write
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Link
from p2pvault.core.links import Links
from p2pvault.crypto.entropy import Entropy
from p2pvault.errors import MalformedMessage, RunsTwice
from p2pvault.limits import RUNS_REMEMBERED, RUNS_TWICE_S
from p2pvault.protocol.introduction import RUN_BYTES
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import DeviceId, Instant, LinkId
from p2pvault.wire.codec import pack, unpack


class Clones:
    """Compares the runs of each peer, and hears what peers say of ours.

    Attributes:
        run: The number of this run.
        told_by: The peer that says that this device runs twice, until content was proved equal
            with it again.
    """

    def __init__(self, book: Book, links: Links, entropy: Entropy) -> None:
        self.run = entropy(RUN_BYTES)
        self.told_by: DeviceId | None = None
        self._book = book
        self._links = links
        self._runs: dict[DeviceId, deque[bytes]] = {}
        self._newest: dict[DeviceId, LinkId] = {}
        self._refused_until: dict[DeviceId, float] = {}

    def runs_twice(self, device: DeviceId) -> bool:
        """Tell whether a peer was seen running twice, and not proved equal since."""
        return device in self._refused_until

    def greeted(self, now: Instant, link: Link, run: bytes) -> list[Effect]:
        """Take the number of a peer's run; refuse the peer if two of its runs are alive."""
        assert link.device is not None, "only members are listened to"
        if now.monotonic < self._refused_until.get(link.device, 0.0):
            return self._refuse(now, link)
        runs = self._runs.setdefault(link.device, deque(maxlen=RUNS_REMEMBERED))
        if run in runs and run != runs[-1] and link.id > self._newest[link.device]:
            runs.clear()
            self._refused_until[link.device] = now.monotonic + RUNS_TWICE_S
            report = Report("error", "device_runs_twice", {"device": link.device.hex()})
            return [report, StatusChanged(), *self._refuse(now, link)]
        if run not in runs:
            runs.append(run)
            # Links are numbered as they begin; this one was greeted late, perhaps.
            self._newest[link.device] = max(each.id for each in self._links)
        return []

    def _refuse(self, now: Instant, link: Link) -> list[Effect]:
        told = Write(link.id, link.seal(Kind.RUNS_TWICE, pack([])))
        error = RunsTwice("this device runs twice, from two copies of its store")
        return [told, *self._links.fail(now, link, error)]

    def heard(self, now: Instant, link: Link, body: bytes) -> list[Effect]:
        """Take a peer's word that this device runs twice.

        Raises:
            MalformedMessage: It is no such message.
        """
        if unpack(body) != []:
            raise MalformedMessage("a word about a device that runs twice, with something in it")
        self.told_by = link.device
        return self._links.fail(now, link, RunsTwice("a peer says that this device runs twice"))

    def proved(self, link: Link) -> None:
        """Take note of what a peer was last compared to; equal means that all is well with it."""
        assert link.device is not None, "only members are compared with"
        if self._book[link.device].verdict is not Verdict.EQUAL:
            return
        self._refused_until.pop(link.device, None)
        if self.told_by == link.device:
            self.told_by = None
