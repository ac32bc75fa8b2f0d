"""Bounds of changes and entries."""

from typing import Final

from p2pvault.limits.units import KIB, MIB

CHANGE_BYTES_MAX: Final = 1 * MIB - 4 * KIB
"""One change on the wire; fits one entry of ENTRY_BYTES_MAX with its envelope."""

CHANGE_INFLATED_BYTES_MAX: Final = 4 * MIB
"""A deflated change may grow fourfold; 521 838 bytes can inflate to 512 MiB otherwise."""

CHANGE_OPERATIONS_MAX: Final = 65_536
"""Run lengths make a valid 69-byte change apply as 4 000 000 operations; this is 0.1 s of work."""

CHANGE_PREDECESSORS_MAX: Final = 4 * CHANGE_OPERATIONS_MAX
"""Operations that one change overwrites: more than one each only where devices conflicted."""

CHANGE_DEPENDENCIES_MAX: Final = 256
"""A change follows the heads of its record: at most one per concurrent writer in practice."""

CHANGE_ACTORS_MAX: Final = 256
"""Actors that one change refers to: one per store instance that ever wrote in the record."""

CHANGE_SEQUENCE_MAX: Final = 2**53 - 1
"""Changes by one author in one record; a number that every language's reader can hold."""

OPERATION_COUNTER_MAX: Final = 2**32 - 1
"""The engine counts the operations of a record in 32 bits (`verify_ops` in its change.rs)."""

ENTRY_CHANGES_MAX: Final = 1_000
"""Changes in one entry; bulk writes of 10 000 small records become twenty, by their work."""

ENTRY_WORK_MAX: Final = 72_000
"""Work of one entry, and of one batch from a peer, in the unit of `crdt.prefilter.weigh`: 0.12 to
0.2 s by content on a machine at half its speed, so that one message keeps below 0.25 s with the
rest of what it costs (tests/e2e/test_hostile_weight.py). Without it an entry of 178 KB with 1 000
run-length changes passes every other bound and takes 82 s."""

WORK_PER_ENTRY: Final = 100
"""What an entry costs beside its changes, and a header as well: it is read, its signature is
checked (70 us), and it is put into the store."""

MESSAGE_WORK_MAX: Final = ENTRY_WORK_MAX + WORK_PER_ENTRY
"""Work of the entries of one message: the heaviest one, or several that are no more together. 1 000
texts of 50 000 characters fit the 1 MiB of a message otherwise, and take 100 s."""

WORK_PER_CHANGE: Final = 100
"""What a change costs beside its operations and columns: a document of the engine's, which is made,
asked for its history and its layout, and put into the store: as much as 100 to 130 operations of a
text. A record of few fields is little else."""

WORK_COLUMN_BYTES: Final = 4
"""Bytes of inflated columns, those of values left out, that cost as much as one operation: the
engine takes 1 us an operation, and the pre-filter 0.2 us a byte. A text has next to none, and
other content several for each operation."""

WORK_VALUE_BYTES: Final = 64
"""Bytes of inflated values that cost as much as one operation: 20 ns each to inflate, hash, load
and save, on a machine at half its speed. 4 KB inflate to the 4 MiB that a change may have."""

ENTRY_BYTES_MAX: Final = 1 * MIB
"""One entry with its signature; the same as one control message, less its envelope."""

MEMBERSHIP_HEADS_MAX: Final = 8
"""Membership heads that an entry or an operation names: concurrent admins are few."""
