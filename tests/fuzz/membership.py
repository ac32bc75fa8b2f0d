"""Fuzzing the membership log: bytes as they come, bodies signed by a member, and whole histories.

The first byte chooses the way.
"""

from collections.abc import Callable
from functools import cache

from fuzz.target import Target, chosen, pieces
from harness.members import (
    ACTORS,
    ALICE,
    BOB,
    CAROL,
    DAVE,
    Actor,
    add,
    effect,
    epoch,
    founded,
    last,
    merged,
    read,
    remove,
)
from harness.members import JOURNALS as OWN_JOURNALS
from p2pvault.crypto.keys import sign
from p2pvault.errors import RemoteProtocolError
from p2pvault.limits import OPERATION_BYTES_MAX
from p2pvault.protocol.membership.decode import decode
from p2pvault.protocol.membership.log import MembershipLog
from p2pvault.protocol.membership.operation import (
    Accepted,
    Content,
    JournalBound,
    Remove,
    Rename,
    SetRole,
    operation_hash,
)
from p2pvault.types import Role
from p2pvault.wire.codec import pack, unpack


@cache
def _base() -> MembershipLog:
    """Three admins and a member; one of the admins was removed, and an epoch follows."""
    log = founded(ALICE, BOB, CAROL)
    log = BOB.write(log, add(DAVE, Role.MEMBER))
    log = ALICE.write(log, remove(CAROL, 3))
    return ALICE.write(log, epoch(log, 1, (ALICE, BOB, DAVE)))


def run(data: bytes) -> None:
    """Try one way."""
    way, rest = chosen(3, data)
    (_plain, _signed, _history)[way](rest)


def _plain(data: bytes) -> None:
    """An operation that reads has one encoding, and changes a log or not, but no member alone."""
    try:
        signed = decode(data)
    except RemoteProtocolError:
        return
    assert signed.operation.data == data
    _take(data)


def _signed(data: bytes) -> None:
    """Any body, signed as its author would: who may write is the log's own decision."""
    who, body = chosen(len(ACTORS), data)
    if len(body) <= OPERATION_BYTES_MAX:
        _take(pack([body, sign(ACTORS[who].keys.signing, operation_hash(body))]))


def _take(data: bytes) -> None:
    log = _base()
    try:
        added = log.add([data])
    except RemoteProtocolError:
        return
    assert len(added.log) == len(log) + len(added.added)
    membership = effect(added.log)
    gone = effect(log).removed.keys()
    assert gone <= membership.removed.keys(), "who was removed stays removed"
    assert not gone & membership.members.keys()


def _history(data: bytes) -> None:
    """Any history means the same however it is cut and merged, and no log refuses itself."""
    stages = [_base()]
    for step in pieces(data[:48], 4):
        actor, kind, subject, age = (*step, 0, 0, 0)[:4]
        base = merged(stages[-1 - age % min(len(stages), 8)], stages[age // 16 % len(stages)])
        content = WRITES[kind % len(WRITES)](base, ACTORS[subject % len(ACTORS)], kind)
        try:
            stages.append(ACTORS[actor % len(ACTORS)].write(base, content))
        except RemoteProtocolError:
            continue
    whole = merged(*stages)
    again = merged(*reversed(stages))
    assert whole.heads == again.heads
    assert effect(whole) == effect(again)
    assert effect(MembershipLog.load(one.data for one in whole.operations)) == effect(whole)
    assert not effect(whole).members.keys() & effect(whole).removed.keys()


def _accepted(log: MembershipLog, subject: Actor, number: int) -> Content:
    removals = [one.hash for one in read(log) if isinstance(one.content, Remove)]
    named = removals[number % len(removals)] if removals else last(log)
    return Accepted(named, (JournalBound(OWN_JOURNALS[subject], number),))


def _epoch(log: MembershipLog, subject: Actor, number: int) -> Content:
    return epoch(log, number, (ALICE, subject), [1] if number % 2 else [])


WRITES: tuple[Callable[[MembershipLog, Actor, int], Content], ...] = (
    lambda _, subject, number: add(subject, (Role.ADMIN, Role.MEMBER)[number // 16 % 2]),
    lambda _, subject, number: remove(subject, number),
    lambda _, subject, number: SetRole(subject.id, (Role.ADMIN, Role.MEMBER)[number // 16 % 2]),
    lambda _, subject, number: Rename(subject.id, f"name {number}"),
    _epoch,
    _accepted,
)


def seeds() -> list[bytes]:
    """Return operations, their bodies under each author's byte, and a few histories."""
    whole = [one.data for one in _base().operations]
    bodies = []
    for operation in read(_base()):
        tree = unpack(operation.data, OPERATION_BYTES_MAX + 72)
        assert isinstance(tree, list)
        who = next(n for n, actor in enumerate(ACTORS) if actor.id == operation.author)
        bodies.append(bytes([who]) + bytes(tree[0]))  # type: ignore[arg-type]  # the signed bytes
    following = []
    for content in (Rename(DAVE.id, "new"), SetRole(DAVE.id, Role.ADMIN), remove(BOB)):
        tree = unpack(ALICE.write(_base(), content).operations[-1].data, 2 * OPERATION_BYTES_MAX)
        assert isinstance(tree, list)
        following.append(b"\x00" + bytes(tree[0]))  # type: ignore[arg-type]  # the signed bytes
    histories = [bytes(range(start, start + 48)) for start in (0, 16, 32, 100)]
    return [
        *(b"\x00" + one for one in whole),
        *(b"\x01" + one for one in [*bodies, *following]),
        *(b"\x02" + one for one in histories),
    ]


TARGET = Target("membership", run, seeds)
