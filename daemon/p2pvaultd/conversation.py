"""One caller on the control socket: requests in, answers and events out.

Requests are answered one after the other, in order, and streams run beside them. Everything that
a caller can make the daemon hold is bounded: the length of a line, the requests that wait, the
streams. When its connection ends, everything that it had asked for is cancelled, so an abandoned
pairing closes by itself.
"""

from contextlib import AsyncExitStack

import trio

from p2pvault.control.lines import Lines
from p2pvault.control.messages import (
    PARSE_ERROR,
    Answer,
    Failure,
    Fault,
    JsonObject,
    Notification,
    Reply,
    Request,
    decode_request,
    encode,
    fault_from,
    fault_members,
)
from p2pvault.control.schema import check_request
from p2pvault.errors import LimitExceeded, Refused, VaultError
from p2pvault.limits import CONTROL_IDLE_S, CONTROL_QUEUED_MAX, CONTROL_STREAMS_MAX, KIB
from p2pvaultd.methods import Events, Methods, Stream

_READ_BYTES = 64 * KIB
"""One read; the kernel's default buffer of a unix socket is about three times this."""


class Conversation:
    """The state of one connection. Use `converse` to run one."""

    def __init__(self, stream: trio.abc.Stream, methods: Methods, nursery: trio.Nursery) -> None:
        self._stream = stream
        self._methods = methods
        self._nursery = nursery
        self._writing = trio.Lock()
        self._quiet = trio.CancelScope()
        self._pending = 0
        self._streams = 0
        self._streams_opened = 0

    async def run(self) -> None:
        """Serve the caller until it leaves, breaks the rules, or has nothing more to say."""
        waiting, requests = trio.open_memory_channel[Request | Failure](CONTROL_QUEUED_MAX)
        self._nursery.start_soon(self._answer_in_order, requests)
        with self._quiet:
            await self._read_requests(waiting)
        self._nursery.cancel_scope.cancel()

    async def _read_requests(self, waiting: trio.MemorySendChannel[Request | Failure]) -> None:
        lines = Lines()
        while True:
            self._watch_silence()
            try:
                data = await self._stream.receive_some(_READ_BYTES)
                complete = lines.feed(bytes(data))
            except trio.BrokenResourceError:
                return
            except LimitExceeded as error:
                # Where the next line begins is not known any more.
                await self._send(Failure(None, Fault(PARSE_ERROR, str(error), error.code, "", 1)))
                return
            if not data:
                return
            for line in complete:
                self._pending += 1
                await waiting.send(decode_request(line))

    def _watch_silence(self) -> None:
        """Let the caller go after CONTROL_IDLE_S, unless it waits for something of ours."""
        busy = self._pending or self._streams
        self._quiet.deadline = float("inf") if busy else trio.current_time() + CONTROL_IDLE_S

    async def _answer_in_order(
        self, requests: trio.MemoryReceiveChannel[Request | Failure]
    ) -> None:
        async for request in requests:
            reply = request if isinstance(request, Failure) else await self._serve(request)
            if reply is not None:
                await self._answer(reply)
            self._pending -= 1
            self._watch_silence()

    async def _serve(self, request: Request) -> Reply | None:
        """Answer a request, or return None where its stream does so itself."""
        if fault := check_request(request):
            return Failure(request.id, fault)
        try:
            if (stream := self._methods.streams.get(request.method)) is not None:
                await self._start_stream(request, stream)
                return None
            return Answer(request.id, await self._methods.calls[request.method](request.params))
        except VaultError as error:
            return Failure(request.id, fault_from(error))

    async def _start_stream(self, request: Request, stream: Stream) -> None:
        if self._streams >= CONTROL_STREAMS_MAX:
            raise Refused(f"one connection has at most {CONTROL_STREAMS_MAX} streams")
        self._streams_opened += 1
        self._streams += 1
        # Waits until the request is answered, so that answers keep the order of requests.
        await self._nursery.start(self._run_stream, request, stream, self._streams_opened)

    async def _run_stream(
        self, request: Request, stream: Stream, number: int, *, task_status: trio.TaskStatus[None]
    ) -> None:
        try:
            async with AsyncExitStack() as held:
                try:
                    events = await held.enter_async_context(stream(request.params))
                except VaultError as error:
                    await self._answer(Failure(request.id, fault_from(error)))
                    task_status.started()
                    return
                await self._answer(Answer(request.id, {"stream": number}))
                task_status.started()
                await self._pass_on(number, events)
        finally:
            self._streams -= 1
            self._watch_silence()

    async def _pass_on(self, number: int, events: Events) -> None:
        last: JsonObject = {"event": "end"}
        try:
            async for event in events:
                await self._send(Notification(number, event))
        except VaultError as error:
            last = {"event": "error", "error": fault_members(fault_from(error))}
        await self._send(Notification(number, last))

    async def _answer(self, reply: Reply) -> None:
        """Send an answer; a caller that does not take it in time is let go."""
        with trio.move_on_after(CONTROL_IDLE_S) as waited:
            try:
                await self._send(reply)
            except LimitExceeded as error:
                assert isinstance(reply, Answer), "failures are short"
                await self._send(Failure(reply.id, fault_from(error)))
        if waited.cancelled_caught:
            self._nursery.cancel_scope.cancel()

    async def _send(self, reply: Reply) -> None:
        line = encode(reply)
        async with self._writing:
            try:
                await self._stream.send_all(line)
            except trio.BrokenResourceError:
                self._nursery.cancel_scope.cancel()


async def converse(stream: trio.abc.Stream, methods: Methods) -> None:
    """Serve one caller to the end of its connection, and close it."""
    async with stream, trio.open_nursery() as nursery:
        await Conversation(stream, methods, nursery).run()
