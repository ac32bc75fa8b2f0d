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
"""Changes in one entry; bulk writes of 10 000 records become ten entries."""

ENTRY_WORK_MAX: Final = 80_000
"""Work of one entry, and of one batch from a peer, in the unit of `crdt.prefilter.weigh`: 0.05 to
0.13 s by content, so that one message keeps below 0.25 s with the rest of what it costs. Without
it an entry of 178 KB with 1 000 run-length changes passes every other bound and takes 82 s."""

WORK_PER_CHANGE: Final = 40
"""What a change costs beside its operations and columns: 35 us, a document of the engine's."""

WORK_COLUMN_BYTES: Final = 5
"""Bytes of inflated columns, those of values left out, that cost as much as one operation: the
engine takes 1 us an operation, and the pre-filter 0.2 us a byte."""

ENTRY_BYTES_MAX: Final = 1 * MIB
"""One entry with its signature; the same as one control message, less its envelope."""

MEMBERSHIP_HEADS_MAX: Final = 8
"""Membership heads that an entry or an operation names: concurrent admins are few."""
