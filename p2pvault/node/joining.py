"""Joining a vault from a device that has none: find the sponsor, run the ceremony, store it.

A typed code is looked for with mDNS; a pairing address says where to dial. What goes wrong before
the words are shown leads on to the next candidate; afterwards it is the end. Where mDNS is
hindered, the person is told, and it is tried again for as long as a code is valid.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from os import urandom
from pathlib import Path
from typing import Final

import trio

from p2pvault.core.start import join_vault
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.errors import NoPairingDevice, PairingBusy, PairingRefused, Unreachable, VaultError
from p2pvault.limits import (
    HANDSHAKE_S,
    KIB,
    PAIRING_BUSY_S,
    PAIRING_LAST_LOOK_S,
    PAIRING_NEWS_MAX,
    PAIRING_S,
    PAIRING_SEARCH_S,
    PAIRING_SPONSORS_MAX,
)
from p2pvault.net.mdns import open_discovery
from p2pvault.net.services import DiscoverySettings, Mode, Sighting
from p2pvault.net.stream import dial
from p2pvault.node.create import DEVICE_KIND, prepare_home, store_vault
from p2pvault.node.lookout import Lookout
from p2pvault.node.port import (
    JoinEvent,
    PairingEnded,
    SearchHindered,
    VaultJoined,
    VaultOffered,
    WordsShown,
)
from p2pvault.protocol.code import parse_code
from p2pvault.protocol.invitation import is_invitation, parse_invitation
from p2pvault.protocol.pairing import (
    ConfirmVault,
    Deadline,
    Failed,
    Joiner,
    Newcomer,
    Paired,
    Received,
    Scanned,
    Send,
    ShowWords,
    Typed,
)
from p2pvault.protocol.pairing import Effect as SessionEffect
from p2pvault.types import Address
from p2pvault.wire.names import clean_name

_READ_BYTES = 64 * KIB

_BY_ADDRESS: Final = (
    "Run `p2pvault join` with the p2pvault: address that `pair` shows on the other device: that "
    "needs no mDNS."
)

_NOBODY_THERE: Final = "nobody answers where this p2pvault: address leads"

_RUN_PAIR: Final = (
    "`pair` must still be running on the other device, which shows another address each time, and "
    "both must be on the same network."
)

Move = Callable[[], Sequence[SessionEffect]]
"""Something that the machine is to be told."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the person typed or scanned, and where that says to dial."""

    what: Typed | Scanned
    addresses: tuple[Address, ...]


def read_ticket(text: str) -> Ticket:
    """Read a code or a pairing address.

    Raises:
        BadCode: It is neither.
    """
    if is_invitation(text):
        invitation = parse_invitation(text)
        what = Scanned(invitation.secret, invitation.fingerprint)
        return Ticket(what, invitation.addresses)
    code = parse_code(text)
    return Ticket(Typed(code.slot, code.secret), ())


class Joining:
    """One attempt to join, as the program that began it sees it."""

    def __init__(self, state: Path, name: str, ticket: Ticket) -> None:
        self._state = state
        self._ticket = ticket
        self._keys = DeviceKeys.generate(urandom)
        self._newcomer = Newcomer(self._keys, clean_name(name), DEVICE_KIND)
        self._send, self.events = trio.open_memory_channel[JoinEvent](PAIRING_NEWS_MAX)
        self._answers, self._answered = trio.open_memory_channel[bool](1)
        self._offered = False
        self._words_shown = False
        self._hindrance: str | None = None
        self._joined: VaultJoined | None = None
        self._failure: VaultError | None = None
        self._refusal: VaultError | None = None
        self._deadline = float("inf")
        self._search = trio.CancelScope()
        self._search_ends = False
        self._code_over_at = float("inf")

    def accept(self, *, accepted: bool) -> None:
        """Pass on the person's answer to `VaultOffered`.

        Raises:
            PairingRefused: None is offered yet, or it was answered already.
        """
        if not self._offered:
            raise PairingRefused("no vault waits to be accepted")
        self._offered = False
        self._answers.send_nowait(accepted)

    async def run(self, discovery: DiscoverySettings) -> None:
        """Join, and say how it ended."""
        try:
            await trio.to_thread.run_sync(prepare_home, self._state)
            await self._find_and_join(discovery)
        except VaultError as error:
            await self._send.send(PairingEnded(error))

    async def _find_and_join(self, discovery: DiscoverySettings) -> None:
        self._code_over_at = trio.current_time() + PAIRING_S
        with trio.move_on_after(PAIRING_SEARCH_S) as self._search:
            if self._ticket.addresses:
                await self._try_invited()
            elif discovery.mode is Mode.OFF:
                raise NoPairingDevice(
                    "discovery is off on this device, so it finds nobody by a code",
                    hint=f"{_BY_ADDRESS} Or run the daemon with `--mode quiet`.",
                )
            else:
                await self._find_by_code(DiscoverySettings(Mode.QUIET, discovery.interfaces))
            return
        raise self._refusal or self._found_nobody()

    def _found_nobody(self) -> NoPairingDevice:
        if self._hindrance is None:
            return NoPairingDevice("no device on this network shows this code")
        return NoPairingDevice(
            f"the other device could not be looked for: {self._hindrance}", hint=_BY_ADDRESS
        )

    async def _find_by_code(self, browse: DiscoverySettings) -> None:
        error: VaultError | None = None
        async with open_discovery(browse) as found, trio.open_nursery() as nursery:
            found.expect_pairing(wanted=True)
            nursery.start_soon(Lookout(found, self._hindered).run)
            try:
                await self._try_sighted(found.sightings)
            except VaultError as it:  # which the nursery would make a group of
                error = it
            nursery.cancel_scope.cancel()
        if error is not None:
            raise error

    async def _hindered(self, problem: str | None) -> None:
        """Pass it on, and search on for as long as a code is valid, or as usual once it is over."""
        self._hindrance = problem
        if not self._search_ends:
            usual = trio.current_time() + PAIRING_SEARCH_S
            over = self._code_over_at
            self._search.deadline = over if problem is not None else min(usual, over)
        await self._send.send(SearchHindered(problem, "" if problem is None else _BY_ADDRESS))

    def _search_until(self, deadline: float) -> None:
        """Say when the search ends, whatever becomes of mDNS."""
        self._search.deadline, self._search_ends = deadline, True

    async def _try_invited(self) -> None:
        """Try the sponsor that the pairing address names, until it is free."""
        while True:
            try:
                if await self._try(self._ticket.addresses):
                    return
                raise Unreachable(_NOBODY_THERE, hint=_RUN_PAIR)
            except PairingBusy as error:
                self._refusal = error
                await trio.sleep(PAIRING_BUSY_S)

    async def _try_sighted(self, sightings: trio.MemoryReceiveChannel[Sighting]) -> None:
        """Try the code on those who show one, until one knows it or enough have refused it.

        Whoever answers to a code gets one guess at it, so few may. Those who are busy, perhaps with
        somebody who looks for another code, are asked again while others are looked for.
        """
        refused = 0
        busy: deque[tuple[Address, ...]] = deque()
        while True:
            addresses = await _next_candidate(sightings, busy)
            try:
                if await self._try(addresses):
                    return
            except PairingBusy as error:
                busy.append(addresses)
                self._refusal = self._refusal or error
            except NoPairingDevice:
                continue
            except VaultError as error:
                refused += 1
                if self._words_shown or refused == PAIRING_SPONSORS_MAX:
                    raise
                self._refusal = error
                self._search_until(trio.current_time() + PAIRING_LAST_LOOK_S)

    async def _try(self, addresses: tuple[Address, ...]) -> bool:
        """Dial one sponsor until an address answers, and go through the ceremony.

        Returns:
            False if none answered: what was announced there is over.
        """
        self._failure = None
        for address in addresses:
            try:
                stream = await dial(address)
            except Unreachable:
                continue
            async with stream:
                await self._ceremony(stream)
            return True
        return False

    # The ceremony ------------------------------------------------------------------------

    async def _ceremony(self, stream: trio.SocketStream) -> None:
        machine = Joiner(self._newcomer, self._ticket.what, urandom)
        moves, given = trio.open_memory_channel[Move](0)
        self._deadline = trio.current_time() + HANDSHAKE_S
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read_all, stream, machine, moves.clone())
            nursery.start_soon(self._pass_on_answer, machine, moves)
            await self._perform(stream, machine, machine.start())
            while not machine.over:
                await self._perform(stream, machine, await self._next(machine, given))
            nursery.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure

    async def _next(
        self, machine: Joiner, given: trio.MemoryReceiveChannel[Move]
    ) -> Sequence[SessionEffect]:
        with trio.move_on_at(self._deadline):
            return (await given.receive())()
        self._deadline = float("inf")
        return machine.timeout()

    async def _pass_on_answer(self, machine: Joiner, moves: trio.MemorySendChannel[Move]) -> None:
        accepted = await self._answered.receive()
        await moves.send(partial(machine.vault_accepted, accepted=accepted))

    async def _perform(
        self, stream: trio.SocketStream, machine: Joiner, effects: Sequence[SessionEffect]
    ) -> None:
        queue = deque(effects)
        while queue:
            effect = queue.popleft()
            if isinstance(effect, Received):
                queue.extend(await self._store(machine, effect))
            else:
                await self._perform_one(stream, effect)

    async def _perform_one(self, stream: trio.SocketStream, effect: SessionEffect) -> None:
        match effect:
            case Send(data):
                with suppress(trio.BrokenResourceError):  # the reader sees the end, and says so
                    await stream.send_all(data)
            case Deadline(seconds):
                self._deadline = trio.current_time() + seconds
            case ShowWords(words, digits):
                self._words_shown = True
                self._search_until(float("inf"))
                await self._send.send(WordsShown(" ".join(words), digits))
            case ConfirmVault(vault, _):
                self._offered = True
                await self._send.send(VaultOffered(vault.name, vault.devices, vault.made_ms))
            case Failed(error):
                self._failure = error
            case Paired():
                assert self._joined is not None, "what is paired has been stored"
                await self._send.send(self._joined)
            case _:
                pass  # Hangup: the ceremony closes the stream when the machine is over

    async def _store(self, machine: Joiner, received: Received) -> Sequence[SessionEffect]:
        """Make the vault durable here; only then is the sponsor told that it is."""
        try:
            made = join_vault(self._keys, urandom, received)
            await trio.to_thread.run_sync(store_vault, self._state, made)
        except VaultError as error:
            effects = machine.cancel()
            self._failure = error
            return [effect for effect in effects if not isinstance(effect, Failed)]
        self._joined = VaultJoined(made.vault, made.vault_name)
        return machine.stored()


async def _next_candidate(
    sightings: trio.MemoryReceiveChannel[Sighting], busy: deque[tuple[Address, ...]]
) -> tuple[Address, ...]:
    """Return where the next sponsor may be: one newly sighted, or after a while a busy one."""
    with trio.move_on_after(PAIRING_BUSY_S if busy else float("inf")):
        return (await sightings.receive()).addresses
    return busy.popleft()


async def _read_all(
    stream: trio.SocketStream, machine: Joiner, moves: trio.MemorySendChannel[Move]
) -> None:
    """Hand what arrives to the machine, one piece after the other, and the end of it last."""
    while True:
        try:
            data = bytes(await stream.receive_some(_READ_BYTES))
        except trio.BrokenResourceError:
            data = b""
        if not data:
            await moves.send(machine.lost)
            return
        await moves.send(partial(machine.receive, data))


@asynccontextmanager
async def open_joining(
    state: Path, name: str, code: str, discovery: DiscoverySettings
) -> AsyncIterator[Joining]:
    """Begin to join a vault; leaving the block gives up.

    Args:
        state: The home that the vault goes into.
        name: What this device is called.
        code: The code as typed, or a pairing address.
        discovery: Where to look for the device that shows the code.

    Raises:
        BadCode: The code is none.
        BadValue: The name cannot be used.
    """
    joining = Joining(state, name, read_ticket(code))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(joining.run, discovery)
        yield joining
        nursery.cancel_scope.cancel()
