"""Who is found by whom, whatever epochs were started by whom, and whoever had heard of them."""

from dataclasses import dataclass, field
from itertools import permutations
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.entropy import seeded
from harness.pairs import only
from harness.party import Party
from harness.world import World
from p2pvault.core.beacon import Beacon
from p2pvault.core.book import Book
from p2pvault.core.io import Advertise, Effect, Expect
from p2pvault.core.members import Members
from p2pvault.crypto.entropy import Entropy
from p2pvault.limits import DISCOVERY_SLOT_S, GATE_EPOCHS_MAX
from p2pvault.protocol.membership import MembershipLog, start_epoch
from p2pvault.protocol.membership.write import Author
from p2pvault.types import Address, DeviceId, EpochId, Instant, Role

COUNT: Final = 4
TURNS: Final = 2 * (GATE_EPOCHS_MAX - 1)
"""Changes of names after which each older name was shown once."""

devices = st.integers(min_value=0, max_value=COUNT - 1)
starts = st.tuples(st.just("start"), devices, devices)
meetings = st.tuples(st.just("meet"), devices, devices)
renames = st.tuples(st.just("rename"), devices, devices)
generations = st.lists(st.sets(st.integers(min_value=0, max_value=COUNT - 2)), max_size=2)
histories = st.lists(st.one_of(starts, starts, meetings, renames), max_size=24)


@dataclass
class Someone:
    """One device: what it knows of the membership, and what it shows and expects."""

    members: Members
    entropy: Entropy
    book: Book = field(default_factory=lambda: Book([]))

    @property
    def gates(self) -> frozenset[EpochId]:
        return frozenset(self.members.membership.gates(self.members.secrets))

    def start(self) -> None:
        author = Author(self.members.keys, self.entropy, 1)
        self.members.adopt(start_epoch(self.members.log, author))

    def rename(self, number: int) -> None:
        now = Instant(0.0, 1)
        self.members.rename(now, self.entropy, self.members.device, f"name {number}")

    def hear(self, other: "Someone") -> None:
        """Take what a link brings: first how much the other one knows, then what that is."""
        newest = self.members.newest
        if newest is not None and newest.id in other.members.secrets:
            self.book[other.members.device].aware = newest.id
        self.members.learn(each.data for each in other.members.log.operations)
        self.members.learn_secrets(tuple(other.members.shared_secrets.items()))

    def knows_newest_of(self, other: "Someone") -> bool:
        newest = other.members.newest
        assert newest is not None
        return newest.operation in self.members.log

    def started_newest(self) -> bool:
        newest = self.members.newest
        assert newest is not None
        return self.members.log.author(newest.operation) == self.members.device


def vault() -> list[Someone]:
    """Make a vault of admins who know each other and its first epoch."""
    world = World()
    parties: list[Party] = [world.found("0")]
    parties += [world.join(str(number), parties[0], Role.ADMIN) for number in range(1, COUNT)]
    everything = [each.data for each in parties[0].device.members.log.operations]
    secrets = parties[0].device.members.secrets
    return [
        Someone(
            Members(party.device.members.keys, MembershipLog.load(everything), dict(secrets)),
            seeded(party.name),
        )
        for party in parties
    ]


def play(history: list[tuple[str, int, int]]) -> list[Someone]:
    people = vault()
    for number, (what, one, other) in enumerate(history):
        if what == "start":
            people[one].start()
        elif what == "rename":
            people[one].rename(number)
        elif one != other:
            mine, theirs = people[one], people[other]
            mine.hear(theirs)
            theirs.hear(mine)
    return people


def name(effects: list[Effect]) -> str:
    (shown,) = only(Advertise, effects)
    return str(shown.instance)


@dataclass
class Shown:
    """The names of one device in each turn, and those that it expects then."""

    names: list[str]
    expected: list[frozenset[str]]
    indices: list[int]


def turns(someone: Someone) -> Shown:
    beacon = Beacon(someone.members, someone.book, seeded("beacon"))
    now = Instant(0.0, 1_790_000_000_000)
    effects = beacon.listen_on(now, [Address("10.0.0.1", 4_000)])
    found = Shown([], [], [])
    for turn in range(TURNS + 1):
        found.names.append(name(effects))
        found.expected += [each.names for each in only(Expect, effects)]
        found.indices.append(beacon._keys.index(beacon._key()))
        later_s = (turn + 1) * DISCOVERY_SLOT_S
        effects = beacon.rotate(Instant(later_s, now.wall_ms + 1_000 * later_s))
    return found


def shown_by(people: list[Someone]) -> list[tuple[Someone, Shown]]:
    return [(each, turns(each)) for each in people]


@settings(max_examples=40)
@given(histories)
def test_whoever_started_its_newest_epoch_is_found_by_all_that_have_not_heard_of_it(
    history: list[tuple[str, int, int]],
) -> None:
    """Where an epoch is among the newest of both; the next test is about whoever has heard."""
    for (one, mine), (other, theirs) in permutations(shown_by(play(history)), 2):
        if not one.gates & other.gates or other.knows_newest_of(one):
            continue
        meetings = [a in b for a, b in zip(mine.names, theirs.expected, strict=True)]
        assert any(meetings) or not one.started_newest()


@settings(max_examples=40)
@given(generations, st.integers(min_value=0, max_value=2))
def test_two_sides_share_a_gate_while_each_went_on_two_times_however_many_epochs_these_are(
    starters: list[set[int]], alone: int
) -> None:
    """The last device has met nobody since the first epoch; the others meet after each time."""
    everybody = [("meet", *pair) for pair in permutations(range(COUNT - 1), 2)]
    history = [("start", COUNT - 1, 0)] * alone
    for each in starters:
        history += [*(("start", one, 0) for one in sorted(each)), *everybody]
    *others, last = play(history)
    assert all(one.gates & last.gates for one in others)


@settings(max_examples=40)
@given(histories)
def test_whoever_knows_the_newest_epoch_of_another_expects_its_first_name(
    history: list[tuple[str, int, int]],
) -> None:
    for (one, mine), (other, theirs) in permutations(shown_by(play(history)), 2):
        newest = one.members.newest
        assert newest is not None
        if newest.id in other.gates:
            assert mine.names[0] in theirs.expected[0]


@settings(max_examples=40)
@given(histories)
def test_names_of_older_epochs_are_shown_on_odd_turns_and_only_while_somebody_may_look_for_them(
    history: list[tuple[str, int, int]],
) -> None:
    people = play(history)
    for one in people:
        shown = turns(one).indices
        assert set(shown[::2]) == {0}
        newest = one.members.newest
        assert newest is not None
        told = all(_has_said_so(one, other.members.device) for other in people if other is not one)
        if told or not one.started_newest():
            assert set(shown) == {0}
        else:
            assert set(shown) == set(range(len(one.gates)))


def _has_said_so(one: Someone, device: DeviceId) -> bool:
    newest = one.members.newest
    assert newest is not None
    log = one.members.log
    after = {log.covers(op.prev, newest.operation) for op in _written_by(log, device)}
    return True in after or one.book[device].aware == newest.id


def _written_by(log: MembershipLog, device: DeviceId) -> list:
    history = log.ledger.history
    return [history[at] for at in range(len(history)) if history[at].author == device]
