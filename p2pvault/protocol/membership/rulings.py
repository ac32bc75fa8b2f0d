"""Where authority comes from and where it ends: the operations that the rules look at.

`Ledger` fills this in, one operation at a time; `Reign` and `Authority` read it for one scope.
"""

from dataclasses import dataclass, field
from typing import Self

from p2pvault.protocol.membership.history import EMPTY, Mask
from p2pvault.types import DeviceId


@dataclass(slots=True)
class Rulings:
    """The operations that authority can come from or end with.

    Attributes:
        settings: For each device, the operations that set its role: genesis, add, role.
        removals: For each device, the removals of it that applied in their own past.
        recovered: Everything that a recovery key signed.
        numbered: For each device and number, the operations that it wrote under that number.
        forks: For each device, the numbers under which it wrote more than one.
        first_key: The recovery key that the vault was made with, if it was made with one.
        all: All of the operations that any of these hold, but for numbers without a fork.
    """

    settings: dict[DeviceId, Mask] = field(default_factory=dict)
    removals: dict[DeviceId, Mask] = field(default_factory=dict)
    recovered: Mask = EMPTY
    numbered: dict[tuple[DeviceId, int], Mask] = field(default_factory=dict)
    forks: dict[DeviceId, frozenset[int]] = field(default_factory=dict)
    first_key: DeviceId | None = None
    all: Mask = EMPTY

    def copy(self) -> Self:
        """Return an independent copy."""
        return type(self)(
            self.settings.copy(),
            self.removals.copy(),
            self.recovered,
            self.numbered.copy(),
            self.forks.copy(),
            self.first_key,
            self.all,
        )

    def add_setting(self, device: DeviceId, number: int) -> None:
        """Note an operation that sets the role of a device."""
        self.settings[device] = self.settings.get(device, EMPTY) | 1 << number
        self.all |= 1 << number

    def add_removal(self, device: DeviceId, number: int) -> None:
        """Note a removal that applies in its own past."""
        self.removals[device] = self.removals.get(device, EMPTY) | 1 << number
        self.all |= 1 << number

    def add_recovered(self, number: int) -> None:
        """Note an operation that a recovery key signed."""
        self.recovered |= 1 << number
        self.all |= 1 << number

    def add_numbered(self, device: DeviceId, n: int, number: int) -> None:
        """Note under which of its numbers a device wrote an operation."""
        arms = self.numbered.get((device, n), EMPTY) | 1 << number
        self.numbered[device, n] = arms
        if arms & (arms - 1):
            self.forks[device] = self.forks.get(device, frozenset()) | {n}
            self.all |= arms

    def arms(self, device: DeviceId) -> list[Mask]:
        """Return, for each number that a device used more than once, what it wrote under it."""
        return [self.numbered[device, n] for n in self.forks.get(device, ())]
