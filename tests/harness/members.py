"""Devices that write membership operations, rightly or wrongly, and random histories of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from hypothesis import strategies as st

from harness.entropy import seeded
from p2pvault.crypto.hashing import digest
from p2pvault.crypto.keys import DeviceKeys, PublicKeys, device_id
from p2pvault.crypto.seal import SEAL_OVERHEAD_BYTES
from p2pvault.errors import MalformedMessage
from p2pvault.protocol.membership.epoch import epoch_id
from p2pvault.protocol.membership.evaluate import evaluate
from p2pvault.protocol.membership.log import MembershipLog
from p2pvault.protocol.membership.operation import (
    Accepted,
    Add,
    Content,
    DeviceCard,
    Genesis,
    JournalBound,
    MemberBox,
    NewEpoch,
    Operation,
    Recovery,
    Remove,
    Rename,
    SetRole,
    sign_genesis,
    sign_operation,
)
from p2pvault.protocol.membership.recovery import RecoveryKey
from p2pvault.protocol.membership.state import Membership
from p2pvault.protocol.membership.write import Author
from p2pvault.types import AuthorId, DeviceId, EpochId, OperationHash, Role

NOW_MS = 1_790_000_000_000
SEALED = bytes(32 + SEAL_OVERHEAD_BYTES)


@dataclass(frozen=True)
class Actor:
    """A device of the tests; its keys are the same in every run."""

    name: str

    @cached_property
    def keys(self) -> DeviceKeys:
        return DeviceKeys.generate(seeded(self.name))

    @cached_property
    def public(self) -> PublicKeys:
        return self.keys.public

    @cached_property
    def id(self) -> DeviceId:
        return device_id(self.public)

    @property
    def card(self) -> DeviceCard:
        return DeviceCard(self.public, self.name, "laptop")

    @property
    def author(self) -> Author:
        return Author(self.keys, seeded(self.name), NOW_MS)

    def append(self, log: MembershipLog, content: Content) -> MembershipLog:
        """Write, unsigned, on top of a log that was not signed either."""
        header = log.header(self.id, NOW_MS)
        ledger = log.ledger.copy()
        name = OperationHash(digest(b"p2pv-test", *header.prev, self.id, repr(content).encode()))
        place = (header.vault, header.prev, header.author, header.n, header.wall_ms)
        ledger.record(Operation(name, *place, content, b""))
        return MembershipLog(ledger)

    def write(self, log: MembershipLog, content: Content) -> MembershipLog:
        """Write without asking whether the rules allow it, as a hostile device would."""
        header = log.header(self.id, NOW_MS)
        return log.add([sign_operation(header, content, self.keys.signing)]).log


ALICE, BOB, CAROL, DAVE, ERIN = ACTORS = tuple(
    Actor(name) for name in ("alice", "bob", "carol", "dave", "erin")
)
JOURNALS = {actor: AuthorId(actor.id[:16]) for actor in ACTORS}


@dataclass(frozen=True)
class Keeper:
    """Somebody who has the words of a recovery key."""

    name: str

    @cached_property
    def key(self) -> RecoveryKey:
        return RecoveryKey.draw(seeded(self.name))

    @cached_property
    def id(self) -> DeviceId:
        return self.key.id

    def write(self, log: MembershipLog, content: Content) -> MembershipLog:
        """Write with the recovery key, wherever that leads."""
        header = log.header(self.id, NOW_MS)
        return log.add([sign_operation(header, content, self.key.signing)]).log


KEEPER, SUCCESSOR = Keeper("keeper"), Keeper("successor")
"""The recovery key of every vault of the tests, and one that may replace it."""


def genesis(first: Actor = ALICE, nonce: bytes = bytes(16)) -> MembershipLog:
    """Return the log of a new vault, without an epoch."""
    content = Genesis("home", first.card, KEEPER.key.public, nonce)
    return MembershipLog.load([sign_genesis(content, first.keys, NOW_MS)])


def add(actor: Actor, role: Role = Role.ADMIN) -> Add:
    return Add(actor.card, role, ())


def remove(actor: Actor, seen: int = 0) -> Remove:
    return Remove(actor.id, (JournalBound(JOURNALS[actor], seen),), "")


def epoch(
    log: MembershipLog, number: int, boxes: Iterable[Actor] = (), parents: Iterable[int] = ()
) -> NewEpoch:
    """Return an epoch whose secret is a number; its boxes hold nothing."""
    return NewEpoch(
        numbered_epoch(log, number),
        tuple(sorted({numbered_epoch(log, parent) for parent in parents})),
        tuple(sorted((MemberBox(actor.id, SEALED) for actor in boxes), key=lambda b: b.device)),
    )


def numbered_epoch(log: MembershipLog, number: int) -> EpochId:
    return epoch_id(log.vault, number.to_bytes(32, "big"))


def merged(*logs: MembershipLog) -> MembershipLog:
    """Return a log with everything that any of them has."""
    first, *others = logs
    for other in others:
        new = (operation.data for operation in other.operations if operation.hash not in first)
        first = first.add(new).log
    return first


def effect(log: MembershipLog) -> Membership:
    """Return what a log means, leaving out whom void operations only mention."""
    return replace(evaluate(log), fallen={})


def founded(*admins: Actor) -> MembershipLog:
    """Return a log in which the first actor founds the vault and admits the others as admins."""
    log = genesis(admins[0])
    for actor in admins[1:]:
        log = admins[0].write(log, add(actor))
    return log


def read(log: MembershipLog) -> tuple[Operation, ...]:
    """Return the operations of a log as values, in its order."""
    history = log.ledger.history
    return tuple(history[number] for number in range(len(history)))


def last(log: MembershipLog) -> OperationHash:
    """Return the operation that arrived last."""
    return log.operations[-1].hash


@dataclass(frozen=True)
class Past:
    """A random history.

    Attributes:
        stages: The logs that devices had in between; each is a subset of `whole`.
        whole: Everything that anybody wrote.
    """

    stages: tuple[MembershipLog, ...]
    whole: MembershipLog


_Write = Callable[[MembershipLog], Content]

_actors = st.sampled_from(ACTORS)
_authors: st.SearchStrategy[Actor | Keeper] = st.sampled_from((*ACTORS, KEEPER, SUCCESSOR))
_few = st.integers(0, 5)


def _accepted(log: MembershipLog, which: int, subject: Actor, n: int) -> Content:
    removals = [one for one in read(log) if isinstance(one.content, Remove)]
    target = removals[which % len(removals)].hash if removals else last(log)
    return Accepted(target, (JournalBound(JOURNALS[subject], n),))


def _epoch(log: MembershipLog, number: int, boxes: Iterable[Actor], follows: bool) -> Content:
    started = range(41) if follows else ()
    known = [one for one in started if numbered_epoch(log, one) in log.ledger.epochs]
    return epoch(log, number, boxes, known[:8])


_writes: st.SearchStrategy[_Write] = st.one_of(
    st.builds(lambda a, r: lambda log: add(a, r), _actors, st.sampled_from(Role)),
    st.builds(lambda a, n: lambda log: remove(a, n), _actors, _few),
    st.builds(lambda a, n: lambda log: remove(a, n), _actors, _few),
    st.builds(lambda a, r: lambda log: SetRole(a.id, r), _actors, st.sampled_from(Role)),
    st.builds(lambda a, n: lambda log: Rename(a.id, f"name {n}"), _actors, _few),
    st.builds(
        lambda n, boxes, parents: lambda log: _epoch(log, n, boxes, parents),
        st.integers(0, 40),
        st.sets(_actors, max_size=3),
        st.booleans(),
    ),
    st.builds(lambda w, a, n: lambda log: _accepted(log, w, a, n), _few, _actors, _few),
    st.just(lambda log: Recovery(SUCCESSOR.key.public)),
)


def _mixed() -> MembershipLog:
    """Two admins and two members."""
    log = ALICE.write(founded(ALICE, BOB), add(CAROL, Role.MEMBER))
    return BOB.write(log, add(DAVE, Role.MEMBER))


@st.composite
def pasts(draw: st.DrawFn, steps_max: int = 14) -> Past:
    """Draw a history: devices write on top of whatever any device knew at any time.

    So operations are concurrent, backdated and forked, by members, outsiders, removed devices
    and recovery keys alike; only what every log refuses is left out.
    """
    stages = [draw(st.sampled_from([genesis(), founded(*ACTORS[:4]), _mixed()]))]
    for _ in range(draw(st.integers(0, steps_max))):
        # Counted from the end, so that a shrunk history is a straight line.
        ages = draw(st.lists(st.integers(0, len(stages) - 1), min_size=1, max_size=2))
        base = merged(*(stages[-1 - age] for age in ages))
        actor, write = draw(_authors), draw(_writes)
        try:
            stages.append(actor.write(base, write(base)))
        except MalformedMessage:
            continue
    return Past(tuple(stages), merged(*stages))
