"""The command line's end of the control socket: one blocking connection.

Plain `socket`, so that a command starts in a few dozen milliseconds. Every failure to reach the
daemon is a `DaemonUnreachable`; what the daemon itself refuses is raised as its own error.
"""

import os
import select
import shlex
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from typing import Final, Self

from p2pvault.control.home import Home, short_path
from p2pvault.control.lines import Lines
from p2pvault.control.messages import (
    Answer,
    Failure,
    Json,
    JsonObject,
    Notification,
    Reply,
    Request,
    decode_reply,
    encode,
    error_from,
    read_fault_members,
)
from p2pvault.errors import ConfigError, DaemonUnreachable, MalformedMessage
from p2pvault.limits import CONTROL_ANSWER_S, CONTROL_START_S

_READ_BYTES: Final = 65_536
_RETRY_S: Final = 0.05
"""Between attempts to reach a daemon that may be starting; too short to be noticed."""


class Caller:
    """One connection to a running daemon. A context manager; closing it ends its streams.

    Args:
        connection: A connected stream socket, owned from now on.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._lines = Lines()
        self._replies: deque[Reply] = deque()
        self._events: deque[Notification] = deque()
        self._last_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, method: str, /, **params: Json) -> JsonObject:
        """Ask for one thing and wait for the answer; events of open streams are kept meanwhile.

        The answer may take `CONTROL_ANSWER_S`, and the call's own `timeout_s` on top.

        Args:
            method: A name in `schema.METHODS`.
            **params: Its parameters.

        Returns:
            The result.

        Raises:
            VaultError: What the daemon answered, as its own class.
            DaemonUnreachable: The connection ended, or no answer came in time.
        """
        self._last_id += 1
        self._send(encode(Request(self._last_id, method, params)))
        own = params.get("timeout_s")
        self._socket.settimeout(CONTROL_ANSWER_S + (own if isinstance(own, float) else 0.0))
        while True:
            reply = self._receive()
            if isinstance(reply, Notification):
                self._events.append(reply)
            elif isinstance(reply, Failure):
                raise error_from(reply.fault)
            elif reply.id == self._last_id:
                return reply.result
            else:
                raise MalformedMessage(f"the daemon answered call {reply.id}, which is not open")

    def stream(self, method: str, /, **params: Json) -> Iterator[JsonObject]:
        """Open a stream at once and iterate over its events; `call` works in between.

        Args:
            method: A name in `schema.METHODS` that opens a stream.
            **params: Its parameters.

        Returns:
            Each event without the final `end`.

        Raises:
            VaultError: What the daemon answered, or what ended the stream.
            DaemonUnreachable: The connection ended.
        """
        number = self.call(method, **params).get("stream")
        if type(number) is not int:
            raise MalformedMessage(f"the daemon opened no stream for {method}")
        return self._follow(number)

    def silent_until(self, descriptor: int) -> bool:
        """Wait until a file can be read, or until the daemon has something to say.

        Returns:
            Whether the file can be read while the daemon is silent; the daemon goes first.
        """
        if self._events or self._replies:
            return False
        either = select.poll()
        either.register(descriptor, select.POLLIN)
        either.register(self._socket, select.POLLIN)
        return self._socket.fileno() not in dict(either.poll())

    def _follow(self, stream: int) -> Iterator[JsonObject]:
        while True:
            event = self._next_event(stream)
            if event.get("event") == "end":
                return
            if event.get("event") == "error":
                members = event.get("error")
                raise error_from(read_fault_members(members if isinstance(members, dict) else {}))
            yield event

    def _next_event(self, stream: int) -> JsonObject:
        for kept in self._events:
            if kept.stream == stream:
                self._events.remove(kept)
                return kept.event
        self._socket.settimeout(None)
        while True:
            reply = self._receive()
            if isinstance(reply, Notification) and reply.stream == stream:
                return reply.event
            if isinstance(reply, Answer | Failure):
                raise MalformedMessage("the daemon answered a call that nobody made")
            self._events.append(reply)

    def _send(self, line: bytes) -> None:
        self._socket.settimeout(CONTROL_ANSWER_S)
        try:
            self._socket.sendall(line)
        except OSError as error:
            raise _lost(error) from error

    def _receive(self) -> Reply:
        while not self._replies:
            try:
                data = self._socket.recv(_READ_BYTES)
            except OSError as error:
                raise _lost(error) from error
            if not data:
                raise DaemonUnreachable("the daemon ended the connection", hint=_LOST_HINT)
            self._replies.extend(map(decode_reply, self._lines.feed(data)))
        return self._replies.popleft()


def connect(home: Home, patience_s: float = CONTROL_START_S) -> Caller:
    """Connect to the daemon of a home.

    Args:
        home: Whose daemon.
        patience_s: How long to wait for one that was just started; 0 tries once.

    Returns:
        The connection; the caller closes it.

    Raises:
        DaemonUnreachable: Nobody answers on the socket.
        ConfigError: Somebody else's program does.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            connection = _open(home)
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError) as error:
            if time.monotonic() >= deadline:
                raise _unreachable(home) from error
            time.sleep(_RETRY_S)
        except OSError as error:
            why = error.strerror or str(error)
            raise DaemonUnreachable(f"{home.socket} cannot be reached: {why}") from error
        else:
            return Caller(connection)


def _open(home: Home) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(home.socket) as path:
            connection.connect(path)
        _check_listener(connection, home)
    except BaseException:  # an interrupt, too, may not leave the socket open
        connection.close()
        raise
    return connection


def _check_listener(connection: socket.socket, home: Home) -> None:
    """Refuse to talk to a program of another user: it would read what we write (unix(7))."""
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    _, uid, _ = struct.unpack("3i", credentials)
    if uid != os.geteuid():
        raise ConfigError(
            f"the daemon at {home.socket} runs as another user (uid {uid})",
            hint="Run p2pvault as that user, or name a home of your own with --home.",
        )


_LOST_HINT: Final = "Look at its log: `journalctl --user -u p2pvaultd`, or where you started it."


def _lost(error: OSError) -> DaemonUnreachable:
    if isinstance(error, TimeoutError):
        return DaemonUnreachable("the daemon did not answer in time", hint=_LOST_HINT)
    return DaemonUnreachable(f"the connection to the daemon broke: {error}", hint=_LOST_HINT)


def _unreachable(home: Home) -> DaemonUnreachable:
    start = shlex.join(["p2pvaultd", *home.arguments()])
    always = shlex.join(["p2pvault", *home.arguments(), "daemon", "install"])
    return DaemonUnreachable(
        "no daemon is running for this home",
        hint=f"Start it with `{start}`, or `{always}` to have it always running.",
    )
