"""A takeover as JSON, both ways: for the daemon, and for the command line where none runs."""

from collections.abc import Mapping
from typing import assert_never, cast

from p2pvault.control.messages import Json, JsonObject
from p2pvault.core.takeover import Takeover
from p2pvault.node.port import Progress, TakeoverEvent, VaultTakenOver
from p2pvault.protocol.recovery_words import read_words


def wanted(params: Mapping[str, Json]) -> Takeover:
    """Return what the parameters of `recovery_from` ask for; the schema has checked them.

    Raises:
        BadRecoveryWords: The words are no recovery key.
    """
    return Takeover(
        seed=read_words(cast("str", params["words"])),
        name=cast("str", params["name"]),
        lost=tuple(cast("list[str]", params["lost"])),
        all_others=cast("bool", params["all_others"]),
        restored=tuple(cast("list[str]", params["restored"])),
        alive=cast("bool", params["alive"]),
    )


def written(event: TakeoverEvent) -> JsonObject:
    """Return an event as the schema has it."""
    match event:
        case Progress(part, done, total):
            return {"event": "progress", "part": part, "done": done, "total": total}
        case VaultTakenOver():
            vault: JsonObject = {"id": event.vault.hex(), "name": event.vault_name}
            device: JsonObject = {"id": event.device.hex(), "name": event.device_name}
            removed: list[Json] = [*event.removed]
            return {"event": "taken_over", "vault": vault, "device": device, "removed": removed}
        case _:
            assert_never(event)
