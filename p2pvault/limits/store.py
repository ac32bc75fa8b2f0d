"""Bounds of the store, its salvage and the ways to unlock it."""

from typing import Final

from p2pvault.limits.units import KIB, MIB

KEEPSAKE_BYTES_MAX: Final = 48 * MIB
"""The second copy of keys, membership and interest: the longest membership log is some 15 MB."""

SALVAGE_ROWS: Final = 16
"""Rows in one transaction of a salvage: an entry is up to 1 MiB, a record up to 16 MiB."""

PAGES_MENDED_MAX: Final = 1_000
"""Pages of which every bit is tried, 0.4 s each; a disk with more damage is past mending."""

PAGE_FAULTS_MAX: Final = 100
"""Damaged pages that are named; a store with more of them is lost in any case."""

STORE_WAL_PAGES_MAX: Final = 1_000
"""Pages in the write-ahead log that start a checkpoint; see docs/decisions/0003 for the stalls."""

STORE_WAL_BYTES_KEPT: Final = 16 * MIB
"""What a checkpoint leaves of the log file, so that it is not grown anew after each."""

STORE_CACHE_BYTES: Final = 8 * MIB
"""Decrypted pages per connection: the upper levels of every tree at 100 000 records."""

STORE_ROOM_BYTES: Final = 64 * KIB
"""Less room than this is a full disk: the `-shm` file of SQLite grows by 32 KiB at a time."""

STORE_BUSY_S: Final = 5.0
"""How long a connection waits for another; only recovery after a crash takes any time."""

WITNESS_BATCHES: Final = 256
"""Batches between two stamps: a store rolled back further is noticed after a crash too. Each costs
a flushed file and two commits, measured at 6 ms; at this rate that is 0.02 ms a commit."""

WITNESS_BYTES_MAX: Final = 1 * KIB
"""The witness and the seal of a store: a stamp, a hash and two numbers."""

STORE_CALLS_QUEUED_MAX: Final = 64
"""Calls that wait for one store thread; further callers wait outside, in their order."""

SLOTS_MAX: Final = 16
"""Ways to unlock one device: a key file, some passphrases, a keyring, a recovery key."""

SLOT_BYTES_MAX: Final = 1 * KIB
"""Parameters, or wrapped key, of one slot: a salt and two numbers, or 72 bytes."""

SLOT_KIND_CHARACTERS_MAX: Final = 32
"""The name of a slot's kind: one word."""

SLOTS_FILE_BYTES_MAX: Final = 64 * KIB
"""SLOTS_MAX slots at their largest, with room to spare."""

BULK_BYTES: Final = 128 * KIB
"""Written or read in one go, from which on it pays to give memory back when it is over: what a few
hundred small records take."""

BULK_OVER_S: Final = 1.0
"""Without bulk work until memory is given back: batches of one import follow each other in less."""

STORE_STATEMENT_ROWS: Final = 100
"""Rows in one statement: writing 10 000 records beside a thread that computes all the time takes
2.3 s with 100 rows in each, and 3.9 s with one. Statements stay prepared, rows and all."""
