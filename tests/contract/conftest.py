"""The stores that pass the same suites."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.memory_store import MemoryStore
from p2pvault.store.port import Store
from p2pvault.store.sqlite import open_store
from sim.disk import Disk


@pytest.fixture(params=["memory", "simulated", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    makers: dict[str, Callable[[], Store]] = {
        "memory": MemoryStore,
        "simulated": lambda: Disk(lambda _, __: None),
        "sqlite": lambda: open_store(tmp_path / "home", bytes(32), create=True),
    }
    opened = makers[request.param]()
    yield opened
    opened.close()
