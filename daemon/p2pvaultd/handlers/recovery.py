"""The recovery key. What is asked here and answered is in no log."""

from typing import cast

from p2pvault.control.messages import JsonObject
from p2pvault.node.port import RecoveryDecision
from p2pvaultd.handlers.words import named
from p2pvaultd.host import Host
from p2pvaultd.methods import Methods


class RecoveryHandlers:
    """`recovery_show`, `recovery_forget` and `recovery_use`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def methods(self) -> Methods:
        """Return the methods by name."""
        calls = {
            "recovery_show": self._show,
            "recovery_forget": self._forget,
            "recovery_use": self._use,
        }
        return Methods(calls, {})

    async def _show(self, params: JsonObject) -> JsonObject:
        del params
        return {"words": await self._host.node().recovery_words()}

    async def _forget(self, params: JsonObject) -> JsonObject:
        del params
        await self._host.node().forget_recovery()
        return {}

    async def _use(self, params: JsonObject) -> JsonObject:
        decision = RecoveryDecision(
            lost=tuple(cast("list[str]", params["lost"])),
            all_others=cast("bool", params["all_others"]),
            restored=tuple(cast("list[str]", params["restored"])),
        )
        here = await self._host.node().recover(cast("str", params["words"]), decision)
        return {"device": named(here.device, here.name)}
