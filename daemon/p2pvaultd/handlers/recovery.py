"""The recovery key. What is asked here and answered is in no log."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import cast

from p2pvault.control.messages import JsonObject
from p2pvault.control.takeover import wanted, written
from p2pvault.errors import VaultError
from p2pvault.node.port import RecoveryDecision, TakeoverEvent, VaultTakenOver
from p2pvaultd.handlers.words import named
from p2pvaultd.host import Host
from p2pvaultd.methods import Events, Methods


class RecoveryHandlers:
    """`recovery_show`, `recovery_forget`, `recovery_use` and `recovery_from`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def methods(self) -> Methods:
        """Return the methods by name."""
        calls = {
            "recovery_show": self._show,
            "recovery_forget": self._forget,
            "recovery_use": self._use,
        }
        return Methods(calls, {"recovery_from": self._from})

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

    @asynccontextmanager
    async def _from(self, params: JsonObject) -> AsyncIterator[Events]:
        backup = Path(cast("str", params["directory"]))
        async with AsyncExitStack() as held:
            news = await held.enter_async_context(self._host.take_over(backup, wanted(params)))
            async with aclosing(self._followed(news, held)) as events:
                yield events

    async def _followed(
        self, news: AsyncGenerator[TakeoverEvent, None], held: AsyncExitStack
    ) -> Events:
        try:
            async for event in news:
                if isinstance(event, VaultTakenOver):
                    await self._host.run_existing()
                yield written(event)
        except VaultError:
            # Whoever is told may begin anew at once, which needs that this has ended.
            await held.aclose()
            raise
