"""`recovery use --from` as a process: what is asked, what is refused, and what is printed."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from harness.cli_fixtures import served
from harness.command_line import Done, run, run_on_terminal
from harness.fake_recovery import RECOVERY_WORDS
from harness.fake_state import FakeState, fake_id, with_vault
from p2pvault.core.start import stored_members
from p2pvault.crypto.schedule import store_key
from p2pvault.node.create import create_vault, has_vault
from p2pvault.protocol.recovery_words import write_words
from p2pvault.store.home import HomeFiles
from p2pvault.store.lock import ExclusiveLock
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_store

TYPED = RECOVERY_WORDS.encode() + b"\n"
OTHER = write_words(bytes(32)).encode() + b"\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "new"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    directory = tmp_path / "backup"
    directory.mkdir()
    return directory


# With a daemon -----------------------------------------------------------------------------


def test_the_daemon_is_asked_with_the_whole_path(home: Path, backup: Path) -> None:
    with served(home, FakeState()) as daemon:
        words = ["--from", str(backup), "--lost", "tablet", "--name", "new"]
        done = run(home, "recovery", "use", *words, stdin=TYPED)
        assert (done.code, done.text) == (
            0,
            "Took the vault “home” over on this device, “new”, an admin now.\n"
            "Removed: “tablet”, “old laptop”.\n",
        )
        assert "p2pvaultd" not in done.messages
        assert "p2pvault devices" in done.messages
        assert daemon.key.uses == [
            {
                "words": RECOVERY_WORDS,
                "directory": str(backup),
                "name": "new",
                "lost": ["tablet"],
                "restored": [],
                "all_others": False,
                "alive": False,
            }
        ]


def test_a_program_gets_one_document(home: Path, backup: Path) -> None:
    with served(home, FakeState()):
        words = ["recovery", "use", "--from", str(backup), "--alive", "--name", "new", "--json"]
        done = run(home, *words, stdin=TYPED)
    assert done.err == b""
    assert done.tree == {
        "v": 1,
        "vault": {"id": fake_id("home"), "name": "home"},
        "device": {"id": fake_id("new"), "name": "new"},
        "removed": [],
    }


def test_a_device_with_a_vault_is_refused_before_anything_is_typed(
    home: Path, backup: Path
) -> None:
    with served(home, with_vault()) as daemon:
        done = run(home, "recovery", "use", "--from", str(backup), "--json")
        assert (done.code, done.error["code"]) == (8, "vault_exists")
        assert "without --from" in done.error["hint"]
        assert daemon.key.uses == []


def test_what_goes_with_from_is_refused_without_it(home: Path) -> None:
    for words in (["--alive"], ["--name", "x"], ["--alive", "--lost", "phone"]):
        done = run(home, "recovery", "use", *words, stdin=TYPED)
        assert (done.code, "go with --from" in done.messages) == (2, True)


@pytest.mark.parametrize(
    ("words", "question"),
    [
        ((), "Remove the device of this backup from"),
        (("--lost", "x"), "Remove the device of this backup, “x” from"),
        (("--alive", "--lost", "x"), "Remove “x” from"),
        (("--alive",), "Take the vault over and remove nobody?"),
        (("--all-others",), "Remove every other device from"),
    ],
)
def test_a_person_is_asked(home: Path, backup: Path, words: tuple[str, ...], question: str) -> None:
    with served(home, FakeState()) as daemon:
        asked = ["recovery", "use", "--from", str(backup), *words]
        shown = run_on_terminal(home, *asked, typed=TYPED + b"n\n")
        assert (shown.code, question in shown.out.decode()) == (8, True)
        assert daemon.key.uses == []
        if not words:
            assert run_on_terminal(home, *asked, typed=TYPED + b"y\n").code == 0
            assert len(daemon.key.uses) == 1


# Without one -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Return the home of a device, and the words of its vault as they are typed."""
    home = tmp_path_factory.mktemp("vault") / "laptop"
    return home, create_vault(home, "laptop", "family").recovery_words.encode() + b"\n"


@pytest.fixture
def copy(vault: tuple[Path, bytes], tmp_path: Path) -> Path:
    return Path(shutil.copytree(vault[0], tmp_path / "copy"))


@pytest.fixture
def typed(vault: tuple[Path, bytes]) -> bytes:
    return vault[1]


def use(home: Path, copy: Path, typed: bytes, *words: str) -> Done:
    return run(home, "recovery", "use", "--from", str(copy), "--json", *words, stdin=typed)


def test_without_a_daemon_it_is_done_at_once(home: Path, copy: Path, typed: bytes) -> None:
    done = run(home, "recovery", "use", "--from", str(copy), "--name", "new", stdin=typed)
    assert (done.code, done.text) == (
        0,
        "Took the vault “family” over on this device, “new”, an admin now.\nRemoved: “laptop”.\n",
    )
    assert "Run the daemon:" in done.messages
    again = use(home, copy, typed)
    assert (again.code, again.error["code"]) == (8, "vault_exists")
    key = store_key(load_master_key(HomeFiles(home)))
    with closing(open_store(home, key)) as store:
        members = stored_members(store.state())
    assert [one.name for one in members.membership.members.values()] == ["new"]


State = Callable[[Path], AbstractContextManager[None]]


@contextmanager
def as_it_is(copy: Path) -> Iterator[None]:
    assert copy.exists()
    yield


@contextmanager
def running(copy: Path) -> Iterator[None]:
    with ExclusiveLock(HomeFiles(copy).lock):
        yield


@contextmanager
def locked(copy: Path) -> Iterator[None]:
    HomeFiles(copy).device_key.unlink()
    yield


@contextmanager
def damaged(copy: Path) -> Iterator[None]:
    raw = bytearray(HomeFiles(copy).database.read_bytes())
    raw[5_000:8_000] = bytes(3_000)
    HomeFiles(copy).database.write_bytes(raw)
    yield


@contextmanager
def empty(copy: Path) -> Iterator[None]:
    shutil.rmtree(copy)
    yield


@pytest.mark.parametrize(
    ("case", "refusal"),
    [
        ((("--lost", "nobody"), as_it_is), (6, "no_such_device")),
        ((("--restore", "nobody"), as_it_is), (6, "no_such_device")),
        ((("--all-others", "--alive"), as_it_is), (8, "refused")),
        ((("--lost", "laptop", "--alive"), as_it_is), (8, "refused")),
        ((("--name", "a\x1bb"), as_it_is), (2, "bad_value")),
        (((), running), (8, "store_in_use")),
        (((), locked), (4, "locked")),
        (((), damaged), (1, "store_corrupt")),
        (((), empty), (5, "no_vault")),
    ],
)
def test_each_refusal_has_its_exit_code_and_one_line(
    home: Path,
    copy: Path,
    typed: bytes,
    case: tuple[tuple[str, ...], State],
    refusal: tuple[int, str],
) -> None:
    (words, state), (code, name) = case, refusal
    with state(copy):
        done = use(home, copy, typed, *words)
    assert (done.code, done.out, done.error["code"]) == (code, b"", name)
    assert done.error["hint"] or name in {"refused", "bad_value"}
    assert not has_vault(home)


def test_other_words_and_no_words_are_refused(home: Path, copy: Path, typed: bytes) -> None:
    other = use(home, copy, OTHER)
    assert (other.code, other.error["code"]) == (8, "membership")
    typo = use(home, copy, b"abandon\n")
    assert (typo.code, typo.error["code"]) == (2, "bad_recovery_words")
    assert use(home, copy, b"").code == 2
    assert use(home, copy, typed).code == 0


def test_a_path_that_is_no_directory_is_wrong_usage(home: Path, copy: Path, typed: bytes) -> None:
    done = use(home, copy / "vault.db", typed)
    assert (done.code, done.error["code"]) == (2, "usage")
    named = str(copy / "missing").encode() + b"\xff"
    done = run(home, "recovery", "use", "--from", named, stdin=typed)
    assert (done.code, len(done.messages.splitlines())) == (5, 1)
    with served(home, FakeState()):
        done = run(home, "recovery", "use", "--from", named, stdin=typed)
        assert (done.code, "UTF-8" in done.messages) == (2, True)


def test_the_words_of_the_key_are_in_no_arguments(home: Path, copy: Path, typed: bytes) -> None:
    program = "import sys; from p2pvault.cli import main; main()"
    words = ["recovery", "use", "--from", str(copy), "--home", str(home)]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    with process:
        assert process.stdin is not None
        process.stdin.write(typed)
        process.stdin.flush()
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ")
        assert typed.strip() not in command
        process.stdin.close()
        assert process.wait(60) == 0
