"""Content that a paired device may write and no honest one would: contained, and never fatal."""

import pytest

from harness.command_line import run_on_terminal
from harness.daemons import Device, Fleet, wait_synced
from harness.deep import deep_record
from harness.intruder import Intruder, entry_of, intruder_of, new_record
from p2pvault.core.kinds import Kind
from p2pvault.limits import JOURNALS_PER_DEVICE_MAX
from p2pvault.types import RecordId

pytestmark = pytest.mark.e2e

STEERING = "\x1b[2J\x9b31m\u202e\u2066\x7f"
"""Clears the screen, colours it, and turns the text around."""


@pytest.fixture(scope="module")
def scene(shared: Fleet) -> tuple[Device, Device, Intruder]:
    """A laptop, a phone, and a third device that is up to no good."""
    laptop = shared.founder("laptop")
    phone, eve = shared.member(laptop, "phone"), shared.member(laptop, "eve")
    eve.stop()
    return laptop, phone, intruder_of(eve.home)


def test_a21_a_record_too_deep_to_read_does_not_part_those_who_watch(
    scene: tuple[Device, Device, Intruder],
) -> None:
    laptop, phone, eve = scene
    watching = phone.watch()
    writer = eve.another_journal()
    change = RecordId(b"d" * 16), deep_record(writer.journal.author, 3_000)
    with eve.dial(laptop.listening()) as line:
        line.say_entries(entry_of(writer, change))
        assert "evil/deep" in watching.line()
    laptop.do("set", "notes/after", "body=1")
    assert "notes/after" in watching.line()
    assert phone.refused("get", "evil/deep") == (1, "crdt")
    phone.do("rm", "evil/deep")
    assert "evil/deep  deleted" in watching.line()
    wait_synced(laptop, phone)
    assert laptop.paths() == phone.paths()


def test_a29_nothing_in_a_record_steers_the_terminal_of_who_reads_it(
    scene: tuple[Device, Device, Intruder],
) -> None:
    laptop, phone, eve = scene
    watching = phone.watch()
    change = new_record(eve.author, "text", {f"f{STEERING}": f"v{STEERING}", "plain": STEERING})
    with eve.dial(laptop.listening()) as line:
        line.hear(Kind.HAVE)
        line.say_entries(eve.entry(change))
        shown = [watching.line().encode()]
    wait_synced(phone, laptop)
    for words in (["get", "evil/text"], ["get", "evil/text", "plain"], ["ls"], ["status"]):
        shown.append(run_on_terminal(phone.home, *words, NO_COLOR="1").out)
        shown.append(run_on_terminal(phone.home, "--json", *words, NO_COLOR="1").out)
    shown.append(phone.run("--json", "get", "evil/text").out)
    for output in shown:
        assert not set(output.decode()) & set("\x1b\x9b\u202e\u2066\x7f"), output
    assert phone.value("evil/text") == {f"f{STEERING}": f"v{STEERING}", "plain": STEERING}
    assert phone.run("get", "evil/text", "plain").out.decode() == STEERING + "\n", "a pipe gets it"


def test_one_device_has_so_many_journals_and_no_more(
    scene: tuple[Device, Device, Intruder],
) -> None:
    laptop, phone, eve = scene
    with eve.dial(laptop.listening()) as line:
        for number in range(JOURNALS_PER_DEVICE_MAX + 4):
            writer = eve.another_journal()
            change = new_record(writer.journal.author, f"journal{number}", {"a": 1})
            line.say_entries(entry_of(writer, change))
        assert not line.wait_cut()
    laptop.do("set", "notes/after", "body=2")
    wait_synced(laptop, phone)
    made = [path for path in phone.paths() if path.startswith("evil/")]
    assert 0 < len(made) <= JOURNALS_PER_DEVICE_MAX
