"""Fleets of real daemons, for one test or for all tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.daemons import Device, Fleet, open_fleet
from harness.programs import Programs, warm_programs


@pytest.fixture(scope="package", autouse=True)
def unmeasured() -> Iterator[None]:
    """Measure no coverage in these processes: it doubles their time.

    What they run is measured where the other suites start it, in this process or in its own.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="package")
def programs() -> Iterator[Programs]:
    with warm_programs() as warm:
        yield warm


@pytest.fixture
def cold(tmp_path: Path) -> Iterator[Fleet]:
    """Devices whose programs start as a person starts them."""
    with open_fleet(tmp_path) as opened:
        yield opened


@pytest.fixture
def fleet(tmp_path: Path, programs: Programs) -> Iterator[Fleet]:
    with open_fleet(tmp_path, programs) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, programs: Programs) -> Iterator[Fleet]:
    with open_fleet(tmp_path_factory.mktemp("shared"), programs) as opened:
        yield opened


@pytest.fixture(scope="module")
def couple(shared: Fleet) -> tuple[Device, Device]:
    """A laptop and a phone that are paired and run."""
    laptop = shared.founder("laptop")
    return laptop, shared.member(laptop, "phone")
