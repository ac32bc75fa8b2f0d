"""A paired device that turns against the others: it loses its link, and that is all."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from harness.budget import nothing_lost, one_message
from harness.daemons import Device, Fleet, wait_synced
from harness.intruder import Intruder, Line, entry_of, intruder_of, new_record
from p2pvault.core.kinds import Kind
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.limits import (
    HELD_BYTES_MAX,
    JOURNAL_ENTRIES_MAX,
    JOURNALS_MAX,
    MIB,
    OPERATIONS_PER_AUTHOR_MAX,
)
from p2pvault.protocol.introduction import (
    RUN_BYTES,
    Greeting,
    Known,
    encode,
    encode_operations,
    encode_secrets,
)
from p2pvault.protocol.journal import Entry, write_entry
from p2pvault.protocol.membership.operation import Rename, sign_operation
from p2pvault.protocol.reconcile import Have, encode_have
from p2pvault.types import Address, AuthorId, EntryHash, JournalHead
from p2pvault.wire.codec import pack

pytestmark = pytest.mark.e2e

DIGEST = bytes(32)


@dataclass(frozen=True)
class Scene:
    """A laptop and a phone, both honest and linked, and a third device that is not."""

    laptop: Device
    phone: Device
    eve: Intruder

    def attack(self, act: Callable[[Line], None]) -> bool:
        """Link to the laptop, do it, and wait until the laptop hangs up.

        Returns:
            Whether it said goodbye before, as it does on a link that broke no rule.
        """
        with self.eve.dial(self.laptop.listening()) as line:
            line.hear(Kind.HAVE)
            act(line)
            return line.wait_cut()


@pytest.fixture(scope="module")
def scene(shared: Fleet) -> Scene:
    laptop = shared.founder("laptop")
    phone, eve = shared.member(laptop, "phone"), shared.member(laptop, "eve")
    eve.stop()
    laptop.do("set", "notes/one", "body=1")
    wait_synced(phone, laptop)
    return Scene(laptop, phone, intruder_of(eve.home))


@pytest.fixture(autouse=True)
def nothing_else_happens(scene: Scene) -> Iterator[None]:
    """Whatever a test does, the honest devices stay linked and equal, and no larger than before."""
    laptop = scene.laptop
    links = sum('"link_down"' in line for line in scene.phone.logs)
    with nothing_lost(laptop):
        yield
    laptop.do("set", "notes/one", f"body={os.urandom(4).hex()}")
    wait_synced(scene.phone, laptop)
    assert sum('"link_down"' in line for line in scene.phone.logs) == links


def have(*heads: JournalHead) -> bytes:
    return encode_have(Have(heads, DIGEST))


def head(n: int, author: bytes = b"x" * 16) -> JournalHead:
    return JournalHead(AuthorId(author), n, EntryHash(DIGEST))


LISTS = b"\xdc\x01\x00" + (b"\xdc\x10\x00" + b"\x90" * 4_096) * 256
"""A MiB of empty lists."""


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1" * 1_000, b"\x91" * MIB + b"\x90", LISTS],
    ids=["empty", "garbage", "nested", "lists"],
)
def test_a7_a8_a9_bytes_that_are_no_message_end_the_link(scene: Scene, body: bytes) -> None:
    for kind in (*Kind, 0xFF):
        with one_message(scene.laptop):
            assert not scene.attack(partial(Line.say, kind=kind, body=body)), kind


@pytest.mark.parametrize(
    "lies",
    [
        [have(head(5)), have(head(4))],
        [pack([[[b"x" * 16, 2**63, DIGEST]], DIGEST])],
        [pack([[[os.urandom(16), 1, DIGEST] for _ in range(JOURNALS_MAX + 1)], DIGEST])],
        [have(*(head(1, os.urandom(16)) for _ in range(JOURNALS_MAX))), have(head(1))],
    ],
    ids=["backwards", "number", "journals at once", "journals in turn"],
)
def test_lies_about_what_it_holds_end_the_link(scene: Scene, lies: list[bytes]) -> None:
    def lie(line: Line) -> None:
        for body in lies:
            line.say(Kind.HAVE, body)

    assert not scene.attack(lie)


def test_who_claims_to_hold_more_than_there_is_is_shown_as_ahead(scene: Scene) -> None:
    authors = [*scene.eve.content.journals, AuthorId(b"y" * 16)]

    def boast(line: Line) -> None:
        line.say(Kind.HAVE, have(*(head(JOURNAL_ENTRIES_MAX, author) for author in authors)))
        line.send(line.channel.close())

    assert scene.attack(boast)
    assert scene.laptop.peer("eve")["behind"] > 0
    assert scene.laptop.peer("phone")["behind"] == 0


def test_who_introduces_itself_for_ever_ends_the_link(scene: Scene) -> None:
    addresses = tuple(Address(f"10.0.0.{n}", 1) for n in range(16))
    for kind, body in (
        (Kind.GREETING, encode(Greeting(0, addresses, bytes(16)))),
        (Kind.KNOWN, encode(Known((), ()))),
    ):
        for _ in range(2):
            assert not scene.attack(partial(shout, kind=kind, body=body))


def shout(line: Line, kind: Kind, body: bytes) -> None:
    line.send(b"".join(line.channel.seal(kind, body) for _ in range(2_000)))


def test_a_wrong_epoch_secret_ends_the_link(scene: Scene) -> None:
    assert not scene.attack(
        lambda line: line.say(Kind.SECRETS, encode_secrets(((b"a" * 32, b"b" * 32),)))
    )


def test_a2_a_link_that_is_cut_is_no_fault_of_anybody(scene: Scene) -> None:
    assert not scene.attack(lambda line: line.stream.shutdown(socket.SHUT_WR))
    assert not scene.attack(lambda line: line.send(line.channel.close() + b"more"))


def forged(scene: Scene) -> dict[str, list[bytes]]:
    """Return entries that are each wrong in one way."""
    eve, good = scene.eve, scene.eve.entry(new_record(scene.eve.author, "good", {"a": 1}))
    other = new_record(AuthorId(os.urandom(16)), "other", {"a": 1})
    after = JournalHead(eve.author, 7, EntryHash(DIGEST))
    stranger = eve.stranger()
    return {
        "signature": [good.data[:-64] + bytes(64)],
        "cut": [good.data[:-1]],
        "gap": [eve.entry(*good.body.changes, after=after).data],
        "actor": [eve.entry(other).data],
        "author": [entry_of(stranger, new_record(stranger.journal.author, "no", {})).data],
        "no changes": [eve.entry().data],
        "no change": [eve.entry((good.body.changes[0][0], b"\x85oJ\x83")).data],
        "made twice": [eve.entry(*good.body.changes, *twice(eve, good)).data],
    }


def twice(eve: Intruder, good: Entry) -> list[tuple[bytes, bytes]]:
    (record, _), *_ = good.body.changes
    _, chunk = new_record(eve.author, "again", {})
    return [(record, chunk)]


def test_forged_entries_end_the_link_and_nothing_of_them_stays(scene: Scene) -> None:
    before = scene.laptop.paths()
    for what, entries in forged(scene).items():
        assert not scene.attack(partial(Line.say, kind=Kind.ENTRIES, body=pack([*entries]))), what
        assert scene.laptop.paths() == before, what


def test_links_that_fail_again_and_again_are_a_line_a_minute(scene: Scene) -> None:
    def failures() -> int:
        return sum('"link_failed"' in line for line in scene.laptop.logs)

    before = failures()
    for _ in range(15):
        scene.attack(partial(shout, kind=Kind.HAVE, body=b""))
    scene.laptop.do("status")
    assert failures() - before <= 2, "a minute may end meanwhile"
    assert failures() > 0


def test_a5_a_member_that_never_reads_holds_itself_back_only(scene: Scene) -> None:
    with scene.eve.dial(scene.laptop.listening()):
        for number in range(12):
            kept = {f"f{field}": os.urandom(24_000).hex() for field in range(20)}
            line = json.dumps({"path": f"large/{number}", "value": kept}).encode()
            scene.laptop.do("set", "--stdin", stdin=line)
        wait_synced(scene.phone, scene.laptop)
    for number in range(12):
        scene.laptop.do("rm", f"large/{number}")


def test_a22_a_time_that_no_calendar_has_is_shown_nowhere(scene: Scene) -> None:
    watching = scene.phone.watch()
    for number, wall_ms in enumerate((2**62, -(2**62))):
        writer = scene.eve.another_journal()
        change = new_record(writer.journal.author, f"late{number}", {"a": 1})
        with scene.eve.dial(scene.laptop.listening()) as line:
            line.say(Kind.GREETING, encode(Greeting(wall_ms, (), os.urandom(RUN_BYTES))))
            line.say_entries(write_entry(writer, None, (), wall_ms, [change]))
            line.hear(Kind.HAVE)
            assert f"evil/late{number}" in watching.line()
    for words in (["status"], ["ls"], ["get", "evil/late0"], ["devices"]):
        scene.phone.do(*words)
    for number in range(2):
        scene.laptop.do("rm", f"evil/late{number}")


def renames(eve: Intruder, count: int) -> list[bytes]:
    """Return operations in which a device names itself again and again, at last as before."""
    keys, log, written = eve.members.keys, eve.members.log, list[bytes]()
    for number in reversed(range(count)):
        name = f"eve{number}" if number else "eve"
        content = Rename(eve.members.device, name)
        written.append(sign_operation(log.header(eve.members.device, 0), content, keys.signing))
        log = log.add(written[-1:]).log
    return written


def test_a32_a_storm_of_operations_is_within_the_budget(scene: Scene) -> None:
    (body,) = encode_operations(renames(scene.eve, OPERATIONS_PER_AUTHOR_MAX // 2))

    def storm(line: Line) -> None:
        line.say(Kind.OPERATIONS, body)
        line.send(line.channel.close())

    with one_message(scene.laptop):
        assert scene.attack(storm)
    assert scene.laptop.peer("eve")["link"] == "down", "under its last name"


def test_a_stranger_with_the_gate_key_is_not_listened_to_for_long(scene: Scene) -> None:
    stranger = DeviceKeys.generate(os.urandom).static
    piece = bytes(HELD_BYTES_MAX // 4)
    with scene.eve.dial(scene.laptop.listening(), static=stranger) as line:
        assert line.hear(Kind.KNOWN).body == encode(Known((), ())), "it is told nothing"
        for _ in range(5):
            line.say(Kind.ENTRIES, piece)
        assert not line.wait_cut()
