"""A member that says what no device of ours says, on links that are otherwise in order.

It lies on its links only: what its own device writes and holds stays true, so in the end it has to
be equal to all others. Nothing that it says may do more than end the link that it says it on.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from p2pvault.core.kinds import Kind
from p2pvault.crdt.record import Record
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.fork import Fork, Word, encode_fork
from p2pvault.protocol.introduction import encode_operations, encode_secrets
from p2pvault.protocol.journal import Journal, Writer, write_entry
from p2pvault.protocol.membership.operation import Rename, sign_operation
from p2pvault.protocol.reconcile import Have, encode_have
from p2pvault.types import EntryHash, JournalHead, JournalId, RecordId
from sim.sown import Sown

if TYPE_CHECKING:
    from sim.simulation import SimParty, Simulation

Message = tuple[int, bytes]


def lie_to(sim: "Simulation", liar: "SimParty", random: Random) -> str:
    """Let a device tell one lie to one peer; return which."""
    links = [link for link in liar.device.links.up() if link.introduced]
    if not links:
        return "to nobody"
    link = random.choice(links)
    liar.lies = True
    name, messages = _choose(sim, liar, random)
    if not messages:
        return f"{name}, but has none"
    data = b"".join(link.channel.seal(kind, body) for kind, body in messages)
    sim.network.write(liar, link.id, data)
    return name


def _choose(sim: "Simulation", liar: "SimParty", random: Random) -> tuple[str, Sequence[Message]]:
    """Return any lie, but half of the time the one that is seldom possible, if it is."""
    if random.random() < 0.5 and (messages := _relay_removed(liar, sim, random)):
        return "entries of a removed device", messages
    name, lie = random.choice(LIES)
    return name, lie(liar, sim, random)


Lie = Callable[["SimParty", "Simulation", Random], Sequence[Message]]


def _noise(_: "SimParty", __: "Simulation", random: Random) -> list[Message]:
    """A body that is nothing, under every kind there is."""
    return [(random.choice(list(Kind)), random.randbytes(random.randrange(200)))]


def _unknown_kind(_: "SimParty", __: "Simulation", random: Random) -> list[Message]:
    return [(random.randrange(100, 256), b"\x90")]


def _replay(liar: "SimParty", _: "Simulation", random: Random) -> list[Message]:
    """Entries that everybody has had for long: harmless, and acknowledged again."""
    return _some(liar, random, lambda entries: entries[: random.randrange(1, 9)])


def _backwards(liar: "SimParty", _: "Simulation", random: Random) -> list[Message]:
    return _some(liar, random, lambda entries: entries[::-1][:9])


def _changed(liar: "SimParty", _: "Simulation", random: Random) -> list[Message]:
    """An entry with one bit of it turned."""

    def turn(entries: list[bytes]) -> list[bytes]:
        data = bytearray(random.choice(entries))
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        return [bytes(data)]

    return _some(liar, random, turn)


def _some(
    liar: "SimParty", random: Random, choose: Callable[[list[bytes]], list[bytes]]
) -> list[Message]:
    entries = [stored.data for stored in liar.disk.all_entries() if len(stored.data) < 50_000]
    return [(Kind.ENTRIES, encode_entries(choose(entries)))] if entries else []


def _ahead(liar: "SimParty", _: "Simulation", random: Random) -> list[Message]:
    """The entry after the next: it leaves a gap in the liar's own journal."""
    return [(Kind.ENTRIES, encode_entries([_entry_after(liar, 1 + random.randrange(3))]))]


def _entry_after(liar: "SimParty", gap: int) -> bytes:
    device = liar.device
    writer = Writer(device.pipeline._writer.journal, device.members.keys)
    head = device.pipeline.newest.journals.get(writer.journal.author)
    n = (head.n if head is not None else 0) + gap
    after = JournalHead(writer.journal.author, n, EntryHash(bytes(range(32))))
    _, chunk = Record.create(writer.journal.author, "lies", "one", {"lie": 1})
    return write_entry(writer, after, (), 0, [(RecordId(bytes(16)), chunk)]).data


def _two_entries(liar: "SimParty", sim: "Simulation", random: Random) -> list[Message]:
    """An entry that its own device does not know: whatever that writes next is a second one.

    It claims, too, to hold what it sends. Not beside large edits: a branch with many of them may be
    too long to be mended.
    """
    if sim.plan.edit_bulky:
        return []
    sim.sown.kinds |= Sown.CLAIM
    journal, members = liar.device.pipeline._writer.journal, liar.device.members
    head = liar.device.pipeline.durable.journals.get(journal.author)
    sim.sown.may_fork(journal.author, head.n if head is not None else 0)
    _, chunk = Record.create(journal.author, "lies", "five", {"lie": random.randrange(100)})
    changes = [(RecordId(random.randbytes(16)), chunk)]
    entry = write_entry(Writer(journal, members.keys), head, members.durable.heads, 0, changes)
    return [(Kind.ENTRIES, encode_entries([entry.data]))]


def _two_operations(liar: "SimParty", sim: "Simulation", random: Random) -> list[Message]:
    """One operation or two that its own device does not know, under its next number."""
    log, device = liar.device.members.log, liar.id
    header = log.header(device, 0)
    sim.sown.may_contradict(device, header.n - 1)
    names = [f"liar {random.randrange(100)}" for _ in range(random.randint(1, 2))]
    signing = liar.device.members.keys.signing
    signed = [sign_operation(header, Rename(device, name), signing) for name in names]
    return [(Kind.OPERATIONS, body) for body in encode_operations(signed)]


def _stranger(liar: "SimParty", _: "Simulation", random: Random) -> list[Message]:
    """An entry by a device that nobody admitted."""
    keys = DeviceKeys.generate(random.randbytes)
    vault = liar.device.members.vault
    journal = Journal(vault, device_id(keys.public), JournalId(random.randbytes(16)))
    _, chunk = Record.create(journal.author, "lies", "two", {"lie": 2})
    entry = write_entry(Writer(journal, keys), None, (), 0, [(RecordId(bytes(16)), chunk)])
    return [(Kind.ENTRIES, encode_entries([entry.data]))]


def _forged(liar: "SimParty", _: "Simulation", random: Random) -> list[Message]:
    """A new journal of another member, signed by the liar."""
    others = liar.device.members.others
    if not others:
        return []
    journal = Journal(
        liar.device.members.vault, random.choice(others), JournalId(random.randbytes(16))
    )
    _, chunk = Record.create(journal.author, "lies", "three", {"lie": 3})
    writer = Writer(journal, liar.device.members.keys)
    entry = write_entry(writer, None, (), 0, [(RecordId(bytes(16)), chunk)])
    return [(Kind.ENTRIES, encode_entries([entry.data]))]


def _as_another(liar: "SimParty", _: "Simulation", random: Random) -> list[Message]:
    """A change under another's actor, in an entry that is the liar's own."""
    journal = Journal(liar.device.members.vault, liar.id, JournalId(random.randbytes(16)))
    _, chunk = Record.create(liar.device.pipeline.author, "lies", "four", {"lie": 4})
    writer = Writer(journal, liar.device.members.keys)
    entry = write_entry(writer, None, (), 0, [(RecordId(bytes(16)), chunk)])
    return [(Kind.ENTRIES, encode_entries([entry.data]))]


def _relay_removed(liar: "SimParty", sim: "Simulation", random: Random) -> list[Message]:
    """What a removed device wrote since, as if nobody had removed it."""
    held = liar.device.pipeline.durable.journals
    later = [
        stored.data
        for gone in sim.parties
        if gone.removed and not gone.wiped
        for stored in gone.disk.all_entries()
        if stored.author == gone.device.pipeline.author
        and stored.n > (held[stored.author].n if stored.author in held else 0)
    ]
    return [(Kind.ENTRIES, encode_entries(later[: random.randint(1, 3)]))] if later else []


def _claim(liar: "SimParty", sim: "Simulation", random: Random) -> list[Message]:
    """To hold what nobody wrote, with the content of nobody."""
    heads = sorted(liar.device.pipeline.durable.journals.values(), key=lambda head: head.author)
    if not heads:
        return []
    sim.sown.kinds |= Sown.CLAIM
    more = replace(random.choice(heads), n=1 << 40)
    return [(Kind.HAVE, encode_have(Have((more,), random.randbytes(32))))]


def _disclaim(liar: "SimParty", sim: "Simulation", random: Random) -> list[Message]:
    """To hold less than it said."""
    heads = [head for head in liar.device.pipeline.durable.journals.values() if head.n > 1]
    if not heads:
        return []
    sim.sown.kinds |= Sown.CLAIM
    less = replace(random.choice(heads), n=1)
    return [(Kind.HAVE, encode_have(Have((less,), random.randbytes(32))))]


def _give_way(liar: "SimParty", _: "Simulation", random: Random) -> list[Message]:
    """To take out a branch of a journal, which is the liar's own or another's."""
    authors = sorted(liar.device.pipeline.durable.journals)
    if not authors:
        return []
    return [(Kind.FORK, encode_fork(Fork(Word.GIVE_WAY, random.choice(authors))))]


def _false_secret(liar: "SimParty", _: "Simulation", random: Random) -> list[Message]:
    epoch = liar.device.members.membership.epochs[0].id
    return [(Kind.SECRETS, encode_secrets(((epoch, random.randbytes(32)),)))]


def _too_much(_: "SimParty", __: "Simulation", random: Random) -> list[Message]:
    """More of one kind than a link may carry."""
    return [(Kind.KNOWN, b"\x92\x90\x90")] * 8


LIES: tuple[tuple[str, Lie], ...] = (
    ("noise", _noise),
    ("a kind that there is not", _unknown_kind),
    ("old entries again", _replay),
    ("entries backwards", _backwards),
    ("a changed entry", _changed),
    ("an entry behind a gap", _ahead),
    ("an entry that its device does not know", _two_entries),
    ("operations that its device does not know", _two_operations),
    ("an entry by a stranger", _stranger),
    ("an entry in another's name", _forged),
    ("a change in another's name", _as_another),
    ("entries of a removed device", _relay_removed),
    ("more than it holds", _claim),
    ("less than it held", _disclaim),
    ("to give way", _give_way),
    ("a false secret", _false_secret),
    ("hello again and again", _too_much),
)
