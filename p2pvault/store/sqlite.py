"""The store on disk: SQLCipher, one writer, and readers beside it (`reader.py`).

A batch is one transaction in write-ahead mode with `synchronous=FULL`, so `persist` returns when
the batch is on the disk.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from p2pvault.errors import NoVault, StoreCorrupt, StoreError, StoreFull
from p2pvault.limits import WITNESS_BATCHES
from p2pvault.store import schema
from p2pvault.store.cipher import Connection, connect, transaction
from p2pvault.store.faults import translated
from p2pvault.store.fresh import put_in_place
from p2pvault.store.home import HomeFiles, make_database, make_home
from p2pvault.store.keepsake import (
    Keepsake,
    concerns,
    keepsake_of,
    read_keepsake,
    write_keepsake,
)
from p2pvault.store.lock import ExclusiveLock
from p2pvault.store.reader import SqliteReader
from p2pvault.store.traces import fold, forgets
from p2pvault.store.witness import Evidence, Witness, gather
from p2pvault.store.writes import write
from p2pvault.types import Batch, Doubt


class SqliteStore(SqliteReader):
    """The writer; `port.Store` says what each method promises."""

    _READS_ONLY = False

    def __init__(
        self,
        path: Path,
        connection: Connection,
        reopen: Callable[[], Connection],
        lock: ExclusiveLock,
        key: bytes,
    ) -> None:
        super().__init__(path, connection, reopen)
        self._lock = lock
        self._files, self._key = HomeFiles(path.parent), key
        self._witness = Witness(self._files, key)
        self._unwitnessed = WITNESS_BATCHES
        self.doubt: Doubt | None = None

    def persist(self, batch: Batch) -> None:
        """See `port.Store`."""
        if self._unwitnessed >= WITNESS_BATCHES and self.doubt is None:
            self.vouch()
        with self._using(), transaction(self._connection):
            write(self._connection, batch)
        self._unwitnessed += 1
        if concerns(batch):
            self._keep()
        if forgets(batch):
            with suppress(StoreError), self._using():  # the batch is durable all the same
                fold(self._connection)

    def examine(self, evidence: Evidence) -> None:
        """Doubt the store if what vouches for it says otherwise; else vouch for it from here on."""
        self.doubt = self._witness.doubt(self._connection, evidence)
        if self.doubt is None:
            # A full disk can be read from; what is written first vouches first, then.
            with suppress(StoreFull):
                self.vouch()

    def vouch(self) -> None:
        """See `port.Store`."""
        with self._using():
            self._witness.renew(self._connection)
        self.doubt, self._unwitnessed = None, 0

    def keep(self) -> None:
        """Bring the second copy of keys and membership up to date, where it is not."""
        with suppress(StoreError):  # as in `_keep`
            if self._kept() != self._worth_keeping():
                self._keep()

    def _kept(self) -> Keepsake | None:
        try:
            return read_keepsake(self._files, self._key)
        except StoreCorrupt:
            return None  # it is not there yet, or damaged

    def _keep(self) -> None:
        # The batch is durable by now, so a page that cannot be read is no reason to refuse it, and
        # whoever needs that page is told. The next opening tries again.
        with suppress(StoreError):
            write_keepsake(self._files, self._key, self._worth_keeping())

    def _worth_keeping(self) -> Keepsake:
        with self.standstill():
            return keepsake_of(self._meta(), tuple(self._operations()))

    def close(self) -> None:
        """See `port.Reader`. Folds the log file into the database, then lets others in."""
        try:
            super().close()
            if self.doubt is None:
                self._witness.seal()
        finally:
            self._lock.release()


def open_store(home: Path, key: bytes, *, create: bool = False) -> SqliteStore:
    """Open the vault's store for writing, and keep every other process out of it.

    A store that shows no sign of being an older state or a copy is vouched for at once; one that
    does has a `doubt`, and whoever opens it draws a new journal before it calls `vouch`.

    Args:
        home: The directory of the device.
        key: 32 bytes, `schedule.store_key`.
        create: Whether to make directory and store where they are missing.

    Raises:
        NoVault: There is no store and `create` is not set.
        StoreInUse: Another process has it open.
        StoreCorrupt: Wrong key, or damaged.
        StoreUnwritable: The directory or a file cannot be made or opened for writing.
        StoreFull: No room for the first pages.
        SchemaTooNew: A newer P2PVault wrote it.
    """
    files = make_home(home) if create else _existing(home)
    with ExitStack() as on_failure:
        lock = ExclusiveLock(files.lock)
        on_failure.callback(lock.release)
        put_in_place(files)
        if create:
            make_database(files.database)
        evidence = gather(files)
        with translated(files.database):
            opening = partial(connect, files.database, key, writable=True)
            connection = opening()
            on_failure.callback(connection.close)
            if not create:
                _refuse_empty(files.database, connection)
            schema.migrate(connection)
            store = SqliteStore(files.database, connection, opening, lock, key)
            store.examine(evidence)
        on_failure.pop_all()
    store.keep()
    return store


def open_reader(home: Path, key: bytes) -> SqliteReader:
    """Open a second, read-only connection to a store that this process has open for writing.

    Raises:
        NoVault: There is no store.
        StoreCorrupt: Wrong key, or damaged.
        StoreUnwritable: The file cannot be opened.
    """
    files = _existing(home)
    if files.database.stat().st_size == 0:
        # A crash right after making the file leaves this; a reader cannot even begin on it.
        raise NoVault(f"{files.database} was never filled")
    with ExitStack() as on_failure, translated(files.database, reads_only=True):
        opening = partial(connect, files.database, key, writable=False)
        connection = opening()
        on_failure.callback(connection.close)
        _refuse_empty(files.database, connection)
        on_failure.pop_all()
    return SqliteReader(files.database, connection, opening)


def _existing(home: Path) -> HomeFiles:
    files = HomeFiles(home)
    if not files.database.exists():
        raise NoVault(f"there is no vault in {home}")
    return files


def _refuse_empty(path: Path, connection: Connection) -> None:
    # A crash between making the file and making the tables leaves this; it holds nothing.
    if schema.version(connection) == 0:
        raise NoVault(f"{path} was never filled")
