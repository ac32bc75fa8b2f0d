"""The tables, their version, and the way from one version to the next.

`PRAGMA user_version` holds the version: 0 is a file without tables. Steps go forward only and
all that are needed are one transaction, so a crash leaves the version before or the present one. A
file of a newer version is refused untouched.
"""

from itertools import chain
from typing import Final

from p2pvault.errors import SchemaTooNew
from p2pvault.store.cipher import Connection, transaction

# Step i leads from version i to version i + 1.
#
# records.pk is a small number, so that a chunk and its index entry need not repeat 16 bytes.
# records_by_path answers `rows` and `count` without touching the table: `deleted` is in it.
# A large value stands last in its row, so that the columns before it are read without it.
_STEPS: Final = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT",
        """CREATE TABLE journals (
            author BLOB PRIMARY KEY, n INTEGER NOT NULL, hash BLOB NOT NULL
        ) WITHOUT ROWID, STRICT""",
        """CREATE TABLE entries (
            arrival INTEGER PRIMARY KEY, author BLOB NOT NULL, n INTEGER NOT NULL,
            hash BLOB NOT NULL, data BLOB NOT NULL, UNIQUE (author, n)
        ) STRICT""",
        """CREATE TABLE records (
            pk INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, collection TEXT NOT NULL,
            name TEXT NOT NULL, deleted INTEGER NOT NULL, heads BLOB NOT NULL
        ) STRICT""",
        "CREATE INDEX records_by_path ON records (collection, name, id, deleted)",
        """CREATE TABLE chunks (
            pk INTEGER PRIMARY KEY, record INTEGER NOT NULL REFERENCES records (pk),
            data BLOB NOT NULL
        ) STRICT""",
        "CREATE INDEX chunks_by_record ON chunks (record)",
        """CREATE TABLE fingerprints (
            collection TEXT PRIMARY KEY, total BLOB NOT NULL, count INTEGER NOT NULL
        ) WITHOUT ROWID, STRICT""",
        """CREATE TABLE operations (
            position INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, data BLOB NOT NULL
        ) STRICT""",
        """CREATE TABLE peers (
            device BLOB PRIMARY KEY, given BLOB NOT NULL, seen BLOB NOT NULL,
            last_seen_ms INTEGER NOT NULL
        ) WITHOUT ROWID, STRICT""",
    ),
    (
        """CREATE TABLE quarantine (
            position INTEGER PRIMARY KEY, author BLOB NOT NULL, n INTEGER NOT NULL,
            hash BLOB NOT NULL, device BLOB NOT NULL, since_ms INTEGER NOT NULL,
            size INTEGER NOT NULL, operations INTEGER NOT NULL, records BLOB NOT NULL,
            data BLOB NOT NULL, UNIQUE (author, n)
        ) STRICT""",
    ),
    # A journal whose first entries are not kept begins behind its base. What peers hold decides
    # which entries are kept.
    (
        """CREATE TABLE bases (
            author BLOB PRIMARY KEY, n INTEGER NOT NULL, hash BLOB NOT NULL
        ) WITHOUT ROWID, STRICT""",
        """CREATE TABLE acknowledged (
            device BLOB NOT NULL, author BLOB NOT NULL, n INTEGER NOT NULL,
            PRIMARY KEY (device, author)
        ) WITHOUT ROWID, STRICT""",
    ),
    (
        """CREATE TABLE witness (
            id INTEGER PRIMARY KEY CHECK (id = 0), stamp BLOB NOT NULL, next BLOB NOT NULL,
            inode INTEGER NOT NULL, ctime_ns INTEGER NOT NULL
        ) STRICT""",
    ),
    ("ALTER TABLE quarantine RENAME COLUMN operations TO work",),
)

VERSION: Final = len(_STEPS)
"""The version that this code writes."""


def version(connection: Connection) -> int:
    """Return the version of a file, 0 where there are no tables yet.

    Raises:
        SchemaTooNew: A newer P2PVault wrote it.
    """
    row = connection.execute("PRAGMA user_version").fetchone()
    found = 0 if row is None else int(row[0])
    if found > VERSION:
        raise SchemaTooNew(
            f"the store has version {found}; this P2PVault knows versions up to {VERSION}"
        )
    return found


def migrate(connection: Connection) -> None:
    """Bring a file to the present version, in one transaction: readers know no other version.

    Raises:
        SchemaTooNew: A newer P2PVault wrote it.
    """
    steps = _STEPS[version(connection) :]
    if not steps:
        return
    with transaction(connection):
        for statement in chain.from_iterable(steps):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
