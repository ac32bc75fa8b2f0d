"""The methods about the quarantine, in and out, against the schema and a node in a dictionary."""

from collections.abc import AsyncIterator

import pytest

from harness.fake_node import PHONE, FakeNode, FakeSource, record_id
from harness.handlers import ask
from p2pvault.control.messages import Json
from p2pvault.errors import NoSuchDevice
from p2pvault.node.port import QuarantinedDevice
from p2pvaultd.config import Settings
from p2pvaultd.keeper import Keeper, open_keeper

PATHS = ("notes/one", "id:ab")


@pytest.fixture
async def keeper() -> AsyncIterator[Keeper]:
    node = FakeNode()
    for name in ("old phone", "tablet"):
        node.quarantined.append(QuarantinedDevice(PHONE, name, 3, 2, PATHS, 900, 0, 1_000))
    async with open_keeper(FakeSource(node), Settings()) as keeper:
        await keeper.run_existing()
        yield keeper


async def test_what_is_there_is_listed_by_device(keeper: Keeper) -> None:
    listed = await ask(keeper, "quarantine")
    phone: Json = {
        "id": PHONE.hex(),
        "name": "old phone",
        "entries": 3,
        "records": 2,
        "paths": [*PATHS],
        "bytes": 900,
        "first": "1970-01-01T00:00:00+00:00",
        "last": "1970-01-01T00:00:01+00:00",
    }
    assert listed == {"devices": [phone, {**phone, "name": "tablet"}]}


async def test_it_is_accepted_by_device_or_dropped_as_a_whole(keeper: Keeper) -> None:
    accepted = await ask(keeper, "quarantine_accept", device="old phone")
    records: Json = [{"path": path, "id": record_id(path).hex()} for path in PATHS]
    assert accepted == {"entries": 3, "left": 0, "changed": 2, "records": records}
    assert await ask(keeper, "quarantine_drop") == {"entries": 3}
    assert await ask(keeper, "quarantine") == {"devices": []}
    for method in ("quarantine_accept", "quarantine_drop"):
        with pytest.raises(NoSuchDevice):
            await ask(keeper, method, device="tablet")
