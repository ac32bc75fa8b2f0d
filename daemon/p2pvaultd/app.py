"""Puts the daemon together: endpoint, node, signals and service manager in one tree of tasks.

An error that is nobody's fault but ours ends the whole tree, loudly. What a link, a peer, a
caller or a network does never gets that far: each ends its own branch below.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

import structlog
import trio

from p2pvault import __version__
from p2pvault.errors import VaultError
from p2pvaultd.complaint import complain
from p2pvaultd.config import Overrides, Settings, load_settings, needs_restart
from p2pvaultd.endpoint import open_endpoint, serve_callers
from p2pvaultd.handlers.table import methods_of
from p2pvaultd.keeper import Keeper, open_keeper
from p2pvaultd.logging import configure_logging
from p2pvaultd.methods import Methods
from p2pvaultd.notify import Notifier
from p2pvaultd.signals import watch_signals
from p2pvaultd.source import NodeSource
from p2pvaultd.watchdog import answer_watchdog, describe

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Daemon:
    """All that one daemon is made of.

    Attributes:
        source: Where its node comes from.
        socket: The control socket.
        config_file: What SIGHUP reads again.
        overrides: What the command line said; wins over the file, at a reload too.
        settings: Both together, as they were at the start.
        log_format: How log lines look.
        notifier: The way to the service manager.
    """

    source: NodeSource
    socket: Path
    config_file: Path
    overrides: Overrides
    settings: Settings
    log_format: str
    notifier: Notifier

    async def run(self) -> None:
        """Serve until a signal says stop.

        Raises:
            VaultError: The daemon cannot start, perhaps in a group of exceptions.
        """
        with open_endpoint(self.socket) as listener:
            async with open_keeper(self.source, self.settings) as keeper:
                await self._serve(listener, keeper)
        _log.info("stopped")

    async def _serve(self, listener: trio.SocketListener, keeper: Keeper) -> None:
        """Serve until a signal says stop; the node runs on when this returns."""
        async with trio.open_nursery() as nursery:
            turn = trio.Lock()

            async def reload() -> None:
                async with turn:
                    await self._reload(keeper)

            async def methods() -> Methods:
                await keeper.look_again()
                return methods_of(keeper)

            def stop(number: Signals) -> None:
                _log.info("stopping", signal=number.name)
                self.notifier.stopping()
                nursery.cancel_scope.cancel()

            await nursery.start(watch_signals, reload, stop)
            await keeper.run_existing()
            nursery.start_soon(serve_callers, listener, methods)
            nursery.start_soon(answer_watchdog, self.notifier, keeper)
            # Before any network is looked at: discovery goes on in the background.
            self.notifier.ready(await describe(keeper))
            _log.info("ready", version=__version__, pid=os.getpid())

    async def _reload(self, keeper: Keeper) -> None:
        self.notifier.reloading()
        try:
            settings = load_settings(self.config_file, self.overrides)
            for setting in needs_restart(self.settings, settings):
                _log.warning("setting_needs_restart", setting=setting)
            configure_logging(settings.log_level, self.log_format)
            await keeper.change_settings(settings)
            _log.info("settings_reloaded")
        except VaultError as error:
            _log.warning("settings_refused", error=error.code)
            complain(error)
        self.notifier.ready(await describe(keeper))
