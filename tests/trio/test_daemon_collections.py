"""The methods about collections, in and out, against the schema and a node in a dictionary."""

from collections.abc import AsyncIterator

import pytest

from harness.fake_node import FakeNode, FakeSource
from harness.handlers import ask
from p2pvault.control.messages import Json
from p2pvault.errors import OnlyHere
from p2pvault.limits import LIST_ROWS_MAX
from p2pvaultd.config import Settings
from p2pvaultd.keeper import Keeper, open_keeper


@pytest.fixture
def node() -> FakeNode:
    return FakeNode(records={"contacts/ada": {}, "notes/one": {}})


@pytest.fixture
async def keeper(node: FakeNode) -> AsyncIterator[Keeper]:
    async with open_keeper(FakeSource(node), Settings()) as keeper:
        await keeper.run_existing()
        yield keeper


async def test_a_collection_is_forgotten_listed_and_kept_again(keeper: Keeper) -> None:
    with pytest.raises(OnlyHere):
        await ask(keeper, "collection_forget", collection="notes", anyway=False)
    contacts: Json = {"name": "contacts", "records": 1, "whole": True, "seen": True}
    notes: Json = {"name": "notes", "records": None, "whole": False, "seen": True}
    forgotten = await ask(keeper, "collection_forget", collection="notes", anyway=True)
    assert forgotten == {"collection": notes}
    assert await ask(keeper, "collections") == {"collections": [contacts, notes], "next": None}
    assert await ask(keeper, "collections", after="contacts") == {
        "collections": [notes],
        "next": None,
    }
    kept = await ask(keeper, "collection_keep", collection="notes")
    listed = await ask(keeper, "collections")
    assert listed["collections"][1] == {**notes, "records": 1, "whole": True}
    assert kept == {"collection": listed["collections"][1]}


async def test_many_collections_come_in_pages(keeper: Keeper, node: FakeNode) -> None:
    node.records |= {f"c{number:05}/x": {} for number in range(LIST_ROWS_MAX)}
    first = await ask(keeper, "collections")
    assert len(first["collections"]) == LIST_ROWS_MAX
    rest = await ask(keeper, "collections", after=first["next"])
    assert [each["name"] for each in rest["collections"]] == ["contacts", "notes"]
    assert rest["next"] is None
