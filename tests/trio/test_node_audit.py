"""The audit beside a writer: whatever is written at whatever moment, it is no damage."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
import trio

from harness.nodes import founded, pair, settings
from harness.world import put
from p2pvault.crypto.schedule import store_key
from p2pvault.node.audit import audit
from p2pvault.node.port import Finding, Progress
from p2pvault.node.running import open_node
from p2pvault.store.home import HomeFiles
from p2pvault.store.reader import SqliteReader
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import SqliteStore, open_reader, open_store
from p2pvault.types import EMPTY_HASH, Batch, JournalHead, StoredEntry

EDITS = 5


class Beside:
    """A reader that lets somebody write right before one of its calls.

    Entries come one at a time, so that there is a moment between any two.
    """

    def __init__(self, reader: SqliteReader, act: Callable[[], None], at: int) -> None:
        self._reader = reader
        self._act = act
        self._left = at
        self.acted = False

    def __getattr__(self, name: str) -> object:
        if self._left == 0:
            self._act()
            self.acted = True
        self._left -= 1
        return getattr(self._reader, name)

    def entries(self, after_arrival: int, bytes_max: int) -> list[StoredEntry]:
        del bytes_max
        return self.__getattr__("entries")(after_arrival, 1)


@dataclass
class Vault:
    """A store of two devices, and what was in it at first."""

    store: SqliteStore
    reader: SqliteReader

    def __post_init__(self) -> None:
        self.held = self.store.entries(0, 1 << 30)
        self.own = [each for each in self.held if each.author == self.held[0].author]
        self.other = [each for each in self.held if each.author != self.held[0].author]
        self.operations = self.store.state().operations

    def persist(self, **parts: object) -> None:
        self.store.persist(Batch(**parts))

    def cut(self, last: StoredEntry, n: int) -> None:
        """Let a journal end at number `n`."""
        hash_ = self.own[n - 1].hash if n else EMPTY_HASH
        self.persist(cuts=(JournalHead(last.author, n, hash_),))

    def again(self, n: int) -> None:
        """Let an entry come once more."""
        arrival = self.held[-1].arrival + n
        self.persist(entries=(replace(self.own[n - 1], arrival=arrival),))


@contextmanager
def opened(home: Path) -> Iterator[Vault]:
    """Open a store, and leave it as it was."""
    database = HomeFiles(home).database
    content = database.read_bytes()
    key = store_key(load_master_key(HomeFiles(home)))
    try:
        with closing(open_store(home, key)) as store, closing(open_reader(home, key)) as reader:
            yield Vault(store, reader)
    finally:
        database.write_bytes(content)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("audit")
    trio.run(_fill, directory / "ada", directory / "bob")
    return directory / "ada"


async def _fill(ada: Path, bob: Path) -> None:
    async with founded(ada) as node:
        await pair(node, bob, "bob")
        for n in range(EDITS):
            await node.edit([put("notes/one", n=n)])
        async with open_node(settings(bob)) as other:
            with trio.fail_after(60.0):
                await other.wait_synced(None)
                await other.edit([put("notes/bob", n=1)])
                await other.wait_synced(None)


def edits(vault: Vault) -> Callable[[], None]:
    vault.cut(vault.own[-1], EDITS - 1)
    return lambda: vault.again(EDITS)


def upkeep(vault: Vault) -> Callable[[], None]:
    last = vault.own[3]
    return lambda: vault.persist(dropped=(JournalHead(last.author, last.n, last.hash),))


def upkeep_of_all(vault: Vault) -> Callable[[], None]:
    last = vault.own[-1]
    return lambda: vault.persist(dropped=(JournalHead(last.author, last.n, last.hash),))


def retraction(vault: Vault) -> Callable[[], None]:
    def retract() -> None:
        vault.cut(vault.own[-1], 3)
        vault.again(4)

    return retract


def retraction_of_all(vault: Vault) -> Callable[[], None]:
    def retract() -> None:
        vault.cut(vault.own[-1], 0)
        vault.again(1)

    return retract


def shorter(vault: Vault) -> Callable[[], None]:
    return lambda: vault.cut(vault.own[-1], 3)


def erasure(vault: Vault) -> Callable[[], None]:
    last = vault.reader.index(b"", None, 100)[-1].id
    return lambda: vault.persist(erased=(last,))


def admission(vault: Vault) -> Callable[[], None]:
    (entry,) = vault.other
    vault.persist(cuts=(JournalHead(entry.author, 0, EMPTY_HASH),))
    admitted = vault.operations[-1]
    vault.store._connection.execute("DELETE FROM operations WHERE hash = ?", (admitted.hash,))

    def admit() -> None:
        vault.persist(operations=(admitted,))
        vault.persist(entries=(replace(entry, arrival=entry.arrival + 1),))

    return admit


ACTS = [
    edits,
    upkeep,
    upkeep_of_all,
    retraction,
    retraction_of_all,
    shorter,
    erasure,
    admission,
]


def looked_at(vault: Vault, prepare: Callable[[Vault], Callable[[], None]], at: int) -> Beside:
    """Return a reader beside which somebody writes at its call number `at`."""
    return Beside(vault.reader, prepare(vault), at)


@pytest.mark.parametrize("prepare", ACTS)
def test_what_others_write_is_never_taken_for_damage(
    home: Path, prepare: Callable[[Vault], Callable[[], None]]
) -> None:
    for at in count():
        with opened(home) as vault:
            reader = looked_at(vault, prepare, at)
            found = [news for news in audit(reader) if isinstance(news, Finding)]
            assert [each for each in found if each.kind != "fingerprint"] == [], at
            if not reader.acted:
                break
    assert at > EDITS


@pytest.mark.parametrize("prepare", [edits, admission, erasure])
def test_what_is_wrong_is_found_whatever_others_write(
    home: Path, prepare: Callable[[Vault], Callable[[], None]]
) -> None:
    for at in count():
        with opened(home) as vault:
            reader = looked_at(vault, prepare, at)
            vault.store._connection.execute(
                "DELETE FROM entries WHERE hash = ?", (vault.own[2].hash,)
            )
            found = [(each.kind, each.what) for each in audit(reader) if isinstance(each, Finding)]
            assert ("entry", f"{vault.own[3].author.hex()} 4") in found, at
            if not reader.acted:
                break


def test_the_entries_that_are_there_are_counted(home: Path) -> None:
    with opened(home) as vault:
        upkeep(vault)()
        told = [news for news in audit(vault.reader) if isinstance(news, Progress)]
    assert told[-2] == Progress("entries", EDITS - 4 + 1, EDITS - 4 + 1)
