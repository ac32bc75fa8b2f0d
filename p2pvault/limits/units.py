"""Units that bounds are made of."""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * 1024
