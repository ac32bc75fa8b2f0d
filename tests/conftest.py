"""How the suite is spread over two processes, one for each core that is promised.

Everything on the network of this machine runs in one of them, in order: devices that pair on
loopback at the same time see each other's codes, as neighbours would. The rest runs in the other.
"""

from pathlib import Path

import pytest

NETWORKED = ("e2e", "contract", "trio")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name the group of a test as soon as it is found: xdist reads the marks right after."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    group = "network" if folder in NETWORKED else f"{folder}/{item.path.name}"
    item.add_marker(pytest.mark.xdist_group(group))
