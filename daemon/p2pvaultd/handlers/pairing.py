"""Pairing from both sides. A ceremony belongs to the connection that began it."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import assert_never, cast

from p2pvault.control.messages import JsonObject
from p2pvault.errors import Refused
from p2pvault.node.port import (
    CodeShown,
    DevicePaired,
    JoinerKnocks,
    JoinSession,
    PairingEnded,
    PairingSession,
    SearchHindered,
    VaultJoined,
    VaultOffered,
    WordsAsked,
    WordsShown,
    WrongGuess,
)
from p2pvaultd.handlers.words import moment, named
from p2pvaultd.host import Host
from p2pvaultd.methods import Events, Methods


class PairingHandlers:
    """`pair` and `pair_confirm`, `join` and `join_accept`."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._pairing: PairingSession | None = None
        self._joining: JoinSession | None = None
        self._joining_ended = False

    def methods(self) -> Methods:
        """Return the methods by name."""
        calls = {"pair_confirm": self._confirm, "join_accept": self._accept}
        return Methods(calls, {"pair": self._pair, "join": self._join})

    @asynccontextmanager
    async def _pair(self, params: JsonObject) -> AsyncIterator[Events]:
        self._refuse_a_second()
        admin = cast("bool", params["admin"])
        recovery = cast("str | None", params.get("recovery_words"))
        async with self._host.node().pair(admin=admin, recovery=recovery) as session:
            self._pairing = session
            try:
                async with aclosing(_follow_pairing(session)) as events:
                    yield events
            finally:
                self._pairing = None

    @asynccontextmanager
    async def _join(self, params: JsonObject) -> AsyncIterator[Events]:
        self._refuse_a_second()
        code, name = cast("str", params["code"]), cast("str", params["name"])
        async with self._host.join(code, name) as session:
            self._joining = session
            try:
                async with aclosing(_follow_join(session, self._host)) as events:
                    yield events
            finally:
                self._joining, self._joining_ended = None, True

    async def _confirm(self, params: JsonObject) -> JsonObject:
        if self._pairing is None:
            raise Refused("no pairing of this connection waits for words")
        self._pairing.type_words(cast("str", params["words"]))
        return {}

    async def _accept(self, params: JsonObject) -> JsonObject:
        if self._joining is not None:
            self._joining.accept(accepted=cast("bool", params["accept"]))
        elif not self._joining_ended:
            raise Refused("no vault was offered on this connection")
        # An answer that came too late changes nothing: the stream has said how joining ended.
        return {}

    def _refuse_a_second(self) -> None:
        if self._pairing is not None or self._joining is not None:
            raise Refused("this connection is pairing already")


async def _follow_pairing(session: PairingSession) -> Events:
    async for event in session.events:
        match event:
            case CodeShown():
                yield _code(event)
            case WrongGuess(message):
                yield {"event": "attempt", "message": message}
            case JoinerKnocks(name):
                yield {"event": "joiner", "name": name}
            case WordsAsked(digits, problem):
                if problem is not None:
                    yield {"event": "attempt", "message": problem}
                yield _confirm(digits)
            case DevicePaired(device, name):
                yield {"event": "paired", "device": named(device, name)}
                return
            case PairingEnded(error):
                raise error
            case _:
                assert_never(event)


def _code(shown: CodeShown) -> JsonObject:
    code: JsonObject = {"code": shown.code, "uri": shown.uri, "expires_s": shown.expires_s}
    hidden: JsonObject = {} if shown.hidden is None else {"hidden": shown.hidden}
    return {"event": "code", **code, **hidden}


def _confirm(digits: str | None) -> JsonObject:
    return {"event": "confirm"} if digits is None else {"event": "confirm", "digits": digits}


async def _follow_join(session: JoinSession, host: Host) -> Events:
    async for event in session.events:
        match event:
            case SearchHindered(problem, hint):
                yield {"event": "search", "problem": problem, "hint": hint}
            case WordsShown(words, digits):
                yield {"event": "words", "words": words, "digits": digits}
            case VaultOffered(name, devices, made_ms):
                made = moment(made_ms)
                yield {"event": "vault", "name": name, "devices": devices, "made": made}
            case VaultJoined(vault, name):
                await host.run_existing()
                yield {"event": "paired", "vault": named(vault, name)}
                return
            case PairingEnded(error):
                raise error
            case _:
                assert_never(event)
