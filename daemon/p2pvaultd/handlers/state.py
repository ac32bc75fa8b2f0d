"""The daemon and its vault as a whole: who answers, how it is, and waiting for it."""

import os
from typing import cast

import trio

from p2pvault import __version__
from p2pvault.control.messages import Json, JsonObject
from p2pvault.control.schema import SCHEMA_VERSION
from p2pvault.errors import Unreachable
from p2pvault.limits import CONTROL_WAIT_S_MAX
from p2pvault.node.port import NodeStatus, PeerStatus
from p2pvaultd.handlers.words import moment, named, up_or_down
from p2pvaultd.host import Host
from p2pvaultd.methods import Methods

DEFAULT_VAULT_NAME = "home"
"""What a vault is called when nobody says; shown when a device joins it."""


class StateHandlers:
    """`hello`, `init`, `status` and `wait`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def methods(self) -> Methods:
        """Return the methods by name."""
        calls = {
            "hello": self._hello,
            "init": self._init,
            "status": self._status,
            "wait": self._wait,
        }
        return Methods(calls, {})

    async def _hello(self, params: JsonObject) -> JsonObject:
        del params
        return {
            "v": SCHEMA_VERSION,
            "version": __version__,
            "pid": os.getpid(),
            "vault": self._host.running is not None,
            "uptime_s": self._host.uptime_s,
        }

    async def _init(self, params: JsonObject) -> JsonObject:
        vault_name = cast("str", params.get("vault_name", DEFAULT_VAULT_NAME))
        node = await self._host.make_vault(cast("str", params["name"]), vault_name)
        status = await node.status()
        return {
            "vault": named(status.vault, status.vault_name),
            "device": named(status.device, status.device_name),
            "recovery_words": await node.recovery_words(),
        }

    async def _status(self, params: JsonObject) -> JsonObject:
        del params
        node = self._host.running
        return self._without_node() if node is None else _written(await node.status())

    async def _wait(self, params: JsonObject) -> JsonObject:
        seconds = cast("float", params.get("timeout_s", CONTROL_WAIT_S_MAX))
        with trio.move_on_after(seconds):
            if params["for"] == "ready":
                await (await self._host.wait_node()).wait_ready()
            else:
                await self._host.node().wait_synced(cast("str | None", params.get("device")))
            return {}
        raise Unreachable(
            f"not {params['for']} within {seconds:g} s", hint="See `p2pvault status`."
        )

    def _without_node(self) -> JsonObject:
        fault = self._host.fault
        return {
            "vault": None,
            "device": None,
            "peers": [],
            "listening": [],
            "discovery": {"mode": self._host.mode.value, "problem": None},
            "problems": [] if fault is None else [_problem(fault.code, str(fault), fault.hint)],
        }


def _written(status: NodeStatus) -> JsonObject:
    listening: list[Json] = [str(address) for address in status.listening]
    problems = [_problem(one.code, one.message, one.hint) for one in status.problems]
    return {
        "vault": {
            **named(status.vault, status.vault_name),
            "records": status.records,
            "not_kept": [*status.not_kept],
            "incomplete": [*status.incomplete],
        },
        "device": {
            **named(status.device, status.device_name),
            "role": None if status.role is None else status.role.value,
        },
        "peers": [_peer(peer) for peer in status.peers],
        "listening": listening,
        "discovery": {"mode": status.discovery_mode, "problem": status.discovery_problem},
        "problems": [*problems],
    }


def _peer(peer: PeerStatus) -> Json:
    return {
        **named(peer.device, peer.name),
        "link": up_or_down(up=peer.up),
        "address": None if peer.address is None else str(peer.address),
        "in_sync": peer.in_sync,
        "proved_s": peer.proved_s,
        "without": peer.without,
        "fetching": peer.fetching,
        "behind": peer.behind,
        "ahead": peer.ahead,
        "last_seen": None if peer.last_seen_ms is None else moment(peer.last_seen_ms),
    }


def _problem(code: str, message: str, hint: str) -> Json:
    return {"code": code, "message": message, "hint": hint}
