"""Fuzzing a whole device with what a member says to it: one message after the other, of any kind.

An input is a list of messages: a byte for the kind, two for the length of the body, the body. They
come over a real link from a member whose own device stays honest, so afterwards both must be well:
what was held is held, and the two prove that they are equal.
"""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache

from fuzz.target import Target
from harness.entropy import seeded
from harness.headers import forged
from harness.memory_store import MemoryStore
from harness.pairs import entries_of, link_up, say, world_of
from harness.party import Party
from harness.proofs import assert_proved
from harness.world import World
from p2pvault.core.kinds import Kind
from p2pvault.core.start import device_of
from p2pvault.limits import KIB
from p2pvault.protocol import bootstrap, fork, introduction, ranges, reconcile, snapshot
from p2pvault.protocol.bootstrap import CutHead, Wanted
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.fork import Fork, Word
from p2pvault.protocol.interest import Interests, Statement
from p2pvault.protocol.journal import header_of
from p2pvault.protocol.ranges import FIRST, RangeList, RangeSum
from p2pvault.protocol.snapshot import RecordSnapshot
from p2pvault.types import Address, AuthorId, EntryHash, JournalHead, RecordId

KINDS = [kind for kind in Kind if kind is not Kind.RUNS_TWICE]
"""A device that is told that it runs twice keeps to itself for a while, as it should."""

Said = tuple[Kind, bytes]


def run(data: bytes) -> Iterator[None]:
    """Say messages; what was held stays, and the two go on on another link."""
    world, ada, bob = _world()
    before = world.values(bob)
    yield
    for message in _messages(data):
        if not (ada.device.links.up() and bob.device.links.up()):
            break
        say(world, ada, bob, message)
        world.run()
        yield
    assert world.values(bob) == before
    world.restart(ada)
    world.restart(bob)
    world.pass_time(60)
    world.put(bob, "notes/after", n=1)
    world.pass_time(1)
    assert world.values(bob).items() >= before.items()
    assert_proved(world)


def _world() -> tuple[World, Party, Party]:
    """Return two linked devices that start from the same stores each time."""
    world = World("fuzz")
    for number, (name, store) in enumerate(_stores(), start=1):
        held = deepcopy(store)
        device = device_of(held.state(), seeded(name))
        party = Party(name, Address(f"10.0.0.{number}", 4_000), held, device)
        world.parties.append(party)
        world.restart(party)
    ada, bob = world.parties
    link_up(world, ada, bob)
    world.run()
    return world, ada, bob


@cache
def _stores() -> list[tuple[str, MemoryStore]]:
    """Make two devices that have met; some of what they hold is never the same twice."""
    world, (ada, bob) = world_of(2)
    for party, name in ((ada, "one"), (bob, "two")):
        world.put(party, f"notes/{name}", by=party.name)
    world.put(ada, "notes/two", ada="was here")
    return [(party.name, party.store) for party in (ada, bob)]


def _messages(data: bytes) -> Iterator[Said]:
    while len(data) >= 3:
        size = int.from_bytes(data[1:3], "little")
        yield KINDS[data[0] % len(KINDS)], data[3 : 3 + size]
        data = data[3 + size :]


def _packed(*messages: Said) -> bytes:
    return b"".join(
        bytes([KINDS.index(kind)]) + len(body).to_bytes(2, "little") + body
        for kind, body in messages
    )


def seeds() -> list[bytes]:
    """Return conversations that get far: cuts, repairs, forks, refusals, headers, introductions."""
    world, ada, bob = _world()
    content = ada.device.pipeline.durable
    heads = tuple(content.journals.values())
    stored = ada.store.records([row.id for row in ada.store.rows(None, None, 9)])
    wholes = [RecordSnapshot(s.row.id, s.row.heads, b"".join(s.chunks)) for s in stored]
    (bodies,) = snapshot.encode_snapshots(wholes)
    author = ada.device.pipeline.author
    more = CutHead(AuthorId(b"\xff" * 16), ada.id, 4, EntryHash(b"h" * 32))
    have = reconcile.encode_have(reconcile.Have(heads, bytes(32)))
    longer = reconcile.Have((*heads, more.head), content.digest)
    other = reconcile.Have((JournalHead(author, 1, EntryHash(b"o" * 32)),), bytes(32))
    listed = tuple((each.record, b"s" * 16) for each in wholes)
    everything = RangeSum(FIRST, None, b"f" * 16)
    list_all = RangeList(FIRST, None, listed, asks=True)
    entries = [entry.data for entry in ada.store.entries(0, 1 << 20)]
    cut = (Kind.BEHIND, bootstrap.encode_cut((*content.cut, more)))
    records = (Kind.RECORDS, snapshot.encode_records(bodies, is_last=True))
    return [
        _packed(cut, (Kind.SNAPSHOTS, bodies), (Kind.SNAPSHOTS_END, bootstrap.encode_end())),
        _packed((Kind.SNAPSHOTS_WANTED, bootstrap.encode_wanted(Wanted(0, None, content.cut)))),
        _packed((Kind.HAVE, have), (Kind.RANGES, ranges.encode_ranges([everything]))),
        _packed((Kind.HAVE, have), (Kind.RANGES, ranges.encode_ranges([list_all])), records),
        _packed(
            (Kind.RECORDS_WANTED, snapshot.encode_wanted([each.record for each in wholes])),
            (Kind.RECORDS_WANTED, snapshot.encode_wanted([RecordId(b"n" * 16)])),
        ),
        _packed((Kind.HAVE, reconcile.encode_have(longer)), (Kind.HAVE, have)),
        _packed((Kind.HAVE, reconcile.encode_have(other))),
        *(_packed(*_forked(each)) for each in (author, bob.device.pipeline.author)),
        _packed((Kind.ENTRIES, encode_entries(entries))),
        _packed((Kind.REFUSED, reconcile.encode_refused([(author, 1)]))),
        _packed(*_introduced(world, ada)),
        _packed(*_kept(), (Kind.HAVE, have), *_headed(ada, bob)),
    ]


def _kept() -> list[Said]:
    """Statements of a device that forgets a collection after it has said that it is about to."""
    interests, notes = Interests(), frozenset({"notes"})
    said = (
        Statement(leaving=notes),
        Statement(forgotten=notes),
        Statement(partial=notes | {"photos"}),
    )
    bodies = [interests.say(each) for each in said]
    return [(Kind.INTEREST, body) for body in bodies if body is not None]


def _headed(ada: Party, bob: Party) -> list[Said]:
    """Headers: of an entry that is held, of one that never was, and of the receiver's own."""
    held = entries_of(ada)[0]
    made = [header_of(held, ["notes"])]
    made += [forged(ada, bob, each.device.pipeline.author, "notes") for each in (ada, bob)]
    return [(Kind.ENTRIES, encode_entries([each])) for each in made]


def _forked(author: AuthorId) -> list[Said]:
    said = [
        Fork(Word.CONTESTED, author),
        Fork(Word.ASK, author, (1, 2)),
        Fork(Word.ANSWER, author, (1,), (b"h" * 32,)),
        Fork(Word.GIVE_WAY, author),
    ]
    return [(Kind.FORK, fork.encode_fork(each)) for each in said]


def _introduced(world: World, ada: Party) -> list[Said]:
    members = ada.device.members
    greeting = introduction.Greeting(world.now.wall_ms, (ada.address,), bytes(16))
    known = introduction.Known(members.heads, tuple(members.secrets))
    operations = introduction.encode_operations([each.data for each in members.log.operations])
    return [
        (Kind.GREETING, introduction.encode(greeting)),
        (Kind.KNOWN, introduction.encode(known)),
        *((Kind.OPERATIONS, body) for body in operations),
        (Kind.SECRETS, introduction.encode_secrets(tuple(members.secrets.items()))),
    ]


TARGET = Target("member", run, seeds, 12 * KIB)
"""A membership log of two devices has 8 KiB."""
