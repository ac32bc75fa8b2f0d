"""Connections to an encrypted SQLite file, with every setting made and checked.

Nothing else in the project opens a database. Settings that change what is on the disk or what
a crash leaves are read back, because SQLite ignores a pragma that it does not know.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, cast

from sqlcipher3 import dbapi2

from p2pvault.crypto.hashing import digest
from p2pvault.limits import (
    STORE_BUSY_S,
    STORE_CACHE_BYTES,
    STORE_WAL_BYTES_KEPT,
    STORE_WAL_PAGES_MAX,
)

PAGE_BYTES: Final = 4096
"""Part of the file format: SQLCipher reads a file only with the page size it was made with."""

Row = tuple[Any, ...]
"""One row as SQLite returns it; the schema says what is in it."""


class Cursor(Protocol):
    """The part of a DB-API cursor that the store uses."""

    def fetchone(self) -> Row | None:
        """Return the next row."""
        ...

    def fetchall(self) -> list[Row]:
        """Return the remaining rows."""
        ...

    def __iter__(self) -> "Cursor": ...

    def __next__(self) -> Row: ...

    def close(self) -> None:
        """Reset the statement, which ends its read transaction."""
        ...


class Connection(Protocol):
    """The part of a DB-API connection that the store uses."""

    in_transaction: bool

    def execute(self, sql: str, parameters: Sequence[object] = (), /) -> Cursor:
        """Run one statement."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[object]], /) -> Cursor:
        """Run one statement once per tuple of parameters."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


# What has to read back as written. `cipher_status` is 1 only where pages are really encrypted.
_CHECKED: Final = (
    ("cipher_status", "1"),
    ("journal_mode", "wal"),
    ("synchronous", 2),
    ("foreign_keys", 1),
    ("secure_delete", 1),
    ("temp_store", 2),
)

_CIPHER_SETTINGS: Final = {
    f"PRAGMA cipher_page_size = {PAGE_BYTES};",
    "PRAGMA cipher_use_hmac = 1;",
    "PRAGMA cipher_plaintext_header_size = 0;",
    "PRAGMA cipher_hmac_algorithm = HMAC_SHA512;",
}


def connect(path: Path, key: bytes, *, writable: bool) -> Connection:
    """Open an existing file and configure the connection.

    The connection may be used in the calling thread only.

    Args:
        path: The database; an empty file is a new database.
        key: 32 bytes, `schedule.store_key`. It is used as it is, without a slow derivation.
        writable: Whether this is the writer. A reader needs a writer to be open.

    Raises:
        sqlcipher3.dbapi2.Error: See `faults.translated`.
    """
    mode = "rw" if writable else "ro"
    connection = dbapi2.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=STORE_BUSY_S,
        cached_statements=64,
    )
    with ExitStack() as on_failure:
        on_failure.callback(connection.close)
        # Not `PRAGMA key`, which would leave the key in the cache of prepared statements.
        connection.set_key(_key_specification(key))
        if writable and path.stat().st_size == 0:
            # Free pages can be given back only where this was said before the first table was made.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _configure(connection, writable=writable)
        on_failure.pop_all()
    return cast("Connection", connection)


@contextmanager
def transaction(connection: Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Commit what the block did, or roll all of it back when anything goes wrong.

    Args:
        connection: A connection outside a transaction.
        kind: `IMMEDIATE` to write; `DEFERRED` for several reads of one state.
    """
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # Some failures, a full disk among them, have ended the transaction already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _key_specification(key: bytes) -> str:
    """Return SQLCipher's raw form, `x'<key><salt>'`.

    The salt is derived too. SQLCipher would otherwise read it from the first 16 bytes of the file,
    where one flipped bit makes the whole file unreadable.
    """
    assert len(key) == 32, "a store key has 32 bytes"
    return f"x'{key.hex()}{store_salt(key).hex()}'"


def store_salt(key: bytes) -> bytes:
    """Return the 16-byte salt of a store, from its key."""
    return digest(b"p2pv-store-salt", key, size=16)


def _configure(connection: Connection, *, writable: bool) -> None:
    # SQLCipher prints its findings on stderr otherwise, besides returning them.
    connection.execute("PRAGMA cipher_log_level = NONE")
    connection.execute(f"PRAGMA cipher_page_size = {PAGE_BYTES}")
    if writable:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {STORE_WAL_PAGES_MAX}")
        connection.execute(f"PRAGMA journal_size_limit = {STORE_WAL_BYTES_KEPT}")
    else:
        connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute(f"PRAGMA cache_size = -{STORE_CACHE_BYTES // 1024}")
    _check(connection)


def _check(connection: Connection) -> None:
    for name, wanted in _CHECKED:
        row = connection.execute(f"PRAGMA {name}").fetchone()
        found = None if row is None else row[0]
        assert found == wanted, f"the database runs with {name} = {found!r}, not {wanted!r}"
    settings = {row[0] for row in connection.execute("PRAGMA cipher_settings")}
    assert settings >= _CIPHER_SETTINGS, f"the database is encrypted in another way: {settings}"
