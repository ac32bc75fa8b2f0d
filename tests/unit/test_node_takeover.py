"""Taking a vault over from a copy of a home: what is carried over, what is refused, and crashes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import trio

from harness.nodes import founded, pair, settings
from p2pvault.core.asks import Edit
from p2pvault.core.start import stored_members
from p2pvault.core.takeover import Takeover
from p2pvault.crypto.schedule import store_key
from p2pvault.errors import (
    KeyUnavailable,
    MembershipError,
    NoVault,
    SchemaTooNew,
    StoreCorrupt,
    StoreInUse,
    StoreUnwritable,
    VaultError,
    VaultExists,
)
from p2pvault.node.audit import audit
from p2pvault.node.create import create_vault, has_vault
from p2pvault.node.offline import verify_home
from p2pvault.node.port import Finding, VaultTakenOver, Verified
from p2pvault.node.running import open_node
from p2pvault.node.takeover import take_over
from p2pvault.protocol.recovery_words import read_words
from p2pvault.store import fresh, schema
from p2pvault.store.backup import COPY
from p2pvault.store.cipher import PAGE_BYTES, connect
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key, make_master_key
from p2pvault.store.sqlite import open_store
from p2pvault.types import StoreState

RECORDS = 40

Refusal = tuple[type[VaultError], str]
"""An error, and a part of its hint."""


def put(path: str, **fields: object) -> Edit:
    return Edit(path, tuple(((name,), value) for name, value in fields.items()))


def key_of(home: Path) -> bytes:
    return store_key(load_master_key(HomeFiles(home)))


def state_of(home: Path) -> StoreState:
    with closing(open_store(home, key_of(home))) as store:
        return store.state()


def take(home: Path, backup: Path, seed: bytes, **more: object) -> VaultTakenOver:
    *_, last = take_over(home, backup, Takeover(seed, "new", **more))  # type: ignore[arg-type]
    assert isinstance(last, VaultTakenOver)
    return last


def tree(home: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return every file of a home with its content, its mode and its times."""
    found = {}
    for path in sorted(home.iterdir()):
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        found[path.name] = (data, status.st_mode, status.st_mtime_ns)
    return found


def unfinished(home: Path) -> list[str]:
    return [path.name for path in home.iterdir() if "unfinished" in path.name]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Return a closed home with some records, and the seed of its recovery key."""
    home = tmp_path_factory.mktemp("original") / "laptop"
    seeds: list[bytes] = []

    async def fill() -> None:
        async with founded(home, "laptop") as node:
            seeds.append(read_words(await node.recovery_words()))
            for n in range(RECORDS):
                await node.edit([put(f"notes/{n}", n=n, text="x" * 700)])
            await node.edit([put("gone/now", n=1)])
            await node.edit([Edit("gone/now", remove=True)])
            await pair(node, home.parent / "phone", "phone")

    trio.run(fill)
    return home, seeds[0]


@pytest.fixture
def seed(original: tuple[Path, bytes]) -> bytes:
    return original[1]


@pytest.fixture
def backup(original: tuple[Path, bytes], tmp_path: Path) -> Path:
    """Return a copy of the home, for one test to spoil."""
    shutil.copytree(original[0], tmp_path / "backup")
    return tmp_path / "backup"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "new"


@pytest.fixture
def untouched(backup: Path) -> Iterator[None]:
    """Insist that nothing of the backup changes during a test."""
    before = tree(backup)
    yield
    assert tree(backup) == before


def test_everything_that_the_backup_holds_is_in_the_new_home(
    home: Path, backup: Path, seed: bytes, untouched: None
) -> None:
    done = take(home, backup, seed)
    assert (done.vault_name, done.device_name, done.removed) == ("home", "new", ("laptop",))
    new, old = state_of(home), state_of(shutil.copytree(backup, backup.parent / "looked-into"))
    assert [*new.journals] == [*old.journals]
    assert [*new.bases] == [*old.bases]
    assert [*new.fingerprints] == [*old.fingerprints]
    assert new.last_arrival == old.last_arrival
    members = stored_members(new)
    assert members.device == done.device != stored_members(old).device
    assert {one.name for one in members.membership.members.values()} == {"new", "phone"}
    with closing(open_store(home, key_of(home))) as store:
        assert not [news for news in audit(store) if isinstance(news, Finding)]
        assert store.count() == RECORDS
        assert store.doubt is None


async def test_it_is_an_ordinary_device_from_then_on(home: Path, backup: Path, seed: bytes) -> None:
    await trio.to_thread.run_sync(lambda: take(home, backup, seed))
    async with open_node(settings(home)) as node:
        status = await node.status()
        assert (status.records, status.device_name, status.role.value) == (RECORDS, "new", "admin")
        assert [one.code for one in status.problems] == ["not_met"]
        assert (await node.get("notes/7")).value["n"] == 7
        await node.edit([put("notes/7", n=8)])
        await pair(node, home.parent / "tablet", "tablet")
    assert unfinished(home) == []


def test_what_only_the_log_of_a_killed_daemon_holds_is_there(
    home: Path, backup: Path, seed: bytes, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"

    async def run() -> None:
        async with open_node(settings(backup)) as node:
            await node.edit([put("notes/last", n=1)])
            files = HomeFiles(backup)
            assert files.log.stat().st_size > 0
            shutil.copytree(backup, killed, ignore=shutil.ignore_patterns("*.sock", "*-shm"))

    trio.run(run)
    before = tree(killed)
    take(home, killed, seed)
    assert tree(killed) == before
    with closing(open_store(home, key_of(home))) as store:
        assert [row.name for row in store.find("notes", "last")] == ["last"]


def test_a_salvaged_store_that_a_crash_kept_from_its_place_is_the_one_that_counts(
    home: Path, backup: Path, seed: bytes
) -> None:
    (backup / "vault.db").rename(backup / "vault.db.new")
    (backup / "vault.db").write_bytes(bytes(4_096))
    before = tree(backup)
    take(home, backup, seed)
    assert tree(backup) == before
    with closing(open_store(home, key_of(home))) as store:
        assert store.count() == RECORDS


@pytest.mark.parametrize("version", range(2, schema.VERSION))
def test_a_backup_of_an_older_version_is_read(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    old = tmp_path / "old"
    made = create_vault(old, "laptop", "home")
    older(old, version, monkeypatch)
    before = tree(old)
    assert take(home, old, read_words(made.recovery_words)).vault == made.vault_id
    assert tree(old) == before, "it is brought to this version in the copy only"


def older(home: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the store of a home one that an older version has written."""
    state, key, files = state_of(home), key_of(home), HomeFiles(home)
    files.database.unlink()
    files.database.touch(0o600)
    with monkeypatch.context() as past, closing(connect(files.database, key, writable=True)) as it:
        past.setattr(schema, "VERSION", version)
        past.setattr(schema, "_STEPS", schema._STEPS[:version])
        schema.migrate(it)
        it.executemany("INSERT INTO meta VALUES (?, ?)", list(state.meta.items()))
        rows = [(each.hash, each.data) for each in state.operations]
        it.executemany("INSERT INTO operations (hash, data) VALUES (?, ?)", rows)


# What is refused ---------------------------------------------------------------------------


def no_vault(backup: Path) -> None:
    (backup / "vault.db").unlink()


def never_filled(backup: Path) -> None:
    (backup / "vault.db").write_bytes(b"")


def no_key(backup: Path) -> None:
    (backup / "device.key").unlink()


def no_slots(backup: Path) -> None:
    (backup / "keys.slots").unlink()


def another_key(backup: Path) -> None:
    (backup / "device.key").write_bytes(bytes(32))


def exposed_key(backup: Path) -> None:
    (backup / "device.key").chmod(0o644)


def damaged_slots(backup: Path) -> None:
    (backup / "keys.slots").write_bytes(b"\x00" * 40)


def damaged_page(backup: Path) -> None:
    raw = bytearray((backup / "vault.db").read_bytes())
    raw[-PAGE_BYTES + 500 : -500] = bytes(PAGE_BYTES - 1_000)
    (backup / "vault.db").write_bytes(raw)


def damaged_beginning(backup: Path) -> None:
    raw = bytearray((backup / "vault.db").read_bytes())
    raw[100:200] = bytes(100)
    (backup / "vault.db").write_bytes(raw)


def cut_off(backup: Path) -> None:
    size = (backup / "vault.db").stat().st_size
    os.truncate(backup / "vault.db", size // 2 // PAGE_BYTES * PAGE_BYTES)


def newer(backup: Path) -> None:
    with closing(connect(backup / "vault.db", key_of(backup), writable=True)) as it:
        it.execute(f"PRAGMA user_version = {schema.VERSION + 1}")


def unreadable(backup: Path) -> None:
    (backup / "vault.db").unlink()
    (backup / "vault.db").mkdir()


def bad_lock(backup: Path) -> None:
    (backup / "vault.lock").unlink()
    (backup / "vault.lock").symlink_to("vault.lock")


@pytest.mark.parametrize(
    ("spoil", "refusal"),
    [
        (no_vault, (NoVault, "whole home")),
        (never_filled, (NoVault, "whole home")),
        (no_key, (KeyUnavailable, "0600")),
        (no_slots, (KeyUnavailable, "0600")),
        (another_key, (KeyUnavailable, "put back the key file")),
        (exposed_key, (KeyUnavailable, "chmod 600")),
        (damaged_slots, (StoreCorrupt, "verify --repair --home COPY")),
        (damaged_page, (StoreCorrupt, "verify --repair --home COPY")),
        (damaged_beginning, (StoreCorrupt, "verify --repair --home COPY")),
        (cut_off, (StoreCorrupt, "verify --repair --home COPY")),
        (newer, (SchemaTooNew, "Update")),
        (unreadable, (StoreUnwritable, "owner")),
        (bad_lock, (StoreUnwritable, "owner")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_backup_that_cannot_be_used_says_so_and_nothing_is_made(
    home: Path, backup: Path, seed: bytes, spoil: object, refusal: Refusal
) -> None:
    spoil(backup)  # type: ignore[operator]
    before = tree(backup)
    error, hint = refusal
    with pytest.raises(error) as refused:
        take(home, backup, seed)
    assert hint in refused.value.hint
    assert "unfinished" not in str(refused.value), "people know nothing of the copy"
    assert tree(backup) == before
    assert not has_vault(home)
    assert sorted(path.name for path in home.iterdir()) == [
        "device.key",
        "keys.slots",
        "vault.lock",
    ]


def test_a_path_that_cannot_be_looked_at_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreUnwritable, match="cannot look into"):
        take(home, tmp_path / ("x" * 300), bytes(32))


def test_a_copy_that_cannot_be_removed_is_said(home: Path, backup: Path, seed: bytes) -> None:
    home.mkdir(mode=0o700)
    (home / COPY).touch()
    with pytest.raises(StoreUnwritable, match="cannot remove"):
        take(home, backup, seed)
    (home / COPY).unlink()
    (backup / "vault.lock").unlink()
    assert take(home, backup, seed).device_name == "new"


def test_a_damaged_backup_is_taken_once_a_copy_of_it_is_repaired(
    home: Path, backup: Path, seed: bytes
) -> None:
    damaged_page(backup)
    *_, end = verify_home(backup, repair=True)
    assert isinstance(end, Verified)
    assert end.findings == end.repaired
    assert take(home, backup, seed).removed == ("laptop",)


def test_the_words_of_another_vault_are_refused(home: Path, backup: Path, untouched: None) -> None:
    with pytest.raises(MembershipError, match="another vault"):
        take(home, backup, bytes(32))
    assert not has_vault(home)
    assert create_vault(home, "laptop", "home").device_name == "laptop"


async def test_a_backup_whose_daemon_runs_is_refused(home: Path, backup: Path, seed: bytes) -> None:
    async with open_node(settings(backup)):
        with pytest.raises(StoreInUse) as refused:
            await trio.to_thread.run_sync(lambda: take(home, backup, seed))
    assert "not lost" in refused.value.hint
    await trio.to_thread.run_sync(lambda: take(home, backup, seed))


def test_a_home_with_a_vault_keeps_it(home: Path, backup: Path, seed: bytes) -> None:
    made = create_vault(home, "other", "home")
    with pytest.raises(VaultExists):
        take(home, backup, seed)
    assert stored_members(state_of(home)).device == made.device_id
    with pytest.raises(VaultExists):
        take(backup, backup, seed)


def test_a_vault_that_is_made_meanwhile_stays(home: Path, backup: Path, seed: bytes) -> None:
    steps = take_over(home, backup, Takeover(seed, "new"))
    next(steps)
    with pytest.raises(VaultExists):  # the lock is held
        create_vault(home, "other", "home")
    steps.close()
    made = create_vault(home, "other", "home")
    files = HomeFiles(home)
    with pytest.raises(VaultExists):
        fresh.check_unfilled(files, key_of(home))
    with fresh.make_fresh(files, key_of(home)):
        pass
    with pytest.raises(VaultExists):
        fresh.install_first(files, key_of(home))
    assert stored_members(state_of(home)).device == made.device_id


# What cuts it short ------------------------------------------------------------------------

_DIES = """
import os, sys
from pathlib import Path
from p2pvault.core.takeover import Takeover
from p2pvault.node.takeover import take_over
home, backup, seed, steps = sys.argv[1:]
events = take_over(Path(home), Path(backup), Takeover(bytes.fromhex(seed), "new"))
for number, event in enumerate(events, start=1):
    if number == int(steps):
        os._exit(9)
"""


@pytest.mark.heavy
def test_it_is_begun_anew_wherever_a_crash_cuts_it_short(
    home: Path, backup: Path, seed: bytes, untouched: None
) -> None:
    steps, code = 0, 9
    while code == 9 and not has_vault(home):
        steps += 1
        words = [sys.executable, "-c", _DIES, str(home), str(backup), seed.hex(), str(steps)]
        code = subprocess.run(words, check=False).returncode
    assert steps > 5
    assert has_vault(home), "the last event is the one that says so"
    with closing(open_store(home, key_of(home))) as store:
        assert not [news for news in audit(store) if isinstance(news, Finding)]
        assert store.count() == RECORDS
    assert unfinished(home) == []


def left_over(home: Path, backup: Path) -> None:
    """Leave what a crash leaves in the worst case: the copy, and a store that was not finished."""
    files = HomeFiles(home)
    (home / "takeover.unfinished").mkdir(parents=True, mode=0o700)
    shutil.copy(backup / "vault.db", home / "takeover.unfinished")
    (home / "vault.db.unfinished").write_bytes(b"half of it")
    with suppress(NoVault):
        has_vault(home)
    with closing(open_store(home, make_key(files), create=True)):
        pass  # a vault that was never filled


def make_key(files: HomeFiles) -> bytes:
    return store_key(make_master_key(files, os.urandom))


def test_what_a_crash_left_is_in_nobodys_way(home: Path, backup: Path, seed: bytes) -> None:
    left_over(home, backup)
    take(home, backup, seed)
    assert stored_members(state_of(home)).name_of(stored_members(state_of(home)).device) == "new"


def test_a_vault_that_is_made_instead_removes_what_a_crash_left(home: Path, backup: Path) -> None:
    left_over(home, backup)
    create_vault(home, "laptop", "home")
    assert unfinished(home) == []


def test_whoever_stops_in_the_middle_leaves_nothing(home: Path, backup: Path, seed: bytes) -> None:
    for steps in range(1, 8):
        events = take_over(home, backup, Takeover(seed, "new"))
        for _ in range(steps):
            next(events)
        events.close()
        assert not has_vault(home)
        assert unfinished(home) == []
