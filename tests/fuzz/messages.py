"""Fuzzing the messages on a link and of a pairing: what is read is written as the same bytes.

The first byte chooses the kind of message, or, for the codec itself, none.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fuzz.target import Target, chosen
from harness.entropy import seeded
from harness.pairing import Meeting, joiner, sponsor
from harness.pairing import run as pair
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.errors import RemoteProtocolError
from p2pvault.limits import SNAPSHOT_BYTES_MAX
from p2pvault.protocol import (
    bootstrap,
    fork,
    handover,
    introduction,
    pairing,
    ranges,
    reconcile,
    snapshot,
)
from p2pvault.protocol.entries import decode_entries, encode_entries
from p2pvault.protocol.interest import Interests, Statement
from p2pvault.protocol.journal import Entry, Journal, Writer, decode_entry, header_of, write_entry
from p2pvault.protocol.pairing import Admit, Effect, Failed, Joiner, Sponsor
from p2pvault.protocol.pairing.messages import decode, encode, kind_of
from p2pvault.types import (
    Address,
    AuthorId,
    ChangeHash,
    DeviceId,
    EntryHash,
    JournalHead,
    JournalId,
    OperationHash,
    RecordId,
    VaultId,
)
from p2pvault.wire.codec import pack, unpack

VAULT = VaultId(b"v" * 32)
ADDRESSES = (Address("10.0.0.2", 47_474), Address("fe80::1%eth0", 1))


@dataclass(frozen=True)
class Format:
    """One kind of message: bytes in, the same bytes out."""

    again: Callable[[bytes], bytes]
    sample: bytes


def _head(n: int) -> JournalHead:
    return JournalHead(AuthorId(bytes([n]) * 16), n, EntryHash(bytes([n]) * 32))


def _entry(after: JournalHead | None = None) -> Entry:
    keys = DeviceKeys.generate(seeded("writer"))
    journal = Journal(VAULT, device_id(keys.public), JournalId(b"j" * 16))
    changes = [(RecordId(b"r" * 16), b"change"), (RecordId(b"s" * 16), b"")]
    return write_entry(Writer(journal, keys), after or _head(3), (), -1, changes)


def _series() -> list[bytes]:
    first = _entry()
    return [first.data, _entry(first.head).data, b"none"]


def _operations(body: bytes) -> bytes:
    return pack(list(introduction.decode_operations(body)))


def _interest(body: bytes) -> bytes:
    """A first statement that is heard is answered by saying so."""
    heard = Interests()
    heard.hear(body)
    answer = heard.say(Statement())
    assert (answer is not None) == (heard.their_serial == 1)
    return body


def _handover(body: bytes) -> bytes:
    """A log may be cut into parts in several ways; only what it holds has to be the same."""
    read = handover.decode_handover(body)
    assert handover.decode_handover(handover.encode_handover(read)) == read
    return body


def _ranges(body: bytes) -> bytes:
    """What is compared is sorted by where it begins; on the wire the two sorts are apart."""
    parts = ranges.decode_ranges(body)
    assert ranges.decode_ranges(ranges.encode_ranges(parts)) == parts
    assert len(ranges.encode_ranges(parts)) == len(body)
    return body


def _snapshots(body: bytes) -> bytes:
    """A record may be cut into pieces anywhere; only what they come to has to be the same."""
    assembly = snapshot.Assembly()
    wholes = assembly.take(body)
    assert sum(map(len, assembly.parts)) <= SNAPSHOT_BYTES_MAX
    assert bool(assembly.parts) == (assembly.pending is not None)
    again = snapshot.Assembly()
    assert [each for sent in snapshot.encode_snapshots(wholes) for each in again.take(sent)] == (
        wholes
    )
    return body


def _end(body: bytes) -> bytes:
    bootstrap.decode_end(body)
    return bootstrap.encode_end()


def _records(body: bytes) -> bytes:
    read = snapshot.decode_records(body)
    return snapshot.encode_records(read.pieces, is_last=read.is_last)


CUT = (
    bootstrap.CutHead(_head(1).author, DeviceId(b"d" * 32), 1, _head(1).hash),
    bootstrap.CutHead(_head(2).author, DeviceId(b"e" * 32), 2**40, _head(2).hash),
)
PARTS = (
    ranges.RangeSum(ranges.FIRST, RecordId(b"b" * 16), b"f" * 16),
    ranges.RangeList(RecordId(b"b" * 16), None, ((RecordId(b"r" * 16), b"s" * 16),), asks=True),
)
WHOLE = snapshot.RecordSnapshot(RecordId(b"r" * 16), (ChangeHash(b"h" * 32),), b"chunks")

FORMATS = (
    Format(lambda body: pack(unpack(body)), pack([None, True, [1, -1, 2**63], b"bytes", "text"])),
    Format(
        lambda body: introduction.encode(introduction.decode_greeting(body)),
        introduction.encode(introduction.Greeting(1_790_000_000_000, ADDRESSES, bytes(16))),
    ),
    Format(
        lambda body: introduction.encode(introduction.decode_known(body)),
        introduction.encode(introduction.Known((OperationHash(b"h" * 32),), (b"e" * 32,))),
    ),
    Format(_operations, pack([b"one", b"two"])),
    Format(
        lambda body: introduction.encode_secrets(introduction.decode_secrets(body)),
        introduction.encode_secrets(((b"e" * 32, b"s" * 32),)),
    ),
    Format(
        lambda body: reconcile.encode_have(reconcile.decode_have(body)),
        reconcile.encode_have(reconcile.Have((_head(1), _head(2)), bytes(32))),
    ),
    Format(lambda body: encode_entries(decode_entries(body)), encode_entries(_series())),
    Format(
        _handover,
        handover.encode_handover(
            handover.Handover((b"one", b"two"), ((b"e" * 32, b"s" * 32),), ADDRESSES)
        ),
    ),
    Format(lambda body: decode_entry(body, VAULT).data, _entry().data),
    Format(
        lambda body: decode_entry(body, VAULT).data, header_of(_entry().data, ("notes", "photos"))
    ),
    Format(_interest, Interests().say(Statement(frozenset({"notes"}))) or b""),
    Format(
        lambda body: reconcile.encode_refused(reconcile.decode_refused(body)),
        reconcile.encode_refused([(AuthorId(b"a" * 16), 7), (AuthorId(b"b" * 16), 2**40)]),
    ),
    Format(
        lambda body: fork.encode_fork(fork.decode_fork(body)),
        fork.encode_fork(fork.Fork(fork.Word.ANSWER, _head(1).author, (1, 9), (bytes(32), b""))),
    ),
    Format(
        lambda body: bootstrap.encode_cut(bootstrap.decode_cut(body)), bootstrap.encode_cut(CUT)
    ),
    Format(
        lambda body: bootstrap.encode_wanted(bootstrap.decode_wanted(body)),
        bootstrap.encode_wanted(bootstrap.Wanted(0, RecordId(b"r" * 16), CUT)),
    ),
    Format(_end, bootstrap.encode_end()),
    Format(_snapshots, next(snapshot.encode_snapshots([WHOLE]))),
    Format(_ranges, ranges.encode_ranges(PARTS)),
    Format(
        lambda body: snapshot.encode_wanted(snapshot.decode_wanted(body)),
        snapshot.encode_wanted([RecordId(b"r" * 16), RecordId(b"s" * 16)]),
    ),
    Format(_records, snapshot.encode_records(b"pieces", is_last=True)),
)


def run_wire(data: bytes) -> None:
    """Read one kind of message; what is accepted has one encoding."""
    which, body = chosen(len(FORMATS), data)
    try:
        assert FORMATS[which].again(body) == body
    except RemoteProtocolError:
        return


def wire_seeds() -> list[bytes]:
    """Return one good message of every kind."""
    return [bytes([number]) + each.sample for number, each in enumerate(FORMATS)]


def run_pairing(data: bytes) -> None:
    """Read one message of a pairing, or feed a whole stream to one of its sides."""
    way, rest = chosen(3, data)
    if way == 0:
        _message(rest)
    else:
        _session(sponsor() if way == 1 else joiner(), rest)


def _message(data: bytes) -> None:
    kind, body = chosen(16, data)
    try:
        message = decode(kind, body)
    except RemoteProtocolError:
        return
    assert (kind_of(message), encode(message)) == (kind, body)


def _session(machine: Sponsor | Joiner, data: bytes) -> None:
    """Whatever comes, a side fails once and clearly, and never goes on without its person."""
    effects: list[Effect] = [*machine.start(), *machine.receive(data), *machine.lost()]
    assert machine.over
    assert sum(isinstance(effect, Failed) for effect in effects) == 1
    assert not any(isinstance(effect, Admit | pairing.Received) for effect in effects)


def pairing_seeds() -> list[bytes]:
    """Return every message of a whole pairing, and what each side receives in one."""
    streams = {"sponsor": b"", "joiner": b""}

    def record(sender: str, data: bytes) -> bytes:
        streams[sender] += data
        return data

    pair(Meeting(wire=record))
    return [
        *(b"\x00" + bytes([kind_of(message)]) + encode(message) for message in _every_message()),
        b"\x01" + streams["joiner"],
        b"\x02" + streams["sponsor"],
        b"\x01" + streams["joiner"][:60],
    ]


def _every_message() -> list[pairing.messages.PairingMessage]:
    m = pairing.messages
    keys = (b"k" * 32, b"k" * 32, bytes(m.BOX_PUBLIC_BYTES))
    sealed = bytes(m.SEED_BYTES + m.SEAL_OVERHEAD_BYTES)
    return [
        m.Hello((1,), bytes(16), m.Way.TYPED),
        m.Offer(1, bytes(16), 42, bytes(m.SHARE_BYTES)),
        m.Claim(bytes(m.SHARE_BYTES), bytes(32), bytes(m.TAG_BYTES)),
        m.Confirm(bytes(m.TAG_BYTES)),
        m.Refusal(m.Reason.BUSY),
        m.Introduction(*keys, "Ada's phone", "phone", bytes(64)),
        m.Presentation(
            *keys, "laptop", b"v" * 32, "home", 2, 1_780_000_000_000, sealed, bytes(32), bytes(64)
        ),
        m.Opening(bytes(32), bytes(32)),
        m.Accept(),
        m.Package(1_000),
        m.Part(b"part"),
        m.Stored(),
    ]


WIRE = Target("wire", run_wire, wire_seeds)
PAIRING = Target("pairing", run_pairing, pairing_seeds, 8_192)
