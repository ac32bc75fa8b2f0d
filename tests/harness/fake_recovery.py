"""The part of the fake daemon that knows a recovery key, and devices that are outside."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.fake_state import FakeState, fake_id
from p2pvault.control.messages import JsonObject
from p2pvault.errors import (
    BadRecoveryWords,
    NoRecoveryWords,
    NoSuchDevice,
    NoVault,
    VaultExists,
)

RECOVERY_WORDS = "abandon " * 23 + "art"
"""What every fake vault is recovered with."""


@dataclass
class FakeKey:
    """What the fake daemon knows of it.

    Attributes:
        kept: Whether this device still keeps the words.
        uses: The parameters of each use.
        suspended: Devices that are suspended.
        fallen: Devices that a removed one let in.
    """

    kept: bool = True
    uses: list[JsonObject] = field(default_factory=list)
    suspended: list[JsonObject] = field(default_factory=list)
    fallen: list[JsonObject] = field(default_factory=list)


class FakeRecovery:
    """The methods about it."""

    key: FakeKey
    state: FakeState
    _emit: Callable[..., None]

    def do_recovery_show(self, _: object) -> JsonObject:
        if not self.key.kept:
            raise NoRecoveryWords("this device does not keep the words of the recovery key")
        return {"words": RECOVERY_WORDS}

    def do_recovery_forget(self, _: object) -> JsonObject:
        self.key.kept = False
        return {}

    def do_recovery_use(self, _: object, **params: object) -> JsonObject:
        if params["words"] != RECOVERY_WORDS:
            raise BadRecoveryWords("these words do not belong together")
        self.key.uses.append(params)  # type: ignore[arg-type]  # they came as JSON
        return {"device": {"id": "61" * 32, "name": "laptop"}}

    def do_recovery_from(self, connection: Any, **params: Any) -> JsonObject:
        if self.state.vault is not None:
            raise VaultExists("this device has a vault already")
        if params["words"] != RECOVERY_WORDS:
            raise BadRecoveryWords("these words do not belong together")
        self.key.uses.append(params)
        if not Path(params["directory"]).is_dir():
            raise NoVault(f"there is no vault in {params['directory']}")
        named: JsonObject = {"id": fake_id(params["name"]), "name": params["name"]}
        self.state.vault = {"id": fake_id("home"), "name": "home"}
        self.state.device = {**named, "role": "admin"}
        removed = [*params["lost"], *([] if params["alive"] else ["old laptop"])]
        stream = connection.open_stream()
        progress = {"event": "progress", "part": "copied records", "done": 1, "total": 1}
        taken: JsonObject = {"event": "taken_over", "vault": dict(self.state.vault)}
        taken |= {"device": named, "removed": removed}
        self._emit(connection, stream, progress, taken, {"event": "end"})
        return {"stream": stream}

    def do_device_reinstate(self, _: object, device: str) -> JsonObject:
        for known in self.key.suspended:
            if device == known["name"]:
                self.key.suspended.remove(known)
                return {"device": known}
        raise NoSuchDevice(f"no device of this vault is called {device}")
