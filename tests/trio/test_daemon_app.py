"""The whole tree of tasks around a node in a dictionary: start, reload, watchdog, end."""

import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from harness.fake_node import FakeNode, FakeSource
from harness.logs import json_logging, logged
from p2pvault.errors import StoreCorrupt, StoreInUse
from p2pvault.net.services import DiscoverySettings, Mode
from p2pvaultd.app import Daemon
from p2pvaultd.config import Overrides, Settings
from p2pvaultd.keeper import open_keeper
from p2pvaultd.notify import Notifier
from p2pvaultd.watchdog import answer_watchdog


@pytest.fixture(autouse=True)
def signals_restored() -> Iterator[None]:
    """The daemon gives the process's signals their default actions when it ends."""
    handlers = {number: signal.getsignal(number) for number in (1, 2, 15)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def as_json() -> Iterator[None]:
    with json_logging():
        yield


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._socket = trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    async def __aenter__(self) -> "Manager":
        await self._socket.bind(self.address)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()

    async def hear(self) -> str:
        return (await self._socket.recv(1000)).decode()

    async def hear_until(self, word: str) -> str:
        while word not in (heard := await self.hear()):
            pass
        return heard


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    async with Manager(tmp_path / "notify") as manager:
        yield manager


@pytest.fixture
def daemon(tmp_path: Path, manager: Manager) -> Daemon:
    return Daemon(
        source=FakeSource(FakeNode()),
        socket=tmp_path / "control.sock",
        config_file=tmp_path / "config.toml",
        overrides=Overrides(),
        settings=Settings(),
        log_format="json",
        notifier=Notifier(manager.address),
    )


@asynccontextmanager
async def running(daemon: Daemon) -> AsyncIterator[None]:
    """Run a daemon, and end it with SIGTERM."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.run)
        yield
        signal.raise_signal(signal.SIGTERM)


async def call(daemon: Daemon, method: str, **params: object) -> dict[str, object]:
    async with await trio.open_unix_socket(daemon.socket) as stream:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        await stream.send_all(json.dumps(request).encode() + b"\n")
        answer = json.loads(await stream.receive_some())
        assert "error" not in answer, answer
        return dict(answer["result"])


def source_of(daemon: Daemon) -> FakeSource:
    assert isinstance(daemon.source, FakeSource)
    return daemon.source


async def test_ready_is_said_when_the_control_socket_answers(
    daemon: Daemon, manager: Manager
) -> None:
    async with running(daemon):
        assert await manager.hear() == "READY=1\nSTATUS=1 of 2 other devices linked"
        assert (await call(daemon, "hello"))["pid"] == os.getpid()


async def test_a_signal_ends_it_in_order(
    daemon: Daemon, manager: Manager, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running(daemon):
        await manager.hear()
    assert await manager.hear() == "STOPPING=1\nSTATUS=stopping"
    assert source_of(daemon).closed_in_order
    assert not daemon.socket.exists()
    lines = [(line["event"], line.get("signal")) for line in logged(capfd.readouterr().err)]
    assert lines == [("ready", None), ("stopping", "SIGTERM"), ("stopped", None)]


async def test_open_callers_do_not_hold_the_end_up(daemon: Daemon, manager: Manager) -> None:
    async with running(daemon):
        await manager.hear()
        stream = await trio.open_unix_socket(daemon.socket)
        await stream.send_all(b'{"jsonrpc":"2.0","id":1,"method":"watch","params":{}}\n')
        assert await stream.receive_some()
    assert await stream.receive_some() == b""
    await stream.aclose()


async def test_without_a_vault_it_waits_and_a_vault_needs_no_restart(
    daemon: Daemon, manager: Manager
) -> None:
    daemon = replace(daemon, source=FakeSource())
    async with running(daemon):
        assert "waiting for a vault" in await manager.hear()
        await call(daemon, "init", name="laptop")
        status = await call(daemon, "status")
        assert status["device"] is not None


async def test_a_vault_that_was_made_beside_it_is_found_when_somebody_calls(
    daemon: Daemon, manager: Manager
) -> None:
    source = FakeSource()
    async with running(replace(daemon, source=source)):
        assert "waiting for a vault" in await manager.hear()
        source.node, source.fault = FakeNode(), StoreInUse("just being made")
        status = await call(daemon, "status")
        assert (status["device"], status["problems"][0]["code"]) == (None, "store_in_use")
        source.fault = None
        assert (await call(daemon, "hello"))["vault"] is True


async def test_a_store_that_does_not_open_is_not_opened_by_every_caller(
    daemon: Daemon, manager: Manager
) -> None:
    source = FakeSource()
    async with running(replace(daemon, source=source)):
        await manager.hear()
        source.node, source.fault = FakeNode(), StoreCorrupt("damaged")
        assert (await call(daemon, "hello"))["vault"] is False
        source.fault = None
        assert (await call(daemon, "hello"))["vault"] is False


async def test_a_store_that_does_not_open_ends_the_start(daemon: Daemon) -> None:
    source_of(daemon).fault = StoreCorrupt("damaged")
    with pytest.RaisesGroup(StoreCorrupt, flatten_subgroups=True):
        await daemon.run()
    assert not daemon.socket.exists()


async def test_a_reload_takes_over_what_can_change_and_names_what_cannot(
    daemon: Daemon, manager: Manager, capfd: pytest.CaptureFixture[str]
) -> None:
    text = 'listen = ":1"\n[discovery]\nmode = "off"\n[log]\nlevel = "debug"\n'
    async with running(daemon):
        await manager.hear()
        await trio.Path(daemon.config_file).write_text(text)
        signal.raise_signal(signal.SIGHUP)
        assert (await manager.hear()).startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert (await manager.hear()).startswith("READY=1")
    node = source_of(daemon).node
    assert node is not None
    assert node.discovery == DiscoverySettings(Mode.OFF)
    lines = logged(capfd.readouterr().err)
    restart = [line for line in lines if line["event"] == "setting_needs_restart"]
    assert [line["setting"] for line in restart] == ["listen"]


async def test_a_reload_of_a_wrong_file_changes_nothing(
    daemon: Daemon, manager: Manager, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running(daemon):
        await manager.hear()
        await trio.Path(daemon.config_file).write_text("[discovery]\nmode = 'loud'")
        signal.raise_signal(signal.SIGHUP)
        await manager.hear_until("READY=1")
        assert (await call(daemon, "hello"))["vault"] is True
    node = source_of(daemon).node
    assert node is not None
    assert node.discovery == DiscoverySettings()
    said = capfd.readouterr().err
    assert "settings_refused" in said
    assert "p2pvaultd: " in said
    assert "discovery.mode must be one of normal, quiet, off, not 'loud'" in said


async def test_a_bug_in_the_node_ends_the_daemon(daemon: Daemon) -> None:
    class Broken(FakeNode):
        async def status(self) -> object:  # type: ignore[override]
            raise AssertionError("a bug")

    with pytest.RaisesGroup(AssertionError, flatten_subgroups=True):
        await replace(daemon, source=FakeSource(Broken())).run()


async def test_the_watchdog_is_answered_in_half_its_time_after_the_store(
    manager: Manager, autojump_clock: trio.testing.MockClock
) -> None:
    # A clock that jumps when nothing can run must not jump while a datagram is on its way.
    autojump_clock.autojump_threshold = 0.05
    node = FakeNode()
    async with open_keeper(FakeSource(node), Settings()) as keeper, trio.open_nursery() as nursery:
        nursery.start_soon(answer_watchdog, Notifier(manager.address, 60.0), keeper)
        assert await manager.hear() == "WATCHDOG=1"
        assert node.checks == 0
        await keeper.run_existing()
        begun = trio.current_time()
        assert await manager.hear_until("WATCHDOG=1")
        assert trio.current_time() - begun == pytest.approx(30)
        assert node.checks == 1
        nursery.cancel_scope.cancel()


async def test_a_store_that_hangs_leaves_the_watchdog_unanswered(
    manager: Manager, autojump_clock: trio.testing.MockClock
) -> None:
    del autojump_clock

    class Hanging(FakeNode):
        async def check(self) -> None:
            await trio.sleep_forever()

    async with open_keeper(FakeSource(Hanging()), Settings()) as keeper:
        await keeper.run_existing()
        with trio.move_on_after(600) as silent:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(answer_watchdog, Notifier(manager.address, 60.0), keeper)
                await manager.hear()
    assert silent.cancelled_caught


async def test_a_store_that_refuses_once_delays_the_answer_and_ends_nothing(
    manager: Manager, autojump_clock: trio.testing.MockClock
) -> None:
    autojump_clock.autojump_threshold = 0.05

    class Refusing(FakeNode):
        async def check(self) -> None:
            await super().check()
            if self.checks == 1:
                raise StoreCorrupt("one bad read")

    node = Refusing()
    async with open_keeper(FakeSource(node), Settings()) as keeper, trio.open_nursery() as nursery:
        await keeper.run_existing()
        nursery.start_soon(answer_watchdog, Notifier(manager.address, 60.0), keeper)
        assert await manager.hear() == "WATCHDOG=1"
        assert node.checks == 2
        assert trio.current_time() == pytest.approx(30)
        nursery.cancel_scope.cancel()


async def test_without_a_watchdog_nothing_is_asked() -> None:
    async with open_keeper(FakeSource(), Settings()) as keeper:
        await answer_watchdog(Notifier(), keeper)
