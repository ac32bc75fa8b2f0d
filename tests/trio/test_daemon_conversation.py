"""One caller on memory streams, under a clock that jumps."""

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
import trio
import trio.testing

from p2pvault.control.messages import JsonObject
from p2pvault.errors import NoSuchRecord, Refused, StoreFull
from p2pvault.limits import CONTROL_IDLE_S, CONTROL_LINE_BYTES_MAX, CONTROL_STREAMS_MAX
from p2pvaultd.conversation import converse
from p2pvaultd.methods import Events, Methods

ODD_HOME = os.fsdecode(b"/home/caf\xe9")
"""The name of a directory need not be text."""


class Caller:
    """A program on the other end, line by line."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._rest = b""

    async def ask(self, method: str, params: JsonObject | None = None, number: int = 1) -> None:
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}
        await self.stream.send_all(json.dumps(request).encode() + b"\n")

    async def hear(self) -> dict[str, object] | None:
        """Return the next message, or None when the daemon hung up."""
        while b"\n" not in self._rest:
            data = await self.stream.receive_some()
            if not data:
                return None
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        message = json.loads(line)
        assert message.pop("jsonrpc") == "2.0"
        return dict(message)


class Daemon:
    """Handlers whose steps a test can follow."""

    def __init__(self) -> None:
        self.open_streams = 0
        self.released = trio.Event()
        self.blocked = trio.Event()

    async def hello(self, params: JsonObject) -> JsonObject:
        await trio.lowlevel.checkpoint()
        return dict(params) | {"pid": 7}

    async def get(self, params: JsonObject) -> JsonObject:
        await trio.lowlevel.checkpoint()
        if params["path"] == "big/one":
            return {"value": "x" * CONTROL_LINE_BYTES_MAX}
        if params["path"] == "full/disk":
            raise StoreFull(f"{ODD_HOME}/vault.db: the disk is full")
        if params["path"] == "odd/home":
            return {"value": ODD_HOME}
        raise NoSuchRecord("there is no such record")

    async def wait(self, params: JsonObject) -> JsonObject:
        del params
        self.blocked.set()
        await self.released.wait()
        return {}

    async def devices(self, params: JsonObject) -> JsonObject:
        raise AssertionError(f"a bug in the handler of {params}")

    @asynccontextmanager
    async def watch(self, params: JsonObject) -> AsyncIterator[Events]:
        if params.get("path") == "not/there":
            raise NoSuchRecord("there is no such record")
        self.open_streams += 1
        try:
            async with aclosing(self._events(params)) as events:
                yield events
        finally:
            self.open_streams -= 1

    async def _events(self, params: JsonObject) -> AsyncGenerator[JsonObject, None]:
        yield {"event": "change", "n": 1}
        if params.get("path") == "breaks/down":
            raise Refused("no more")
        if params.get("path") == "odd/home":
            yield {"event": "finding", "what": ODD_HOME}
        await self.released.wait()
        yield {"event": "change", "n": 2}

    def methods(self) -> Methods:
        calls = {"hello": self.hello, "get": self.get, "wait": self.wait, "devices": self.devices}
        return Methods(calls, {"watch": self.watch})


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
async def caller(daemon: Daemon, nursery: trio.Nursery) -> Caller:
    ours, theirs = trio.testing.memory_stream_pair()
    nursery.start_soon(converse, theirs, daemon.methods())
    return Caller(ours)


CHANGE = {"event": "change"}


async def test_a_path_that_is_no_text_is_spelled_out_and_the_conversation_goes_on(
    caller: Caller,
) -> None:
    await caller.ask("get", {"path": "full/disk"}, 1)
    refused = await caller.hear()
    assert refused is not None
    assert "/home/caf\\udce9/vault.db: the disk is full" in str(refused["error"]["message"])
    await caller.ask("get", {"path": "odd/home"}, 2)
    assert await caller.hear() == {"id": 2, "result": {"value": "/home/caf\\udce9"}}
    await caller.ask("watch", {"path": "odd/home"}, 3)
    assert [await caller.hear() for _ in range(3)][2] == {
        "method": "event",
        "params": {"stream": 1, "event": {"event": "finding", "what": "/home/caf\\udce9"}},
    }


async def test_requests_are_answered_in_order(caller: Caller) -> None:
    for number in range(40):
        await caller.ask("hello", number=number)
    answers = [await caller.hear() for _ in range(40)]
    assert answers == [{"id": number, "result": {"pid": 7}} for number in range(40)]


@pytest.mark.parametrize(
    ("line", "number", "code"),
    [
        (b"{nonsense\n", None, -32700),
        (b'{"jsonrpc":"2.0","method":"hello"}\n', None, -32600),
        (b'{"jsonrpc":"2.0","id":3,"method":"frobnicate"}\n', 3, -32601),
        (b'{"jsonrpc":"2.0","id":3,"method":"get","params":{"path":1}}\n', 3, -32602),
    ],
)
async def test_a_wrong_request_is_answered_and_the_conversation_goes_on(
    caller: Caller, line: bytes, number: int | None, code: int
) -> None:
    await caller.stream.send_all(line)
    answer = await caller.hear()
    assert answer is not None
    assert answer["id"] == number
    error = answer["error"]
    assert isinstance(error, dict)
    assert error["code"] == code
    await caller.ask("hello")
    assert await caller.hear() == {"id": 1, "result": {"pid": 7}}


async def test_an_error_of_the_vault_travels_with_code_hint_and_exit_code(caller: Caller) -> None:
    await caller.ask("get", {"path": "a/b"})
    data = {"code": "not_found", "hint": NoSuchRecord.hint, "exit_code": 5}
    error = {"code": -32000, "message": "there is no such record", "data": data}
    assert await caller.hear() == {"id": 1, "error": error}


async def test_an_answer_that_is_too_large_becomes_an_error(caller: Caller) -> None:
    await caller.ask("get", {"path": "big/one"})
    answer = await caller.hear()
    assert answer is not None
    assert "error" in answer
    assert "result" not in answer


async def test_a_stream_is_announced_carries_events_and_ends(
    caller: Caller, daemon: Daemon
) -> None:
    await caller.ask("watch")
    assert await caller.hear() == {"id": 1, "result": {"stream": 1}}
    first = {"stream": 1, "event": {"event": "change", "n": 1}}
    assert await caller.hear() == {"method": "event", "params": first}
    daemon.released.set()
    second = {"stream": 1, "event": {"event": "change", "n": 2}}
    assert await caller.hear() == {"method": "event", "params": second}
    end = {"stream": 1, "event": {"event": "end"}}
    assert await caller.hear() == {"method": "event", "params": end}
    await trio.testing.wait_all_tasks_blocked()
    assert daemon.open_streams == 0


async def test_calls_are_answered_while_a_stream_is_open(caller: Caller) -> None:
    await caller.ask("watch")
    await caller.hear()
    await caller.hear()
    await caller.ask("hello", number=2)
    assert await caller.hear() == {"id": 2, "result": {"pid": 7}}


async def test_a_stream_that_cannot_be_opened_is_an_error_answer(caller: Caller) -> None:
    await caller.ask("watch", {"path": "not/there"})
    answer = await caller.hear()
    assert answer is not None
    assert "error" in answer
    await caller.ask("hello", number=2)
    assert await caller.hear() == {"id": 2, "result": {"pid": 7}}


async def test_a_stream_that_breaks_ends_with_an_error_event(
    caller: Caller, daemon: Daemon
) -> None:
    await caller.ask("watch", {"path": "breaks/down"})
    await caller.hear()
    await caller.hear()
    error = {"code": "refused", "message": "no more", "hint": "", "exit_code": 8}
    last = {"stream": 1, "event": {"event": "error", "error": error}}
    assert await caller.hear() == {"method": "event", "params": last}
    await trio.testing.wait_all_tasks_blocked()
    assert daemon.open_streams == 0


async def test_a_caller_has_a_bounded_number_of_streams(caller: Caller) -> None:
    for number in range(CONTROL_STREAMS_MAX):
        await caller.ask("watch", number=number)
        await caller.hear()
        await caller.hear()
    await caller.ask("watch", number=99)
    answer = await caller.hear()
    assert answer is not None
    assert answer["id"] == 99
    assert "error" in answer


async def test_hanging_up_ends_streams_and_waits(caller: Caller, daemon: Daemon) -> None:
    await caller.ask("watch")
    await caller.ask("wait", {"for": "ready"})
    await daemon.blocked.wait()
    await caller.stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert daemon.open_streams == 0


@pytest.mark.parametrize("silence", ["nothing", "half a line", "one call"])
async def test_l8_a_silent_caller_is_let_go(
    caller: Caller, autojump_clock: trio.testing.MockClock, silence: str
) -> None:
    del autojump_clock
    if silence == "half a line":
        await caller.stream.send_all(b'{"jsonrpc":')
    if silence == "one call":
        await caller.ask("hello")
        assert await caller.hear()
    begun = trio.current_time()
    assert await caller.hear() is None
    assert trio.current_time() - begun == pytest.approx(CONTROL_IDLE_S)


@pytest.mark.parametrize(("method", "params"), [("watch", {}), ("wait", {"for": "ready"})])
async def test_a_caller_that_waits_for_something_is_not_let_go(
    caller: Caller,
    daemon: Daemon,
    autojump_clock: trio.testing.MockClock,
    method: str,
    params: JsonObject,
) -> None:
    del autojump_clock
    await caller.ask(method, params)
    await trio.sleep(100 * CONTROL_IDLE_S)
    daemon.released.set()
    await caller.ask("hello", number=2)
    heard = [await caller.hear() for _ in range(2)]
    assert None not in heard


async def test_l8_a_line_without_an_end_is_refused_and_the_caller_let_go(caller: Caller) -> None:
    await caller.stream.send_all(b"x" * (CONTROL_LINE_BYTES_MAX + 1))
    answer = await caller.hear()
    assert answer is not None
    assert "error" in answer
    assert await caller.hear() is None


async def test_a_caller_that_does_not_take_its_answer_is_let_go(
    daemon: Daemon, autojump_clock: trio.testing.MockClock
) -> None:
    del autojump_clock
    ours, theirs = trio.testing.lockstep_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, theirs, daemon.methods())
        await Caller(ours).ask("hello")
    assert trio.current_time() >= CONTROL_IDLE_S


async def test_a_caller_that_reads_no_more_while_a_stream_is_open_waits(
    daemon: Daemon, autojump_clock: trio.testing.MockClock
) -> None:
    del autojump_clock
    ours, theirs = trio.testing.lockstep_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, theirs, daemon.methods())
        caller = Caller(ours)
        await caller.ask("watch")
        assert await caller.hear() == {"id": 1, "result": {"stream": 1}}
        await trio.sleep(100 * CONTROL_IDLE_S)
        assert daemon.open_streams == 1
        assert await caller.hear() is not None
        await ours.aclose()


async def test_a_bug_in_a_handler_is_not_swallowed(daemon: Daemon) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    await Caller(ours).ask("devices")
    with pytest.RaisesGroup(AssertionError, flatten_subgroups=True):
        await converse(theirs, daemon.methods())
