"""Taking a vault over on this device, which has none, from a backup of a lost one.

Blocking, and without trio, like `create`. The backup is only read. The new store is made under
another name from what the backup holds, row by row, since its key is another one; it becomes the
store of this home in one step, at the end. Until then there is no vault here: whatever cuts this
short, it is begun anew.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from os import urandom
from pathlib import Path
from time import monotonic, time
from typing import Final

from p2pvault.core.takeover import Takeover, take_over_store
from p2pvault.crypto.schedule import store_key
from p2pvault.errors import NoVault, StoreCorrupt, StoreFull, VaultExists
from p2pvault.limits import FEED_BYTES_MAX
from p2pvault.node.audit import audit
from p2pvault.node.create import DEVICE_KIND, has_vault
from p2pvault.node.port import Finding, Progress, TakeoverEvent, VaultTakenOver
from p2pvault.store.backup import COPY, open_backup
from p2pvault.store.fresh import check_unfilled, install_first, make_fresh
from p2pvault.store.home import make_home
from p2pvault.store.lock import ExclusiveLock
from p2pvault.store.port import Reader
from p2pvault.store.slots import make_master_key
from p2pvault.types import (
    Batch,
    Instant,
    RecordWrite,
    StoredEntry,
    StoredRecord,
    StoreState,
)

_REPAIR: Final = (
    "Copy the backup, repair the copy with `p2pvault verify --repair --home COPY`, and take that."
)
_WHOLE: Final = (
    "A backup is a copy of the whole home of a device: vault.db, vault.db-wal where there is one, "
    "keys.slots and device.key."
)
_ROOM: Final = "Make room for two copies of the backup here, and begin again; nothing was changed."

Persist = Callable[[Batch], None]


def take_over(state: Path, backup: Path, wanted: Takeover) -> Generator[TakeoverEvent, None, None]:
    """Take a vault over; it is durable when the last event has come.

    Args:
        state: This device's home, without a vault.
        backup: What was the home of another device.
        wanted: What the person wants.

    Raises:
        VaultExists: There is a vault here already.
        MembershipError: The words are not of this vault.
        NoSuchDevice, AmbiguousDevice, Refused, BadValue: What was asked for cannot be done.
        NoVault, StoreInUse, KeyUnavailable, StoreCorrupt, SchemaTooNew: The backup cannot be used.
        StoreFull, StoreUnwritable: This home has no room, or cannot be written to.
    """
    if has_vault(state):
        raise VaultExists("this device has a vault already")
    try:
        yield from _take_over(state, backup, wanted)
    except StoreFull as error:
        raise StoreFull(str(error), hint=_ROOM) from error


def _take_over(state: Path, backup: Path, wanted: Takeover) -> Generator[TakeoverEvent, None, None]:
    files = make_home(state)
    key = store_key(make_master_key(files, urandom))
    with _explained(state, backup), ExclusiveLock(files.lock):
        check_unfilled(files, key)
        with open_backup(backup, state) as reader:
            held = reader.state()
            now = Instant(monotonic(), int(time() * 1000))
            made = take_over_store(held, now, urandom, DEVICE_KIND, wanted)
            yield from _audited(reader)
            with make_fresh(files, key) as persist:
                persist(made.batch)
                yield from carried(reader, held, persist)
        install_first(files, key)
    names = made.vault_name, made.device_name
    yield VaultTakenOver(made.vault, names[0], made.device, names[1], made.removed)


@contextmanager
def _explained(state: Path, backup: Path) -> Iterator[None]:
    """Say of the backup what is said of the copy of it here, and what can be done."""
    try:
        yield
    except StoreCorrupt as error:
        text = str(error).replace(str(state / COPY), str(backup))
        raise StoreCorrupt(f"the backup is damaged: {text}", hint=_REPAIR) from error
    except NoVault as error:
        raise NoVault(f"there is no vault in {backup}", hint=_WHOLE) from error


def _audited(reader: Reader) -> Iterator[Progress]:
    """Check all that the backup holds: what is taken from it may be all that is left.

    Raises:
        StoreCorrupt: Something is wrong with it.
    """
    for news in audit(reader):
        if isinstance(news, Finding):
            raise StoreCorrupt(f"{news.kind} {news.what}: {news.detail}")
        yield news


def carried(reader: Reader, held: StoreState, persist: Persist) -> Iterator[Progress]:
    """Copy entries, records, fingerprints and quarantine as they are.

    Args:
        reader: Of the store that holds them.
        held: Its state.
        persist: Of a store that has begun with `TakenOver.batch`.
    """
    bases = {base.author: base.n for base in held.bases}
    for page in _entries(reader):
        # What lies before a base is in the records, and goes sooner or later in any case.
        behind = [entry for entry in page if entry.n > bases.get(entry.author, 0)]
        persist(Batch(entries=tuple(behind)))
        yield Progress("copied entries", page[-1].arrival, held.last_arrival)
    done, total = 0, reader.index_count(b"", None)
    for records in _records(reader):
        writes = [RecordWrite(each.row, b"".join(each.chunks), replaces=True) for each in records]
        persist(Batch(records=tuple(writes)))
        done += len(records)
        yield Progress("copied records", done, total)
    for row in held.quarantine:
        persist(Batch(quarantined=tuple(reader.quarantined([row.position]))))
    persist(Batch(fingerprints=tuple(held.fingerprints)))


def _entries(reader: Reader) -> Iterator[list[StoredEntry]]:
    after = 0
    while page := reader.entries(after, FEED_BYTES_MAX):
        yield page
        after = page[-1].arrival


def _records(reader: Reader) -> Iterator[list[StoredRecord]]:
    after = None
    while page := reader.records_behind(after, FEED_BYTES_MAX):
        yield page
        after = page[-1].row.id
