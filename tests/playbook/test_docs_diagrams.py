"""The state diagrams of docs/protocol: each arrow happens, and whatever happens is an arrow."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random

import pytest

from harness.diagrams import Arrow, differences, drawn
from harness.entropy import seeded
from harness.judge import one_journal
from harness.late import isolate, meet, revoke
from harness.pairing import (
    CODE,
    HOST,
    NEWCOMER,
    PACKAGE,
    SHOWN,
    VAULT,
    End,
    Meeting,
)
from harness.pairs import world_of
from harness.party import Party, Wire
from harness.recorded_entries import Entries
from harness.recorded_links import LinkRecorder
from harness.recorded_pairing import Door, RecordedJoiner, RecordedSponsor, Swaps
from harness.weather import Weather
from harness.world import World, put
from p2pvault.core import holding, io
from p2pvault.core.link import Link, Phase
from p2pvault.crypto.keys import device_id
from p2pvault.errors import BadValue, LocalProtocolError
from p2pvault.limits import IDLE_S, PAIRING_PART_BYTES
from p2pvault.protocol.pairing import Host, Reason, Typed
from p2pvault.protocol.pairing.messages import Accept, Confirm, Hello, Package, Refusal, Stored, Way

ODD = Stored()
OTHER_WORDS = "aardvark adroitness"


def assert_drawn(document: str, section: str, seen: set[Arrow]) -> None:
    assert differences(drawn()[document, section], seen) == []


# Pairing -------------------------------------------------------------------------------------


def meeting(
    *,
    host: Host = HOST,
    ticket: Typed | None = None,
    of_sponsor: Swaps | None = None,
    of_joiner: Swaps | None = None,
    writes_max: int = 1 << 30,
) -> Meeting:
    """Return two recorded machines; nothing arrives any more after so many writes."""
    writes = iter(range(writes_max))
    return Meeting(
        RecordedSponsor(host, SHOWN, seeded("sponsor"), swaps=of_sponsor),
        RecordedJoiner(NEWCOMER, ticket or Typed(42, CODE), seeded("joiner"), swaps=of_joiner),
        wire=lambda _, data: data if next(writes, None) is not None else b"",
    )


PEOPLE: tuple[Callable[[Meeting], None], ...] = (
    Meeting.accept_vault,
    Meeting.type_words,
    Meeting.admit,
    Meeting.store,
)
"""What people and shells do, in the order in which a pairing asks for it."""


def go_on(it: Meeting, steps: int = len(PEOPLE), package: bytes = PACKAGE) -> Meeting:
    """Take the next steps, as long as the machines ask for them."""
    for step in PEOPLE[:steps]:
        try:
            step(it, package) if step is Meeting.admit else step(it)
        except (LocalProtocolError, ValueError):
            break  # not asked for, or there are no words to read
    return it


def garble(it: Meeting, end: End) -> None:
    """Let an end receive what is a message at no stage."""
    it.do(end, end.machine.receive(b"\x00\x01\xff"))


def say(message: object) -> Callable[[Meeting, End], None]:
    """Return the act of the other side saying something to an end."""

    def act(it: Meeting, end: End) -> None:
        other = it.joiner if end is it.sponsor else it.sponsor
        if not other.machine.over:
            other.machine._send(message)
            it.do(other, other.machine._drain())

    return act


ENDINGS: dict[str, Callable[[Meeting, End], None]] = {
    "lost": lambda it, end: it.do(end, end.machine.lost()),
    "timeout": lambda it, end: it.do(end, end.machine.timeout()),
    "cancel": lambda it, end: it.do(end, end.machine.cancel()),
    "garbage": garble,
    "refusal": say(Refusal(Reason.DECLINED)),
    "odd message": say(Package(1)),
    "another odd message": say(Accept()),
}


def pairings() -> Iterator[Meeting]:
    """Run pairings that go well, that stop anywhere, and that go wrong in every way."""
    yield go_on(meeting())
    yield go_on(meeting(), package=b"")
    yield go_on(meeting(), package=bytes(2 * PAIRING_PART_BYTES + 1))
    yield go_on(
        meeting(host=Host(HOST.keys, "laptop", VAULT, frozenset({device_id(NEWCOMER.keys.public)})))
    )
    yield meeting(ticket=Typed(42, b"42-lantern-tulip-violet"))
    yield meeting(ticket=Typed(43, CODE))
    yield meeting(of_joiner={0: Hello((2,), bytes(16), Way.TYPED)})
    yield meeting(of_sponsor={1: Confirm(bytes(64))})
    yield from peoples_answers()
    yield from silences()
    for number in range(8):
        for odd in (ODD, Refusal(Reason.TIMEOUT)):
            yield go_on(meeting(of_sponsor={number: odd}))
            yield go_on(meeting(of_joiner={number: odd}))


def peoples_answers() -> Iterator[Meeting]:
    """Run pairings in which people answer otherwise, and those that end while they think."""
    for typed in ("a slip", OTHER_WORDS):
        it = meeting()
        with suppress(BadValue):
            it.type_words(typed)
        yield it
    words_first = meeting()
    words_first.type_words()
    yield go_on(words_first)
    declined = meeting()
    declined.accept_vault(False)
    yield declined
    for steps in range(len(PEOPLE)):
        for side in ("sponsor", "joiner"):
            for ending in ENDINGS.values():
                it = go_on(meeting(), steps)
                ending(it, getattr(it, side))
                yield it


def silences() -> Iterator[Meeting]:
    """Run pairings in which nothing arrives any more from some moment on."""
    for writes in range(16):
        for name in ("lost", "timeout", "cancel", "garbage"):
            it = go_on(meeting(writes_max=writes))
            for end in (it.sponsor, it.joiner):
                with suppress(LocalProtocolError):  # who has paired cannot stop it
                    ENDINGS[name](it, end)
            yield it


def test_pairing_does_what_its_diagrams_show() -> None:
    seen: dict[type, set[Arrow]] = {RecordedSponsor: set(), RecordedJoiner: set()}
    for it in pairings():
        for end in (it.sponsor, it.joiner):
            seen[type(end.machine)] |= end.machine.seen
    assert_drawn("pairing.md", "Sponsor", seen[RecordedSponsor])
    assert_drawn("pairing.md", "Joiner", seen[RecordedJoiner])


def test_the_window_does_what_its_diagram_shows() -> None:
    seen: set[Arrow] = set()
    for seed in range(40):
        random, door = Random(seed), Door()
        for _ in range(200):
            door.do_anything(random)
        seen |= door.seen
    assert_drawn("pairing.md", "The window", seen)


# Links ---------------------------------------------------------------------------------------


def link_in(phase: Phase) -> tuple[World, Party, Link, Wire]:
    """Return a link of bob's to a member whom nobody has told him of yet, in one phase."""
    world, (ada, bob) = world_of(2)
    world.part(ada, bob)
    world.run()
    world.join("cyd", ada)
    world.until(lambda: any(link.phase is phase for link in bob.device.links))
    (link,) = (link for link in bob.device.links if link.phase is phase)
    return world, bob, link, world._wires[bob, link.id]


def hear_garbage(world: World, party: Party, link: Link, _: Wire) -> None:
    world.give(party, io.BytesReceived(link.id, b"\x00\x01\xff"))


def fall_silent(world: World, _: Party, __: Link, wire: Wire) -> None:
    wire.dead = True
    world.pass_time(2 * IDLE_S)


def stop(world: World, party: Party, _: Link, __: Wire) -> None:
    world._handle(party, io.Stop())


def peer_stops(world: World, party: Party, _: Link, wire: Wire) -> None:
    world._handle(wire.other(party), io.Stop())


def cut(world: World, party: Party, link: Link, wire: Wire) -> None:
    world._close(party, link.id, wire)


def meet_a_removed_device() -> None:
    world, (ada, bob, cyd) = world_of(3)
    isolate(world, ada, bob, cyd)
    revoke(world, ada, bob)
    meet(world, ada, bob)


def meet_a_device_that_runs_twice() -> None:
    world, (_, bob) = world_of(2)
    world.clone(bob, "twin")
    world.pass_time(300)


def send_from_a_store_that_fails() -> None:
    world, (ada, bob) = world_of(2)
    isolate(world, ada, bob)
    world.put(ada, "notes/new", a=1)
    ada.unreadable = True
    meet(world, ada, bob)


def have_weather(seed: int) -> World:
    """Let three devices edit while everything happens to them."""
    random = Random(seed)
    world, parties = world_of(3, seed, shuffled=True)
    weather = Weather(world, parties, random)
    edit = put("notes/shared", n=seed)
    weather.go_on(60, {lambda party: world.edit(party, edit) and None: 5})
    return world


def test_links_do_what_their_diagram_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = LinkRecorder()
    recorder.install(monkeypatch)
    for phase in (Phase.HANDSHAKE, Phase.INTRODUCING, Phase.UP):
        for act in (hear_garbage, fall_silent, stop, peer_stops, cut):
            world, *link = link_in(phase)
            act(world, *link)
            world.pass_time(30)
    meet_a_removed_device()
    meet_a_device_that_runs_twice()
    send_from_a_store_that_fails()
    for seed in range(4):
        have_weather(seed)
    assert_drawn("link.md", "The life of a link", recorder.seen)


# Quarantine ----------------------------------------------------------------------------------


def test_late_entries_do_what_their_diagram_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    # So few that some late entries find no room, which is one of the arrows.
    monkeypatch.setattr(holding, "QUARANTINE_CHANGES_MAX", 3)
    journal = one_journal(*(put(f"notes/{n % 2}", **{f"field{n}": n}) for n in range(6)))
    seen: set[Arrow] = set()
    for seed in range(120):
        random, entries = Random(seed), Entries(journal, room=3)
        for _ in range(60):
            entries.do_anything(random)
        seen |= entries.seen
    assert_drawn("membership.md", "Quarantine", seen)


# All of them ---------------------------------------------------------------------------------


def test_every_diagram_is_compared_with_what_it_shows() -> None:
    assert set(drawn()) == {
        ("link.md", "The life of a link"),
        ("membership.md", "Quarantine"),
        ("pairing.md", "Joiner"),
        ("pairing.md", "Sponsor"),
        ("pairing.md", "The window"),
    }


def test_an_arrow_too_many_and_one_too_few_are_both_found() -> None:
    (name, arrows), *_ = drawn().items()
    removed = min(arrows)
    added = ("one", "an event", "another")
    assert name
    assert differences(arrows - {removed}, arrows) == [f"not drawn: {' | '.join(removed)}"]
    assert differences(arrows | {added}, arrows) == [f"never happened: {' | '.join(added)}"]
