"""What a caller can ask for, in the form that the conversation needs.

The handlers fill such a table for every conversation, so that a pairing belongs to the connection
that opened it.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from p2pvault.control.messages import JsonObject

Call = Callable[[JsonObject], Awaitable[JsonObject]]
"""Answers one request whose parameters have been checked; may raise a `VaultError`."""

Events = AsyncGenerator[JsonObject, None]
"""What happens on a stream, in order; may raise a `VaultError`, which ends it."""

Stream = Callable[[JsonObject], AbstractAsyncContextManager[Events]]
"""Opens a stream; entering may raise a `VaultError`, and leaving releases what it held."""


@dataclass(frozen=True, slots=True)
class Methods:
    """The methods by name."""

    calls: Mapping[str, Call]
    streams: Mapping[str, Stream]
