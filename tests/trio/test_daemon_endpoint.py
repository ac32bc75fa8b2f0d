"""The control socket as the kernel shows it: real sockets, real modes, real uids."""

import json
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from p2pvault.control.home import short_path
from p2pvault.control.messages import JsonObject
from p2pvault.errors import ConfigError, StoreInUse
from p2pvault.limits import CONTROL_CALLERS_MAX
from p2pvaultd.endpoint import open_endpoint, serve_callers
from p2pvaultd.methods import Methods

HELLO = b'{"jsonrpc":"2.0","id":1,"method":"hello"}\n'


async def hello(params: JsonObject) -> JsonObject:
    await trio.lowlevel.checkpoint()
    return params


async def methods() -> Methods:
    await trio.lowlevel.checkpoint()
    return Methods({"hello": hello}, {})


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[None]:
    with open_endpoint(path) as listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_callers, listener, methods)
            yield
            nursery.cancel_scope.cancel()


async def call(path: Path) -> tuple[trio.SocketStream, dict[str, object]]:
    with short_path(path) as name:
        stream = await trio.open_unix_socket(name)
    await stream.send_all(HELLO)
    return stream, json.loads(await stream.receive_some())


async def test_l1_only_the_owner_can_reach_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "home" / "control.sock"
    async with serving(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        stream, answer = await call(path)
        await stream.aclose()
    assert answer["result"] == {}


async def test_the_socket_goes_with_its_daemon(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path):
        assert path.exists()
    assert not path.exists()


def test_a_socket_that_cannot_be_removed_does_not_spoil_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run" / "control.sock"
    with open_endpoint(path):
        path.rename(path.with_name("elsewhere"))
        path.mkdir()
    assert path.is_dir()


async def test_a_long_home_works(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30) / "control.sock"
    async with serving(path):
        stream, answer = await call(path)
        await stream.aclose()
    assert answer["result"] == {}


async def test_the_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(path):
        stream, answer = await call(path)
        await stream.aclose()
    assert answer["result"] == {}


async def test_a_living_daemon_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path):
        with pytest.raises(StoreInUse, match="another daemon answers"), open_endpoint(path):
            pass
        stream, answer = await call(path)
        await stream.aclose()
    assert answer["result"] == {}


def test_l2_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with (
        pytest.raises(ConfigError, match="can be written"),
        open_endpoint(tmp_path / "control.sock"),
    ):
        pass


async def test_l2_a_path_that_cannot_be_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be listened on"):
        async with serving(tmp_path / ("x" * 250 + ".sock")):
            pass
    (tmp_path / "control.sock").mkdir()
    with (
        pytest.raises(ConfigError, match="cannot be listened on"),
        open_endpoint(tmp_path / "control.sock"),
    ):
        pass


async def test_l8_one_caller_too_many_is_told_so_and_room_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path):
        streams = [(await call(path))[0] for _ in range(CONTROL_CALLERS_MAX)]
        async with await trio.open_unix_socket(path) as refused:
            answer = json.loads(await refused.receive_some())
        assert answer["error"]["data"]["code"] == "refused"
        await streams.pop().aclose()
        answer = {"error": {}}
        while "error" in answer:
            with trio.fail_after(10):
                stream, answer = await call_or_error(path)
                await stream.aclose()
        for stream in streams:
            await stream.aclose()
    assert answer == {"jsonrpc": "2.0", "id": 1, "result": {}}


async def call_or_error(path: Path) -> tuple[trio.SocketStream, dict[str, object]]:
    stream = await trio.open_unix_socket(path)
    try:
        await stream.send_all(HELLO)
    except trio.BrokenResourceError:
        return stream, {"error": {}}
    return stream, json.loads(await stream.receive_some() or b'{"error": {}}')


FOREIGNER = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
caller = socket.socket(socket.AF_UNIX)
caller.connect(sys.argv[1])
try:
    caller.sendall(b'{"jsonrpc":"2.0","id":1,"method":"hello"}\\n')
    print(caller.recv(100))
except (BrokenPipeError, ConnectionResetError):
    print(b"")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can call as another user")
async def test_l1_another_user_is_hung_up_on_even_where_the_modes_let_it_in(tmp_path: Path) -> None:
    # Below /tmp itself, since pytest's own directories are closed to other users.
    path = Path("/tmp") / f"p2pvault-test-{os.getpid()}" / "control.sock"
    async with serving(path):
        path.parent.chmod(0o755)
        path.chmod(0o666)
        arguments = [sys.executable, "-I", "-c", FOREIGNER, str(path)]
        done = await trio.run_process(arguments, capture_stdout=True)
        stream, answer = await call(path)
        await stream.aclose()
    for left in path.parent.iterdir():
        left.unlink()
    path.parent.rmdir()
    assert done.stdout == b"b''\n"
    assert answer["result"] == {}
