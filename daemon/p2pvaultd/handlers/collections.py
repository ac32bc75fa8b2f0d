"""Which collections this device keeps."""

from typing import cast

from p2pvault.control.messages import Json, JsonObject
from p2pvault.limits import LIST_ROWS_MAX
from p2pvault.node.port import CollectionView
from p2pvaultd.host import Host
from p2pvaultd.methods import Methods


class CollectionHandlers:
    """`collections`, `collection_keep` and `collection_forget`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def methods(self) -> Methods:
        """Return the methods by name."""
        calls = {
            "collections": self._list,
            "collection_keep": self._keep,
            "collection_forget": self._forget,
        }
        return Methods(calls, {})

    async def _list(self, params: JsonObject) -> JsonObject:
        after = cast("str", params.get("after", ""))
        found = [each for each in await self._host.node().collections() if each.name > after]
        page = found[:LIST_ROWS_MAX]
        following = page[-1].name if len(found) > len(page) else None
        return {"collections": [_written(each) for each in page], "next": following}

    async def _keep(self, params: JsonObject) -> JsonObject:
        kept = await self._host.node().keep_collection(cast("str", params["collection"]))
        return {"collection": _written(kept)}

    async def _forget(self, params: JsonObject) -> JsonObject:
        collection, anyway = cast("str", params["collection"]), cast("bool", params["anyway"])
        forgotten = await self._host.node().forget_collection(collection, anyway=anyway)
        return {"collection": _written(forgotten)}


def _written(collection: CollectionView) -> Json:
    return {
        "name": collection.name,
        "records": collection.records,
        "whole": collection.whole,
        "seen": collection.seen,
    }
