"""Reading, writing and watching records."""

import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import cast

import trio

from p2pvault.control.messages import Json, JsonObject
from p2pvault.core.asks import Edit, FieldPath
from p2pvault.core.io import Edited
from p2pvault.crdt.values import Plain, Value, from_plain, plain
from p2pvault.errors import BadValue, NoSuchRecord
from p2pvault.limits import LIST_ROWS_MAX
from p2pvault.node.port import ChangeEvent, MissedEvents, RecordView
from p2pvaultd.handlers.words import named
from p2pvaultd.host import Host
from p2pvaultd.methods import Events, Methods


class RecordHandlers:
    """`get`, `set`, `set_many`, `ls`, `rm` and `watch`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def methods(self) -> Methods:
        """Return the methods by name."""
        calls = {
            "get": self._get,
            "set": self._set,
            "set_many": self._set_many,
            "ls": self._ls,
            "rm": self._rm,
        }
        return Methods(calls, {"watch": self._watch})

    async def _get(self, params: JsonObject) -> JsonObject:
        record = await self._host.node().get(_text(params["path"]))
        value = dict(record.value) if "field" not in params else _field(record, params["field"])
        return {"path": record.path, "id": record.id.hex(), "value": plain(value)}

    async def _set(self, params: JsonObject) -> JsonObject:
        puts = cast("list[tuple[list[str], Plain]]", params["puts"])
        deletes = cast("list[list[str]]", params["deletes"])
        edit = Edit(
            _text(params["path"]),
            puts=[(tuple(steps), from_plain(value)) for steps, value in puts],
            deletes=[tuple(steps) for steps in deletes],
        )
        (edited,) = await self._host.node().edit([edit])
        changed: JsonObject = {"created": edited.created, "fields": [*edited.fields]}
        return {**_record(edited), **changed}

    async def _set_many(self, params: JsonObject) -> JsonObject:
        records = cast("list[dict[str, Plain]]", params["records"])
        node = self._host.node()
        edited = await node.edit([_edit_of(record) for record in records])
        return {"records": len(edited), "changed": sum(_has_changed(one) for one in edited)}

    async def _ls(self, params: JsonObject) -> JsonObject:
        listing = await self._host.node().rows(
            cast("str | None", params.get("collection")),
            cast("str | None", params.get("after")),
            cast("int", params.get("limit", LIST_ROWS_MAX)),
        )
        rows: list[Json] = [{"path": path, "id": record.hex()} for record, path in listing.rows]
        return {"rows": rows, "next": listing.next}

    async def _rm(self, params: JsonObject) -> JsonObject:
        (edited,) = await self._host.node().edit([Edit(_text(params["path"]), remove=True)])
        return _record(edited)

    @asynccontextmanager
    async def _watch(self, params: JsonObject) -> AsyncIterator[Events]:
        selector = cast("str | None", params.get("path"))
        async with (
            self._host.node().watch(selector) as changes,
            aclosing(_follow(changes)) as events,
        ):
            yield events


async def _follow(changes: trio.MemoryReceiveChannel[ChangeEvent | MissedEvents]) -> Events:
    async for change in changes:
        yield _written(change)


def _written(change: ChangeEvent | MissedEvents) -> JsonObject:
    if isinstance(change, MissedEvents):
        return {"event": "missed", "count": change.count}
    return {
        "event": "change",
        "path": change.path,
        "id": change.id.hex(),
        "device": named(change.device, change.device_name),
        "fields": [*change.fields],
        "kind": change.kind,
    }


def _edit_of(record: dict[str, Plain]) -> Edit:
    path, value = _text(record["path"]), from_plain(record["value"])
    if not isinstance(value, dict):
        raise BadValue(f"the value for {path} must be a map of fields")
    return Edit(path, puts=[((name,), item) for name, item in value.items()])


def _field(record: RecordView, dotted: Json) -> Value:
    """Look a field up by its name, or by the names of the maps on the way with dots between."""
    found: Value = dict(record.value)
    for step in _steps(record.value, _text(dotted)):
        if not isinstance(found, dict) or step not in found:
            raise NoSuchRecord(
                f"{record.path} has no field “{dotted}”",
                hint=f"`{shlex.join(['p2pvault', 'get', record.path])}` shows its fields.",
            )
        found = found[step]
    return found


def _steps(fields: Mapping[str, Value], dotted: str) -> FieldPath:
    # A name may contain dots itself; `set_many` takes any name.
    return (dotted,) if dotted in fields else tuple(dotted.split("."))


def _record(edited: Edited) -> JsonObject:
    return {"path": edited.path, "id": edited.id.hex()}


def _has_changed(edited: Edited) -> bool:
    return edited.created or bool(edited.fields)


def _text(value: object) -> str:
    assert isinstance(value, str), "the schema says so"
    return value
