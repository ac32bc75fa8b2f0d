"""One device in a world, with its store, and the streams between devices."""

from dataclasses import dataclass, field

from harness.memory_store import MemoryStore
from p2pvault.core import io
from p2pvault.core.device import Device
from p2pvault.core.news import News
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Address, DeviceId, LinkId


@dataclass(eq=False)
class Wire:
    """One stream between two devices; a dead one swallows everything and tells nobody."""

    ends: dict["Party", LinkId]
    open: bool = True
    dead: bool = False

    def other(self, party: "Party") -> "Party":
        (other,) = (end for end in self.ends if end is not party)
        return other


@dataclass(eq=False)
class Party:
    """One device, its store, and what it has answered."""

    name: str
    address: Address
    store: MemoryStore
    device: Device
    other_address: Address | None = None
    answers: dict[int, object] = field(default_factory=dict)
    published: list[io.Change] = field(default_factory=list)
    reports: list[io.Report] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    trace: list[io.Input | io.Effect] = field(default_factory=list)
    wake_at: float | None = None
    disk_full: bool = False
    unreadable: bool = False
    online: bool = True
    switched_off: bool = False
    shown: io.Advertise | None = None
    expected: frozenset[str] = frozenset()
    life: int = 0
    loose: dict[LinkId, bytes] = field(default_factory=dict)
    hung_up: list[LinkId] = field(default_factory=list)
    effects_done: int = 0
    crash_at: int | None = None

    @property
    def id(self) -> DeviceId:
        return self.device.members.device

    def reported(self, event: str) -> list[io.Report]:
        return [report for report in self.reports if report.event == event]

    def verdict(self, other: "Party") -> Verdict | None:
        return self.device.book[other.id].verdict

    def linked(self, other: "Party") -> bool:
        return self.device.book[other.id].link is not None
