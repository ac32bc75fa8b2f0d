"""Records and changes for tests: values to draw, devices that edit, and chunks made by hand."""

import hashlib
import zlib
from dataclasses import dataclass
from random import Random

from automerge import core
from hypothesis import strategies as st

from p2pvault.crdt.chunk import encode_unsigned, frame
from p2pvault.crdt.prefilter import Change, inspect
from p2pvault.crdt.record import Record
from p2pvault.crdt.values import Timestamp, Value
from p2pvault.limits import INTEGER_MAX, TIMESTAMP_MS_MAX, TIMESTAMP_MS_MIN
from p2pvault.types import AuthorId

ADA = AuthorId(b"a" * 16)
BOB = AuthorId(b"b" * 16)
EVE = AuthorId(b"e" * 16)
AUTHORS = (ADA, BOB, EVE)

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
fields = st.one_of(
    st.sampled_from(["name", "body", "notes", "list", "address", "$time"]),
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=5),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-INTEGER_MAX - 1, INTEGER_MAX),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    st.text("ab \n", min_size=100, max_size=140),
    st.binary(max_size=8),
    st.builds(Timestamp, st.integers(TIMESTAMP_MS_MIN, TIMESTAMP_MS_MAX)),
)
values: st.SearchStrategy[Value] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(fields, inner, max_size=4),
    max_leaves=12,
)
data = st.dictionaries(fields, values, max_size=5)


@dataclass
class Device:
    """One replica of a record, and every change that it has seen."""

    record: Record
    changes: dict[bytes, Change]

    def edit(self, wanted: dict[str, Value]) -> None:
        self._keep(self.record.commit(wanted))

    def delete(self) -> None:
        self._keep(self.record.delete())

    def _keep(self, chunk: bytes | None) -> None:
        if chunk is not None:
            change = inspect(chunk)
            self.changes[change.hash] = change

    def meet(self, other: "Device") -> None:
        """Exchange what the other has not seen, both ways."""
        missing_here = [change for key, change in other.changes.items() if key not in self.changes]
        missing_there = [change for key, change in self.changes.items() if key not in other.changes]
        for device, missing in ((self, missing_here), (other, missing_there)):
            if missing:
                device.record.apply(missing)
                device.changes |= {change.hash: change for change in missing}


def devices(data: dict[str, Value], authors: tuple[AuthorId, ...] = AUTHORS) -> list[Device]:
    """Return replicas of one new record, made by the first author."""
    record, chunk = Record.create(authors[0], "notes", "one", data)
    change = inspect(chunk)
    replicas = [Device(record, {change.hash: change})]
    replicas += (
        Device(Record.receive(author, [change]), {change.hash: change}) for author in authors[1:]
    )
    return replicas


def random_value(random: Random, depth: int = 3) -> Value:
    """Return a small random value, for bulk where Hypothesis is too slow."""
    word = "".join(random.choices("abc äß\n🎉", k=random.randrange(9)))
    leaves: list[Value] = [None, True, random.randrange(-9, 300), random.random(), word]
    leaves += [word.encode(), Timestamp(random.randrange(10**13)), word * 9]
    kind = random.randrange(5) if depth else 0
    if kind == 3:
        return [random_value(random, depth - 1) for _ in range(random.randrange(4))]
    if kind == 4:
        return random_data(random, depth - 1)
    return random.choice(leaves)


def random_data(random: Random, depth: int = 3) -> dict[str, Value]:
    """Return random fields, from few names so that edits meet."""
    names = random.sample(["body", "name", "list", "address", "n", "x"], random.randrange(5))
    return {name: random_value(random, depth) for name in names}


def sealed(body: bytes) -> bytes:
    """Return a change chunk with this body and a checksum that is right."""
    framed = b"\x01" + encode_unsigned(len(body)) + body
    return b"\x85\x6f\x4a\x83" + hashlib.sha256(framed).digest()[:4] + framed


def deflated(body: bytes) -> bytes:
    """Return the same change, deflated."""
    plain = sealed(body)
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = squeezer.compress(body) + squeezer.flush()
    return plain[:8] + b"\x02" + encode_unsigned(len(data)) + data


def body_of(chunk: bytes) -> bytes:
    """Return the body of a plain change chunk."""
    part = frame(chunk)
    assert part.kind == 1
    return chunk[part.start : part.stop]


def assembled(
    columns: dict[int, bytes],
    *,
    deps: list[bytes] | None = None,
    actor: bytes = ADA,
    sequence: bytes = b"\x01",
    start_op: bytes = b"\x01",
    rest: bytes = b"",
) -> bytes:
    """Return the body of a change with hand-made columns, in the order given."""
    head = encode_unsigned(len(deps or [])) + b"".join(deps or [])
    head += bytes([len(actor)]) + actor + sequence + start_op + b"\x00\x00\x00"
    specs = b"".join(encode_unsigned(key) + encode_unsigned(len(columns[key])) for key in columns)
    return head + encode_unsigned(len(columns)) + specs + b"".join(columns.values()) + rest


class RawDocument:
    """The engine without our rules: what a program that is not ours could make."""

    def __init__(self, actor: bytes, chunks: bytes = b"") -> None:
        self.document = core.Document.load(chunks) if chunks else core.Document(actor)
        self.document.set_actor(actor)

    def child(self, obj: bytes, key: str) -> bytes:
        entry = self.document.get(obj, key)
        assert entry is not None
        return entry[1]

    def change(self, *operations: tuple[object, ...]) -> bytes:
        """Run operations `(method, *arguments)` in one transaction; return the change."""
        transaction = self.document.transaction()
        try:
            for method, *arguments in operations:
                getattr(transaction, str(method))(*arguments)
        finally:
            transaction.commit()
        change = self.document.get_last_local_change()
        assert change is not None
        return bytes(change.raw_bytes)
