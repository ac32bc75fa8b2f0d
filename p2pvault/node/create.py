"""Putting a vault on this device: the files, the keys, and the first batch of the store.

Blocking, and without trio: the command line does it itself when no daemon runs.
"""

from contextlib import closing
from dataclasses import dataclass, field
from os import urandom
from pathlib import Path
from time import monotonic, time

from p2pvault.core.start import NewVault, found_vault
from p2pvault.crypto.schedule import store_key
from p2pvault.errors import NoVault, StoreInUse, VaultExists
from p2pvault.protocol.recovery_words import write_words
from p2pvault.store.backup import drop_backup
from p2pvault.store.fresh import drop_unfinished
from p2pvault.store.home import HomeFiles, make_home
from p2pvault.store.slots import load_master_key, make_master_key
from p2pvault.store.sqlite import open_store
from p2pvault.types import DeviceId, Instant, VaultId

DEVICE_KIND = "computer"
"""What this kind of installation is called in the membership."""


@dataclass(frozen=True, slots=True)
class Created:
    """What was made.

    Attributes:
        recovery_words: The recovery key on paper: 24 words, which are told to the person.
    """

    vault_id: VaultId
    vault_name: str
    device_id: DeviceId
    device_name: str
    recovery_words: str = field(repr=False)


def has_vault(state: Path) -> bool:
    """Tell whether there is a vault in a home; an attempt that a crash cut short is none.

    Raises:
        StoreError: There is a store that cannot be looked into.
    """
    files = HomeFiles(state)
    if not files.database.exists():
        return False
    try:
        # The writer: a store of an older version has to be brought to this one before it is read.
        with closing(open_store(state, store_key(load_master_key(files)))) as store:
            return bool(store.state().operations)
    except NoVault:
        return False


def create_vault(state: Path, device_name: str, vault_name: str) -> Created:
    """Make a vault with this device as its first; it is durable when this returns.

    Raises:
        VaultExists: There is one already.
        BadValue: A name that cannot be used.
        StoreError: The home cannot be written to, or another process has it open.
    """
    now = Instant(monotonic(), int(time() * 1000))
    made = found_vault(now, urandom, vault_name, device_name, DEVICE_KIND)
    store_vault(state, made)
    assert made.recovery is not None, "a vault that was just made has a recovery key"
    words = write_words(made.recovery.seed)
    return Created(made.vault, made.vault_name, made.device, made.device_name, words)


def prepare_home(state: Path) -> None:
    """Make the home and its key, so that a home that cannot be written to is noticed in time.

    Raises:
        StoreError: The home cannot be written to, or another process has it open.
    """
    make_master_key(make_home(state), urandom)


def store_vault(state: Path, made: NewVault) -> None:
    """Put a vault that was made or joined into an empty home.

    Raises:
        VaultExists: There is a vault already.
        StoreError: The home cannot be written to, or another process has it open.
    """
    try:
        key = store_key(make_master_key(make_home(state), urandom))
        store = open_store(state, key, create=True)
    except StoreInUse as error:
        raise VaultExists("a daemon has a vault in this home open") from error
    with closing(store):
        if store.state().operations:
            raise VaultExists("this device has a vault already")
        # A takeover that a crash cut short; the lock on the home is held.
        drop_unfinished(HomeFiles(state))
        drop_backup(state)
        store.persist(made.batch)
