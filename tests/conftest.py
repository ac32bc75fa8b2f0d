"""How the suite is spread over two processes, one for each core that is promised.

Everything on the network of this machine runs in one of them, in order: devices that pair on
loopback at the same time see each other's codes, as neighbours would. The rest runs in the other.
"""

from pathlib import Path

import pytest

NETWORKED = ("e2e", "contract", "trio")


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(here).parts[0]
        group = "network" if folder in NETWORKED else f"{folder}/{item.path.name}"
        item.add_marker(pytest.mark.xdist_group(group))
