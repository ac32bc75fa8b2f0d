"""What is in quarantine, and what the person decides about it."""

from typing import cast

from p2pvault.control.messages import Json, JsonObject
from p2pvault.node.port import QuarantinedDevice
from p2pvaultd.handlers.words import moment, named
from p2pvaultd.host import Host
from p2pvaultd.methods import Methods


class QuarantineHandlers:
    """`quarantine`, `quarantine_accept` and `quarantine_drop`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def methods(self) -> Methods:
        """Return the methods by name."""
        calls = {
            "quarantine": self._list,
            "quarantine_accept": self._accept,
            "quarantine_drop": self._drop,
        }
        return Methods(calls, {})

    async def _list(self, params: JsonObject) -> JsonObject:
        del params
        return {"devices": [_device(each) for each in await self._host.node().quarantine()]}

    async def _accept(self, params: JsonObject) -> JsonObject:
        device = cast("str | None", params.get("device"))
        settled = await self._host.node().settle_quarantine(device, repeat=True)
        records: list[Json] = [
            {"path": edited.path, "id": edited.id.hex()} for edited in settled.edited
        ]
        return {"entries": settled.settled, "left": settled.left, "records": records}

    async def _drop(self, params: JsonObject) -> JsonObject:
        device = cast("str | None", params.get("device"))
        settled = await self._host.node().settle_quarantine(device, repeat=False)
        return {"entries": settled.settled}


def _device(quarantined: QuarantinedDevice) -> Json:
    return {
        **named(quarantined.device, quarantined.name),
        "entries": quarantined.entries,
        "records": quarantined.records,
        "paths": [*quarantined.paths],
        "bytes": quarantined.size,
        "first": moment(quarantined.first_ms),
        "last": moment(quarantined.last_ms),
    }
