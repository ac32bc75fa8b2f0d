"""The store on disk: its files, its key, its lock, its settings, and what damage looks like."""

import ctypes
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness.batches import numbered, put, record_id, row, rows
from p2pvault.errors import (
    NoVault,
    SchemaTooNew,
    StoreCorrupt,
    StoreFull,
    StoreInUse,
    StoreUnwritable,
)
from p2pvault.store import cipher, schema
from p2pvault.store.home import HomeFiles
from p2pvault.store.sqlite import SqliteStore, open_reader, open_store
from p2pvault.types import Batch

KEY = bytes(range(32))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[SqliteStore]:
    opened = open_store(home, KEY, create=True)
    yield opened
    opened.close()


def filled(home: Path) -> Path:
    """Return the database of a closed store that spans many pages."""
    store = open_store(home, KEY, create=True)
    for n in range(1, 6):
        store.persist(numbered(n))
    store.close()
    return HomeFiles(home).database


def read_everything(home: Path) -> None:
    store = open_store(home, KEY)
    try:
        store.state()
        store.records([item.id for item in store.rows(None, None, 1_000)])
        store.entries(0, 10**9)
    finally:
        store.close()


class TestFiles:
    def test_a_new_home_and_its_files_are_the_owners_alone(self, home: Path) -> None:
        before = os.umask(0)
        try:
            store = open_store(home, KEY, create=True)
            store.persist(numbered(1))
        finally:
            os.umask(before)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
        store.close()
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert modes == dict.fromkeys(
            [
                "vault.db",
                "vault.db-wal",
                "vault.db-shm",
                "vault.keys",
                "vault.lock",
                "vault.witness",
            ],
            0o600,
        )

    def test_nothing_that_was_written_can_be_read_in_any_file(self, home: Path) -> None:
        store = open_store(home, KEY, create=True)
        secret = "Ada Lovelace keeps this to herself"
        written = put(row(1, collection=secret, name=secret), secret.encode())
        store.persist(Batch(records=(written,), meta={secret: secret.encode()}))
        while_open = b"".join(path.read_bytes() for path in home.iterdir())
        store.close()
        closed = b"".join(path.read_bytes() for path in home.iterdir())
        for content in (while_open, closed):
            assert secret.encode() not in content
            assert b"SQLite format" not in content
            assert b"CREATE TABLE" not in content

    def test_closing_leaves_one_database_file(self, home: Path) -> None:
        filled(home)
        names = sorted(path.name for path in home.iterdir())
        assert names == ["vault.db", "vault.keys", "vault.lock", "vault.seal", "vault.witness"]

    def test_a_directory_that_others_can_write_to_is_refused(self, home: Path) -> None:
        home.mkdir()
        home.chmod(0o770)
        with pytest.raises(StoreUnwritable, match="other users"):
            open_store(home, KEY, create=True)
        assert list(home.iterdir()) == []

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
    def test_a_directory_of_another_user_is_refused(self, home: Path) -> None:
        home.mkdir()
        os.chown(home, 12_345, -1)
        with pytest.raises(StoreUnwritable, match="uid 12345"):
            open_store(home, KEY, create=True)

    def test_a_home_that_is_a_file_is_refused(self, home: Path) -> None:
        home.write_bytes(b"")
        with pytest.raises(StoreUnwritable):
            open_store(home, KEY, create=True)

    def test_a_database_that_is_a_directory_is_refused(self, home: Path) -> None:
        HomeFiles(home).database.mkdir(parents=True)
        with pytest.raises(StoreUnwritable):
            open_store(home, KEY, create=True)
        with pytest.raises(StoreUnwritable):
            open_store(home, KEY)

    def test_a_missing_store_is_no_vault(self, home: Path) -> None:
        with pytest.raises(NoVault):
            open_store(home, KEY)
        with pytest.raises(NoVault):
            open_reader(home, KEY)
        assert not home.exists()

    def test_a_creation_that_crashed_at_its_start_is_no_vault_and_can_be_repeated(
        self, home: Path
    ) -> None:
        home.mkdir(mode=0o700)
        HomeFiles(home).database.write_bytes(b"")
        with pytest.raises(NoVault):
            open_store(home, KEY)
        open_store(home, KEY, create=True).close()
        open_store(home, KEY).close()


class TestLock:
    def test_a_second_writer_in_this_process_is_refused(
        self, home: Path, store: SqliteStore
    ) -> None:
        with pytest.raises(StoreInUse):
            open_store(home, KEY)
        store.persist(numbered(1))

    def test_a_second_writer_in_another_process_is_refused_until_the_first_ends(
        self, home: Path
    ) -> None:
        script = (
            "import sys; from pathlib import Path; from p2pvault.store.sqlite import open_store\n"
            "store = open_store(Path(sys.argv[1]), bytes(range(32)), create=True)\n"
            "print('open', flush=True); sys.stdin.read()\n"
        )
        holder = subprocess.Popen(
            [sys.executable, "-c", script, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"open\n"
            with pytest.raises(StoreInUse):
                open_store(home, KEY)
            holder.kill()
        open_store(home, KEY).close()

    def test_a_store_that_did_not_open_holds_no_lock(self, home: Path) -> None:
        filled(home)
        with pytest.raises(StoreCorrupt):
            open_store(home, bytes(32))
        open_store(home, KEY).close()


def test_a_secret_that_was_deleted_is_in_no_file_although_nobody_stops_the_daemon(
    home: Path, store: SqliteStore, tmp_path: Path
) -> None:
    store.persist(Batch(meta={"recovery-seed": bytes(32)}))
    store.persist(Batch(meta={"recovery-seed": None}))
    files, without_log = HomeFiles(home), HomeFiles(tmp_path / "without log")
    assert files.database.with_name("vault.db-wal").stat().st_size == 0
    without_log.home.mkdir(mode=0o700)
    shutil.copyfile(files.database, without_log.database)
    with closing(open_reader(without_log.home, KEY)) as reader:
        assert "recovery-seed" not in reader.state().meta


class TestReader:
    def test_a_reader_sees_each_batch_once_it_is_durable(
        self, home: Path, store: SqliteStore
    ) -> None:
        reader = open_reader(home, KEY)
        for n in (1, 2):
            store.persist(numbered(n))
            assert reader.state() == store.state()
            assert reader.count() == 20 * n
        reader.close()

    def test_a_reader_does_not_see_half_a_batch(self, home: Path, store: SqliteStore) -> None:
        reader = open_reader(home, KEY)
        with cipher.transaction(store._connection):
            store._connection.execute("INSERT INTO meta VALUES ('half', x'00')")
            assert reader.state().meta == {}
        assert reader.state().meta == {"half": b"\x00"}
        reader.close()

    def test_an_answer_of_several_parts_is_of_one_moment_while_the_writer_writes(
        self, home: Path
    ) -> None:
        ready = threading.Event()

        def write_many() -> None:
            store = open_store(home, KEY, create=True)
            ready.set()
            for n in range(1, 101):
                store.persist(numbered(n))
            store.close()

        writer = threading.Thread(target=write_many)
        writer.start()
        assert ready.wait(60)
        reader = open_reader(home, KEY)
        held = 0
        while held < 100:
            state = reader.state()
            held = state.last_arrival
            assert len(state.operations) == held
            assert state.meta.get("n", b"0") == str(held).encode()
            assert [head.n for head in state.journals] == [held] * (held > 0)
        reader.close()
        writer.join()

    def test_a_standstill_answers_all_calls_from_one_batch(
        self, home: Path, store: SqliteStore
    ) -> None:
        store.persist(numbered(1))
        reader = open_reader(home, KEY)
        with reader.standstill():
            before = reader.state()
            store.persist(numbered(2))
            assert reader.state() == before
            assert [each.arrival for each in reader.entries(0, 10_000)] == [1]
        assert reader.state() == store.state() != before
        reader.close()

    def test_a_writer_in_a_standstill_is_a_bug(self, store: SqliteStore) -> None:
        with pytest.raises(AssertionError, match="transaction"), store.standstill():
            store.persist(numbered(1))
        assert store.entries(0, 1) == []

    def test_a_reader_cannot_write(self, home: Path, store: SqliteStore) -> None:
        reader = open_reader(home, KEY)
        with pytest.raises(cipher.dbapi2.OperationalError, match="readonly"):
            reader._connection.execute("DELETE FROM meta")
        reader.close()

    def test_answers_leave_no_transaction_open_that_would_stop_checkpoints(
        self, home: Path, store: SqliteStore
    ) -> None:
        for n in range(1, 6):
            store.persist(numbered(n))
        reader = open_reader(home, KEY)
        assert len(reader.entries(0, 1)) == 1
        reader.records([record_id(20), record_id(99)])
        reader.state()
        checkpoint = store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert checkpoint == (0, 0, 0)
        reader.close()


class TestDamage:
    def test_a_wrong_key_is_a_corrupt_store_and_changes_nothing(self, home: Path) -> None:
        before = filled(home).read_bytes()
        with pytest.raises(StoreCorrupt):
            open_store(home, bytes(32))
        with pytest.raises(StoreCorrupt):
            open_reader(home, bytes(32))
        assert HomeFiles(home).database.read_bytes() == before

    def test_one_flipped_bit_in_any_page_is_found(self, home: Path) -> None:
        database = filled(home)
        good = database.read_bytes()
        pages = len(good) // cipher.PAGE_BYTES
        assert pages > 20
        for page in range(pages):
            bad = bytearray(good)
            bad[page * cipher.PAGE_BYTES + 100 + page * 37 % 3_900] ^= 0x10
            database.write_bytes(bad)
            with pytest.raises(StoreCorrupt):
                read_and_check_everything(home)
        database.write_bytes(good)
        read_everything(home)

    def test_damage_to_the_salt_in_the_header_costs_nothing(self, home: Path) -> None:
        database = filled(home)
        database.write_bytes(bytes(16) + database.read_bytes()[16:])
        read_everything(home)

    def test_a_file_that_is_something_else_is_a_corrupt_store(self, home: Path) -> None:
        database = filled(home)
        database.write_bytes(b"SQLite format 3\x00" + bytes(20_000))
        with pytest.raises(StoreCorrupt):
            open_store(home, KEY)

    def test_a_truncated_file_is_a_corrupt_store(self, home: Path) -> None:
        database = filled(home)
        database.write_bytes(database.read_bytes()[: 5 * cipher.PAGE_BYTES])
        with pytest.raises(StoreCorrupt):
            read_everything(home)

    def test_damage_is_not_printed(self, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
        filled(home)
        with pytest.raises(StoreCorrupt):
            open_store(home, bytes(32))
        assert capfd.readouterr() == ("", "")

    def test_an_address_book_that_does_not_parse_is_a_corrupt_store(
        self, store: SqliteStore
    ) -> None:
        store._connection.execute("INSERT INTO peers VALUES (x'01', x'c1', x'90', 0)")
        with pytest.raises(StoreCorrupt, match="address book"):
            store.state()


def read_and_check_everything(home: Path) -> None:
    """Raise `StoreCorrupt` also where only SQLCipher's own check finds a page."""
    read_everything(home)
    store = open_store(home, KEY)
    findings = store._connection.execute("PRAGMA cipher_integrity_check").fetchall()
    store.close()
    if findings:
        raise StoreCorrupt(str(findings))


class TestSchema:
    def test_a_newer_store_is_refused_and_left_alone(self, home: Path) -> None:
        filled(home)
        connection = cipher.connect(HomeFiles(home).database, KEY, writable=True)
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
        connection.close()
        before = HomeFiles(home).database.read_bytes()
        with pytest.raises(SchemaTooNew):
            open_store(home, KEY)
        with pytest.raises(SchemaTooNew):
            open_store(home, KEY, create=True)
        assert HomeFiles(home).database.read_bytes() == before

    def test_a_reader_refuses_a_newer_store(self, home: Path, store: SqliteStore) -> None:
        store._connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
        with pytest.raises(SchemaTooNew):
            open_reader(home, KEY)

    def test_a_step_that_fails_leaves_the_version_before(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        database = HomeFiles(home).database
        database.touch(0o600)
        connection = cipher.connect(database, KEY, writable=True)
        connection.execute("CREATE TABLE peers (in_the_way)")
        with pytest.raises(cipher.dbapi2.OperationalError):
            schema.migrate(connection)
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
        assert schema.version(connection) == 0
        assert tables == [("peers",)]
        connection.close()

    def test_pages_and_counts_are_answered_from_the_index(self, store: SqliteStore) -> None:
        def plan(query: str) -> str:
            found = store._connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
            return "; ".join(line[3] for line in found)

        page = plan(
            "SELECT heads FROM records WHERE (collection, name, id) > ('a', '', x'') AND "
            "collection <= 'a' AND deleted = 0 ORDER BY collection, name, id LIMIT 5"
        )
        assert "SEARCH records USING INDEX records_by_path" in page
        assert "TEMP B-TREE" not in page
        count = plan("SELECT count(*) FROM records WHERE NOT deleted")
        assert "COVERING INDEX records_by_path" in count


class TestSettings:
    def test_a_setting_that_does_not_take_is_a_bug_that_stops_the_opening(
        self, home: Path, store: SqliteStore
    ) -> None:
        store._connection.execute("PRAGMA synchronous = OFF")
        with pytest.raises(AssertionError, match="synchronous"):
            cipher._check(store._connection)

    def test_the_writer_is_durable_and_encrypted(self, store: SqliteStore) -> None:
        def pragma(name: str) -> object:
            return store._connection.execute(f"PRAGMA {name}").fetchall()[0][0]

        assert pragma("synchronous") == 2
        assert pragma("journal_mode") == "wal"
        assert pragma("cipher_status") == "1"
        assert pragma("secure_delete") == 1
        assert pragma("foreign_keys") == 1


class TestFullDisk:
    def test_a_full_disk_loses_nothing_and_ends_when_there_is_room(
        self, store: SqliteStore
    ) -> None:
        store.persist(numbered(1))
        before = store.state(), store.rows(None, None, 1_000)
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone() or (0,)
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreFull):
            store.persist(numbered(2))
        assert (store.state(), store.rows(None, None, 1_000)) == before
        store._connection.execute("PRAGMA max_page_count = 1000000")
        store.persist(numbered(2))
        assert store.state().last_arrival == 2

    def test_a_call_from_another_thread_is_a_bug(self, store: SqliteStore) -> None:
        found: list[BaseException] = []

        def call() -> None:
            try:
                store.count()
            except AssertionError as error:
                found.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        assert len(found) == 1


def test_rows_of_a_large_batch_are_all_there(store: SqliteStore) -> None:
    store.persist(rows(*(row(number) for number in range(5_000))))
    assert store.count() == 5_000
    assert len(store.records([record_id(number) for number in range(5_000)])) == 5_000


class Mallinfo(ctypes.Structure):
    """What mallinfo2(3) returns."""

    _fields_ = [(f"_{n}", ctypes.c_size_t) for n in range(7)]
    _fields_ += [(name, ctypes.c_size_t) for name in ("uordblks", "fordblks", "keepcost")]


@pytest.fixture
def allocated() -> Callable[[], int]:
    """Return a function that tells how many bytes the C library has given out."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        pytest.skip("this C library does not tell what it has given out")
    mallinfo.restype = Mallinfo
    return lambda: mallinfo().uordblks


def test_shrinking_lets_go_of_pages(store: SqliteStore, allocated: Callable[[], int]) -> None:
    store.persist(Batch(records=tuple(put(row(n), bytes(8_192)) for n in range(300))))
    before = allocated()
    store.shrink()
    assert before - allocated() > 2_000_000
