"""Feeds thousands of broken changes to the filter and to records; run as a program.

Every mutant has a right checksum, so nothing but the filter and the engine can tell. Prints one
line of counts as JSON, and ends with 1 when anything else than success or a `CrdtError` happened.
A process of its own, because what is tested is that this process does not die.
"""

import json
import sys
from collections import Counter
from random import Random

from harness.records import ADA, BOB, EVE, RawDocument, body_of, random_data, sealed
from p2pvault.crdt.engine import MAP, ROOT
from p2pvault.crdt.prefilter import inspect
from p2pvault.crdt.record import Record
from p2pvault.errors import ChangeRefused, CrdtError


def seeds(random: Random) -> tuple[Record, bytes, list[bytes]]:
    """Return a record, and plain changes of every sort that follow its creation."""
    record, first = Record.create(ADA, "notes", "one", {**random_data(random), "body": "a text"})
    raw = RawDocument(EVE, record.snapshot())
    other = Record.load(BOB, [record.snapshot()], record.heads)
    chunks = [raw.change(("put_object", raw.child(ROOT, "data"), "made", MAP))]
    for _ in range(6):
        chunk = other.commit(random_data(random) | {"body": f"a text {random.random()}"})
        if chunk is not None and chunk[8] == 1:
            chunks.append(chunk)
    return record, first, chunks


def mutate(body: bytes, random: Random) -> bytes:
    """Change one to three bytes: another value, one more, one less, or a piece twice."""
    mutant = bytearray(body)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(mutant))
        match random.randrange(5):
            case 0:
                mutant[at] = random.randrange(256)
            case 1:
                mutant[at] = (mutant[at] + random.choice((-1, 1))) % 256
            case 2:
                mutant.insert(at, random.randrange(256))
            case 3:
                del mutant[at]
            case _:
                mutant[at] ^= 1 << random.randrange(8)
    return bytes(mutant)


def outcome(record: Record, chunk: bytes) -> str:
    """Take a mutant through the filter, into a record, and through everything a record does."""
    try:
        change = inspect(chunk)
    except ChangeRefused:
        return "refused by the filter"
    try:
        if change.deps:
            changed = Record.load(ADA, [record.snapshot()], record.heads)
            before = changed.snapshot()
            changed.apply([change])
        else:
            before = b""
            changed = Record.receive(ADA, [change])
    except CrdtError:
        if change.deps:
            assert changed.snapshot() == before, "a refused change left its mark"
        return "refused by the record"
    try:
        value = changed.value()
        changed.commit({**value, "body": "another text", "more": [1]})
        changed.delete()
        changed.snapshot()
        changed.changed_fields(record.heads, changed.heads)
    except CrdtError:
        return "an error later"
    return "applied"


def main(seed: int, rounds: int) -> None:
    """Run `rounds` mutants of each of a few changes."""
    random = Random(seed)
    counts: Counter[str] = Counter()
    while counts.total() < rounds:
        record, first, chunks = seeds(random)
        for chunk in [first, *chunks]:
            if chunk[8] != 1:
                continue
            for _ in range(25):
                counts[outcome(record, sealed(mutate(body_of(chunk), random)))] += 1
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
