"""What shows that a store is the one that was written last, and not an older copy of it.

Beside the database lie two small files that are not part of it. The *witness* holds a random stamp
that the database holds too, the database's inode number and a hash of the machine's id; the
database in turn holds the witness's inode number and change time. The *seal* is there after a
clean stop only and holds the database's change time and size. User space cannot set a change time,
so a file that was put back has another one, even in place and with its old name and times.

The stamp is drawn anew at every opening and every WITNESS_BATCHES batches, so that a database of
another time has another stamp than the witness. Four steps, each durable before the next, renew
it: the seal goes; the database notes the next stamp; the witness takes it; the database takes it.
A crash between any two leaves a pair that is accepted, and the next renewal begins with the last
step where that is missing: noted over, the stamp of the witness would be nobody's.

The number of the device (`st_dev`) is not compared: btrfs and LVM hand out another one at every
mount. docs/protocol/journal.md, "Forks", says what is caught where.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from p2pvault.crypto.hashing import digest
from p2pvault.errors import KeyUnavailable, RemoteProtocolError, StoreError
from p2pvault.limits import INTEGER_MAX, WITNESS_BYTES_MAX
from p2pvault.store.cipher import Connection, transaction
from p2pvault.store.faults import os_fault
from p2pvault.store.home import HomeFiles
from p2pvault.store.private_file import flush_names, read_private, remove_durably, write_private
from p2pvault.types import Doubt
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.shape import Shape, binary, exactly, structure, to_tree, unsigned

T = TypeVar("T")

FORMAT: Final = 1
"""Version of both files; another one is taken as no file."""

STAMP_BYTES: Final = 16
"""Random, so that two stores never have the same one."""

_MACHINE_ID: Final = Path("/etc/machine-id")
_MACHINE_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class _Witness:
    """The content of the witness; `machine` is empty where the machine has no id."""

    format: int
    stamp: bytes
    inode: int
    machine: bytes


@dataclass(frozen=True, slots=True)
class _Seal:
    """The content of the seal: the database as a clean stop left it."""

    format: int
    stamp: bytes
    ctime_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class _File:
    """What tells one state of one file from another."""

    inode: int
    ctime_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class _Row:
    """The database's side; `next` is the stamp that the witness may have taken already."""

    stamp: bytes
    next: bytes
    inode: int
    ctime_ns: int


_number = unsigned(INTEGER_MAX)
_read_witness = structure(_Witness, _number, exactly(STAMP_BYTES), _number, binary(_MACHINE_BYTES))
_read_seal = structure(_Seal, _number, exactly(STAMP_BYTES), _number, _number)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The files as they were before anything was opened.

    Attributes:
        database: The database file.
        log_bytes: Size of the write-ahead log, 0 where there is none.
        witness: What the witness says, None where it cannot be read.
        witness_file: The witness file, None where there is none.
        seal: What the seal says, None where there is none.
    """

    database: _File
    log_bytes: int
    witness: _Witness | None
    witness_file: _File | None
    seal: _Seal | None


def gather(files: HomeFiles) -> Evidence:
    """Look at the files of an existing store, before SQLite touches them.

    Raises:
        StoreUnwritable: They cannot be looked at.
    """
    database = _look(files.database)
    assert database is not None, "there is a store"
    log = _look(files.log)
    return Evidence(
        database,
        0 if log is None else log.size,
        _content(files.witness, _read_witness),
        _look(files.witness),
        _content(files.seal, _read_seal),
    )


class Witness:
    """Keeps the two files and the database's side in step, for one opened store."""

    def __init__(
        self, files: HomeFiles, key: bytes, entropy: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._files = files
        self._machine = _machine(key)
        self._entropy = entropy
        self._stamp: bytes | None = None

    def doubt(self, connection: Connection, evidence: Evidence) -> Doubt | None:
        """Say what contradicts that this is the store that was written last; None: nothing.

        A store that was never vouched for is not doubted: it is new.
        """
        row = _row(connection)
        if row is None:
            return None
        witness = evidence.witness
        if witness is None or witness.format != FORMAT:
            return Doubt.UNWITNESSED
        if witness.machine and self._machine and witness.machine != self._machine:
            return Doubt.MACHINE
        if witness.inode != evidence.database.inode:
            return Doubt.COPIED
        return _stamps(row, witness, evidence) or _sealed(row, evidence)

    def renew(self, connection: Connection) -> None:
        """Vouch for the store as it is now, under a new stamp.

        Raises:
            StoreFull, StoreUnwritable: A file cannot be written; the old stamp still holds.
        """
        remove_durably(self._files.seal)
        self._finish(connection)
        stamp = self._entropy(STAMP_BYTES)
        with transaction(connection):
            # Nothing where nobody vouched before: half of a first time is no time.
            connection.execute("UPDATE witness SET next = ?", (stamp,))
        database = _look(self._files.database)
        assert database is not None, "the database is open"
        content = _Witness(FORMAT, stamp, database.inode, self._machine)
        write_private(self._files.witness, pack(to_tree(content)))
        self._take(connection, stamp)

    def _finish(self, connection: Connection) -> None:
        """Do the last step of a renewal that got as far as the witness and no further."""
        row, witness = _row(connection), _content(self._files.witness, _read_witness)
        if row is not None and witness is not None and witness.stamp == row.next != row.stamp:
            flush_names(self._files.home)  # renaming it may be what failed
            self._take(connection, witness.stamp)

    def _take(self, connection: Connection, stamp: bytes) -> None:
        file = _flushed(self._files.witness)
        with transaction(connection):
            connection.execute(
                "INSERT OR REPLACE INTO witness VALUES (0, ?, ?, ?, ?)",
                (stamp, stamp, file.inode, file.ctime_ns),
            )
        self._stamp = stamp

    def seal(self) -> None:
        """Note how a clean stop left the database; the connection is closed by now.

        Without a seal the next opening takes the stop for a crash, which is safe, so that it
        cannot be written is no error.
        """
        log = _look(self._files.log)
        if self._stamp is None or (log is not None and log.size):
            return
        with suppress(StoreError):
            _seal(self._files, self._stamp)


def fitting_stamp(files: HomeFiles) -> bytes | None:
    """Return the stamp of a seal that fits its closed database; None where it does not.

    Raises:
        StoreUnwritable: The files cannot be looked at.
    """
    evidence = gather(files)
    seal = evidence.seal
    return seal.stamp if seal is not None and _fits(seal, evidence) else None


def seal_mended(files: HomeFiles, stamp: bytes) -> None:
    """Seal a closed database again, whose seal fitted until a damaged page was put right in it.

    Mending sets the change time, which would otherwise speak for a file that was put back. Where
    the seal cannot be written it does not fit any more, which costs a new journal and is safe.

    Args:
        files: Of a home whose lock was held from before `fitting_stamp` on.
        stamp: What that said.
    """
    with suppress(StoreError):
        _seal(files, stamp)


def _seal(files: HomeFiles, stamp: bytes) -> None:
    file = _flushed(files.database)
    content = _Seal(FORMAT, stamp, file.ctime_ns, file.size)
    write_private(files.seal, pack(to_tree(content)))


def _stamps(row: _Row, witness: _Witness, evidence: Evidence) -> Doubt | None:
    if witness.stamp == row.next != row.stamp:
        return None  # a crash between the witness and the database; the seal was gone by then
    if witness.stamp != row.stamp:
        return Doubt.ANOTHER_TIME
    file = evidence.witness_file
    if file is None or (file.inode, file.ctime_ns) != (row.inode, row.ctime_ns):
        return Doubt.COPIED
    return None


def _sealed(row: _Row, evidence: Evidence) -> Doubt | None:
    seal = evidence.seal
    if seal is None or (seal.stamp == row.stamp and _fits(seal, evidence)):
        return None
    return Doubt.REPLACED


def _fits(seal: _Seal, evidence: Evidence) -> bool:
    database = evidence.database
    intact = _Seal(FORMAT, seal.stamp, database.ctime_ns, database.size)
    return seal == intact and not evidence.log_bytes


def _row(connection: Connection) -> _Row | None:
    found = connection.execute("SELECT stamp, next, inode, ctime_ns FROM witness").fetchone()
    return None if found is None else _Row(*found)


def _content(path: Path, read: Shape[T]) -> T | None:
    try:
        return read(unpack(read_private(path, WITNESS_BYTES_MAX)))
    except (KeyUnavailable, RemoteProtocolError):
        return None


def _look(path: Path) -> _File | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise os_fault(f"cannot look at {path}", error) from error
    return _File(status.st_ino & INTEGER_MAX, status.st_ctime_ns, status.st_size)


def _flushed(path: Path) -> _File:
    """Make the times of a file durable too, and return what they are.

    Flushing content may leave them out (fdatasync), and renaming sets one after the flush.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise os_fault(f"cannot flush {path}", error) from error
    file = _look(path)
    assert file is not None, "it was just opened"
    return file


def _machine(key: bytes) -> bytes:
    """Return a hash of the machine's id that means nothing outside this store."""
    try:
        identity = _MACHINE_ID.read_bytes()
    except OSError:
        return b""
    return digest(b"p2pv-machine", key, identity.strip())
