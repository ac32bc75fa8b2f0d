"""A pairing window on this node: its listener, its advertisement, and what happens at the door."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from p2pvault.core import asks, io, news
from p2pvault.limits import PAIRING_NEWS_MAX
from p2pvault.net.services import Mode
from p2pvault.net.stream import port_of
from p2pvault.node.beaconing import Beaconing
from p2pvault.node.network import Network
from p2pvault.node.port import (
    CodeShown,
    DevicePaired,
    JoinerKnocks,
    PairingEnded,
    PairingEvent,
    WordsAsked,
    WrongGuess,
)
from p2pvault.node.requests import Requests
from p2pvault.node.shell import Shell


class HostedPairing:
    """The window as the program that opened it sees it."""

    def __init__(self, request: int, feed: Callable[[io.Input], None]) -> None:
        self._request = request
        self._feed = feed
        self._send, self.events = trio.open_memory_channel[PairingEvent](PAIRING_NEWS_MAX)

    def type_words(self, words: str) -> None:
        """Pass on what the person typed; the outcome arrives as an event."""
        self._feed(asks.WordsTyped(self._request, words))

    def take(self, event: PairingEvent) -> None:
        """Queue an event; they are few, and a program that does not read them loses the last."""
        try:
            self._send.send_nowait(event)
        except (trio.WouldBlock, trio.BrokenResourceError):
            return


class Hosting:
    """Opens pairing windows, one at a time.

    Attributes:
        network: Where this node listens; the node replaces it when its settings change.
        mode: How visible this node is; replaced likewise.
    """

    def __init__(
        self,
        shell: Shell,
        requests: Requests,
        network: Network,
        mode: Mode,
        beaconing: Beaconing,
    ) -> None:
        self._shell = shell
        self._requests = requests
        self.network = network
        self.mode = mode
        self._beaconing = beaconing
        self._sessions: dict[int, HostedPairing] = {}

    @asynccontextmanager
    async def open(self, *, admin: bool, seed: bytes | None) -> AsyncIterator[HostedPairing]:
        """Show a code inside the block.

        Args:
            admin: Whether the new device may change the membership.
            seed: The recovery key's, where that is to admit it.

        Raises:
            ConfigError: Nothing can listen where this node does.
        """
        listeners = await self.network.open_for_pairing()
        addresses = self.network.reachable_at(port_of(listeners[0]))
        request = self._requests.number()
        session = self._sessions[request] = HostedPairing(request, self._shell.feed)
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._shell.serve_pairing, listeners)
                self._beaconing.pair_on(addresses)
                self._shell.feed(asks.PairingRequested(request, admin, addresses, seed))
                yield session
                nursery.cancel_scope.cancel()
        finally:
            self._shell.feed(asks.PairingCancelled(request))
            del self._sessions[request]

    @property
    def _hidden(self) -> str | None:
        """Why a device where the code is typed does not find this one."""
        if self.mode is Mode.NORMAL:
            return self._beaconing.problem
        return f"this device does not announce itself, since its discovery is {self.mode}"

    def settle(self, effect: io.Answer | io.Refuse) -> None:
        """Take the refusal of a window or of typed words."""
        session = self._sessions.get(effect.request)
        if session is not None and isinstance(effect, io.Refuse):
            session.take(PairingEnded(effect.error))

    def news(self, effect: io.PairingNews) -> None:
        """Pass on what happened."""
        session = self._sessions.get(effect.request)
        if session is not None:
            for event in _events(effect.news, self._hidden):
                session.take(event)


def _events(what: news.News, hidden: str | None) -> tuple[PairingEvent, ...]:
    match what:
        case news.CodeMade(code, uri, expires_s):
            return (CodeShown(code, uri, expires_s, hidden),)
        case news.AttemptFailed(message):
            return (WrongGuess(message),)
        case news.JoinerNamed(name, digits):
            return (JoinerKnocks(name), WordsAsked(digits, None))
        case news.WordsUnclear(message):
            return (WordsAsked(None, message),)
        case news.PairingDone(device, name):
            return (DevicePaired(device, name),)
        case news.PairingOver(error):
            return (PairingEnded(error),)
