"""Fleets of real daemons, for one test or for all tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.daemons import Device, Fleet, open_fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with open_fleet(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with open_fleet(tmp_path_factory.mktemp("shared")) as opened:
        yield opened


@pytest.fixture(scope="module")
def couple(shared: Fleet) -> tuple[Device, Device]:
    """A laptop and a phone that are paired and run."""
    laptop = shared.founder("laptop")
    return laptop, shared.member(laptop, "phone")
