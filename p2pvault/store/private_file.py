"""Small secret files: read only when nobody else could have, written whole or not at all.

For keys, of a few hundred bytes. Nothing here knows what is in them.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from p2pvault.errors import KeyUnavailable
from p2pvault.store.faults import os_fault
from p2pvault.store.home import FILE_MODE


def read_private(path: Path, bytes_max: int) -> bytes:
    """Read a file that belongs to this user and that nobody else may open.

    Raises:
        KeyUnavailable: It is missing, not a plain file, someone else's, open to others, or longer
            than `bytes_max`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise KeyUnavailable(f"cannot open {path}: {error.strerror}") from error
    try:
        # Of the open file, not of the path, which could be another one by now.
        _refuse_exposed(path, os.fstat(descriptor))
        data = os.read(descriptor, bytes_max + 1)
    except OSError as error:
        raise KeyUnavailable(f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(data) > bytes_max:
        raise KeyUnavailable(f"{path} is longer than {bytes_max} bytes and cannot be a key")
    return data


def _refuse_exposed(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyUnavailable(f"{path} is not a plain file")
    if status.st_uid != os.geteuid():
        raise KeyUnavailable(f"{path} belongs to another user (uid {status.st_uid})")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(status.st_mode)
        raise KeyUnavailable(
            f"{path} is open to other users (mode {mode:04o})",
            hint=f"Run `chmod 600 {path}`. If others use this device, they may have read the key.",
        )


def write_private(path: Path, data: bytes) -> None:
    """Put a file of mode 0600 in place, durable when this returns, and complete at any moment.

    Written beside, flushed, renamed over, and the directory flushed: the order that POSIX
    rename(2) and fsync(2) need for a power cut to leave the old file or the new one. One process
    at a time may write a path; a leftover of a crash is overwritten.

    Raises:
        StoreFull: No room on the disk.
        StoreUnwritable: The directory refuses.
    """
    beside = path.with_name(path.name + ".new")
    try:
        _write_durably(beside, data)
        beside.replace(path)
        flush_directory(path.parent)
    except OSError as error:
        with suppress(OSError):  # half a file would keep the room that a full disk has left
            beside.unlink(missing_ok=True)
        raise os_fault(f"cannot write {path}", error) from error


def remove_durably(path: Path) -> None:
    """Remove a file, if it is there; a power cut does not bring it back once this returns.

    Raises:
        StoreUnwritable: The directory refuses.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise os_fault(f"cannot remove {path}", error) from error
    flush_names(path.parent)


def _write_durably(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, FILE_MODE), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def flush_names(path: Path) -> None:
    """Make the names in a directory durable.

    Raises:
        StoreFull, StoreUnwritable: The system refuses.
    """
    try:
        flush_directory(path)
    except OSError as error:
        raise os_fault(f"cannot flush {path}", error) from error


def flush_directory(path: Path) -> None:
    """Make the names in a directory durable.

    Raises:
        OSError: The system refuses.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
