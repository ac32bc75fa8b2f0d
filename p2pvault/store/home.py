"""Where the files of one home lie, and how its directory comes into being.

It names files and makes what is not there; what is in them is the business of `sqlite`, `slots`,
`witness` and `lock`.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from p2pvault.errors import StoreUnwritable
from p2pvault.store.faults import os_fault

DIRECTORY_MODE = 0o700
"""A home that P2PVault makes belongs to its owner only."""

FILE_MODE = 0o600
"""Every file in it is its owner's only, whatever the mode of the directory."""


@dataclass(frozen=True, slots=True)
class HomeFiles:
    """The paths inside one home directory.

    Attributes:
        home: The directory that holds everything of one device.
    """

    home: Path

    @property
    def database(self) -> Path:
        """The encrypted database; SQLite keeps `-wal` and `-shm` beside it."""
        return self.home / "vault.db"

    @property
    def keepsake(self) -> Path:
        """A second copy of this device's keys and membership, sealed."""
        return self.home / "vault.keys"

    @property
    def log(self) -> Path:
        """SQLite's write-ahead log: what is durable and not in the database file yet."""
        return self.home / "vault.db-wal"

    @property
    def witness(self) -> Path:
        """What vouches for the database; see `witness`."""
        return self.home / "vault.witness"

    @property
    def seal(self) -> Path:
        """How a clean stop left the database; not there otherwise."""
        return self.home / "vault.seal"

    @property
    def lock(self) -> Path:
        """The file whose lock the one writer holds."""
        return self.home / "vault.lock"

    @property
    def slots(self) -> Path:
        """The device master key, wrapped once per way to unlock it."""
        return self.home / "keys.slots"

    @property
    def device_key(self) -> Path:
        """The key that opens the slot of kind `file`."""
        return self.home / "device.key"


def make_home(home: Path) -> HomeFiles:
    """Make the directory where it is missing, and refuse one that others could tamper with.

    The mode of a directory that is there already is left alone: it may be one that the person
    uses for more than this. One that others can write to is refused, because whoever can
    rename files in it can replace the key file and the database.

    Raises:
        StoreUnwritable: It cannot be made, is no directory, or is not safe.
    """
    try:
        home.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        status = home.stat()
    except OSError as error:
        raise os_fault(f"cannot make the directory {home}", error) from error
    if status.st_uid != os.geteuid():
        raise StoreUnwritable(f"{home} belongs to another user (uid {status.st_uid})")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreUnwritable(
            f"{home} can be written to by other users", hint=f"Run `chmod 700 {home}`."
        )
    return HomeFiles(home)


def make_database(path: Path) -> None:
    """Make the file before SQLite does, with our mode; `-wal` and `-shm` inherit it.

    Raises:
        StoreUnwritable, StoreFull: It cannot be made.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    except OSError as error:
        raise os_fault(f"cannot make {path}", error) from error
