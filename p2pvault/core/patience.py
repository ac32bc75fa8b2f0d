"""How long a fetch may get nowhere while something else waits for it.

Progress puts the end off. Where nobody waits, there is no end: a device whose only source is away
for a year goes on where it was.
"""

from p2pvault.limits import FETCH_PATIENCE_S, FETCH_PROGRESS_BYTES, FETCH_SPURN_S
from p2pvault.types import DeviceId, Instant, LinkId

Mark = tuple[LinkId | None, int, bool]
"""Where a fetch stands: the link that was asked, steps of progress on it, whether all has come."""


def mark_of(link: LinkId | None, taken_bytes: int, *, ended: bool) -> Mark:
    """Return where a fetch stands; less than a step of FETCH_PROGRESS_BYTES makes no difference."""
    return link, taken_bytes // FETCH_PROGRESS_BYTES, ended


class Patience:
    """With the fetch under way, and with each peer that handed out records and then none.

    Attributes:
        ends_at: Monotonic time at which it is over; infinity while nobody waits.
    """

    def __init__(self) -> None:
        self.ends_at = float("inf")
        self._mark: Mark | None = None
        self._spurned_until: dict[DeviceId, float] = {}

    def look(self, now: Instant, mark: Mark | None) -> None:
        """Compare with where the fetch stood before; None where nobody waits for it."""
        if mark == self._mark:
            return
        self._mark = mark
        self.ends_at = float("inf") if mark is None else now.monotonic + FETCH_PATIENCE_S

    def start_anew(self) -> None:
        """Take note that something was done about it."""
        self._mark, self.ends_at = None, float("inf")

    def spurn(self, now: Instant, device: DeviceId) -> None:
        """Ask a peer nothing for a while."""
        self._spurned_until[device] = now.monotonic + FETCH_SPURN_S

    def trusts(self, now: Instant, device: DeviceId | None) -> bool:
        """Tell whether a peer may be asked."""
        return device is None or now.monotonic >= self._spurned_until.get(device, 0.0)
