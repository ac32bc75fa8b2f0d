"""What was done to a world that devices may rightly complain about, and nothing beyond it.

An oracle that forbids something makes an exception only for what stands here: for the numbers that
a store which was put back unnoticed may use again, for the journals of a device whose keys signed
twice, for damage that was done. Everything else stays forbidden in the same world.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Flag, auto

from p2pvault.types import AuthorId, DeviceId


class Sown(Flag):
    """Kinds of what was done."""

    NOTHING = 0
    RENEWED = auto()
    FORK = auto()
    CLONE = auto()
    DAMAGE = auto()
    SUSPENSION = auto()
    CLAIM = auto()
    GIVEN_UP = auto()
    MISCOUNT = auto()
    MISSED = auto()


COMPLAINTS: Mapping[str, Sown] = {
    "content_differs": Sown.FORK | Sown.DAMAGE | Sown.GIVEN_UP | Sown.CLAIM | Sown.MISSED,
    "journal_forked": Sown.FORK | Sown.CLAIM,
    "journal_renewed": Sown.FORK | Sown.CLAIM,
    "fork_mended": Sown.FORK | Sown.CLONE,
    "fork_not_mended": Sown.FORK | Sown.CLAIM | Sown.CLONE,
    "device_runs_twice": Sown.CLONE,
    "repair_begun": Sown.FORK | Sown.DAMAGE | Sown.GIVEN_UP | Sown.CLAIM | Sown.MISSED,
    "fingerprints_corrected": Sown.MISCOUNT,
    "record_damaged": Sown.FORK | Sown.DAMAGE | Sown.CLAIM | Sown.MISSED,
    "recovery_contested": Sown.NOTHING,
}
"""Lines in the log that no device has a reason to write unless one of these was done before.

Whoever claims to hold what it lacks is not sent it, and finds that something is missing under what
it is sent: to itself its records look damaged. A device that runs twice may have held more of a
collection than the one of the two that all others were equal to (`MISSED`): where the collection
is called whole, its record is missing, which is what damage looks like too.
"""


@dataclass(slots=True)
class Field:
    """What was sown so far.

    Attributes:
        kinds: All of it.
        forkable: Journals of which two entries may have one number, from behind this one on.
        forked: Numbers that two entries have.
        contradictable: Devices of which two operations may have one number, from behind this one.
    """

    kinds: Sown = Sown.NOTHING
    forkable: dict[AuthorId, int] = field(default_factory=dict)
    forked: set[tuple[AuthorId, int]] = field(default_factory=set)
    contradictable: dict[DeviceId, int] = field(default_factory=dict)

    def may_fork(self, author: AuthorId, n: int) -> None:
        """Let numbers above `n` of a journal be used again."""
        self.kinds |= Sown.FORK
        self.forkable[author] = min(n, self.forkable.get(author, n))

    def may_contradict(self, device: DeviceId, n: int) -> None:
        """Let operations of a device above `n` be written again."""
        self.contradictable[device] = min(n, self.contradictable.get(device, n))

    def forks(self, author: bytes, n: int) -> bool:
        """Tell whether an entry may be the second one with its number; take note of it."""
        if n <= self.forkable.get(AuthorId(author), n):
            return False
        self.forked.add((AuthorId(author), n))
        return True

    def contradicts(self, device: bytes, n: int) -> bool:
        """Tell whether an operation may be the second one with its number; take note of it."""
        if n <= self.contradictable.get(DeviceId(device), n):
            return False
        self.kinds |= Sown.SUSPENSION
        return True

    def excuses(self, event: str, device: DeviceId | None = None) -> bool:
        """Tell whether a device may write a line of the log, about a device where it names one."""
        if event == "device_suspended":
            return device in self.contradictable
        needed = COMPLAINTS.get(event)
        return needed is None or bool(needed & self.kinds)
