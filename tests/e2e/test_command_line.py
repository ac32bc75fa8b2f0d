"""The command line's contract against a real daemon: exit codes, JSON shapes, odd surroundings."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.command_line import environment
from harness.daemons import LOOPBACK, Device, Fleet, pair, wait_synced

pytestmark = pytest.mark.e2e

PROGRAM = (sys.executable, "-c", "from p2pvault.cli import main; main()")


@pytest.fixture(scope="module")
def ada(couple: tuple[Device, Device]) -> Device:
    """The laptop, with a record that both have."""
    laptop, phone = couple
    laptop.do("set", "contacts/ada", "name=Ada")
    wait_synced(laptop, phone)
    return laptop


EXIT_CODES = [
    (0, None, ["get", "contacts/ada"]),
    (2, "usage", ["get"]),
    (2, "usage", ["frobnicate"]),
    (2, "usage", ["set", "contacts/ada"]),
    (2, "usage", ["wait"]),
    (2, "bad_path", ["get", "ada"]),
    (2, "bad_path", ["set", "contacts/", "name=x"]),
    (2, "bad_value", ["set", "contacts/ada", "born:=1.2.3"]),
    (2, "bad_value", ["set", "contacts/ada", "photo=@/does/not/exist"]),
    (2, "bad_code", ["join", "--home", "{fresh}", "12-ab-cd"]),
    (3, "daemon_unreachable", ["status", "--home", "{nowhere}"]),
    (5, "not_found", ["get", "contacts/nobody"]),
    (5, "not_found", ["get", "contacts/ada", "nothing"]),
    (5, "not_found", ["get", "id:ffffffff"]),
    (5, "not_found", ["rm", "contacts/nobody"]),
    (5, "no_vault", ["get", "--home", "{fresh}", "contacts/ada"]),
    (5, "no_vault", ["pair", "--home", "{fresh}"]),
    (6, "no_such_device", ["devices", "revoke", "toaster"]),
    (6, "no_such_device", ["wait", "--synced", "toaster", "--timeout", "1"]),
    (7, "unreachable", ["wait", "--ready", "--home", "{nowhere}", "--timeout", "0.1"]),
    (8, "vault_exists", ["init"]),
    (8, "vault_exists", ["join", "42-lantern-tulip-violin"]),
    (8, None, ["devices", "revoke", "laptop"]),
]


@pytest.fixture(scope="module")
def fresh(shared: Fleet) -> Device:
    """A daemon that runs without a vault."""
    device = shared.device("fresh")
    device.start()
    return device


@pytest.fixture(scope="module")
def homes(fresh: Device, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "{fresh}": str(fresh.home),
        "{nowhere}": str(tmp_path_factory.mktemp("empty") / "nowhere"),
    }


@pytest.mark.parametrize(("code", "error", "words"), EXIT_CODES)
def test_exit_codes_and_error_codes(
    ada: Device, homes: dict[str, str], code: int, error: str | None, words: list[str]
) -> None:
    line = [homes.get(word, word) for word in words]
    done = ada.run("--json", *line)
    assert done.code == code, done
    if code:
        assert done.out == b""
        assert set(done.error) == {"code", "message", "hint"}
        assert error in (None, done.error["code"])


@pytest.mark.parametrize("words", [["get"], ["get", "ada"], ["get", "a/b"], ["pair", "--x"]])
def test_a_person_is_told_in_one_line(ada: Device, words: list[str]) -> None:
    done = ada.run(*words)
    assert done.out == b""
    assert done.messages.startswith("p2pvault: ")
    assert done.messages.count("\n") == 1


@pytest.mark.usefixtures("ada")
def test_the_shape_of_status(couple: tuple[Device, Device]) -> None:
    status = couple[1].ask("status")
    assert status["v"] == 1
    assert set(status["vault"]) == {"id", "name", "records", "not_kept", "incomplete"}
    assert set(status["device"]) == {"id", "name", "role"}
    (peer,) = status["peers"]
    assert set(peer) == {
        "id", "name", "link", "address", "in_sync", "proved_s", "behind", "ahead", "last_seen",
        "fetching", "without",
    }  # fmt: skip
    assert (peer["name"], peer["link"], peer["in_sync"]) == ("laptop", "up", True)
    assert (peer["behind"], peer["ahead"]) == (0, 0)
    assert peer["proved_s"] >= 0


def test_the_shape_of_get_set_ls_and_rm(couple: tuple[Device, Device]) -> None:
    laptop, _ = couple
    made = laptop.ask("set", "shapes/one", "a=1", "b.c:=2")
    number = made["id"]
    assert made == {
        "v": 1, "path": "shapes/one", "id": number, "created": True, "fields": ["a", "b.c"],
    }  # fmt: skip
    assert laptop.ask("set", "shapes/one", "a=1")["fields"] == []
    value = {"a": "1", "b": {"c": 2}}
    assert laptop.ask("get", "shapes/one") == {
        "v": 1, "path": "shapes/one", "id": number, "value": value,
    }  # fmt: skip
    assert laptop.ask("get", f"id:{number}", "b.c")["value"] == 2
    listed = {"v": 1, "rows": [{"path": "shapes/one", "id": number}], "more": False}
    assert laptop.ask("ls", "shapes") == listed
    assert laptop.ask("ls", "--limit", "1")["more"] is True
    assert laptop.ask("rm", "shapes/one") == {"v": 1, "path": "shapes/one", "id": number}
    assert laptop.ask("ls", "shapes") == {"v": 1, "rows": [], "more": False}


def test_the_shape_of_watched_events(couple: tuple[Device, Device]) -> None:
    laptop, phone = couple
    watching = laptop.open("watch", "watched")
    assert json.loads(watching.note()) == {"v": 1, "event": "watching"}
    laptop.do("set", "watched/one", "n:=1")
    seen = watching.any_event()
    device = laptop.ask("status")["device"]
    assert set(seen) == {"event", "path", "id", "device", "fields", "kind"}
    assert (seen["event"], seen["path"], seen["fields"]) == ("change", "watched/one", ["n"])
    assert seen["device"] == {"id": device["id"], "name": "laptop"}
    wait_synced(phone, laptop)
    phone.do("rm", "watched/one")
    gone = watching.any_event()
    assert (gone["kind"], gone["device"]["name"]) == ("delete", "phone")


def test_a_closed_stdin_is_an_end_of_input(couple: tuple[Device, Device], fresh: Device) -> None:
    laptop, _ = couple
    assert shell(laptop, "set --stdin <&-").returncode == 0
    assert shell(fresh, "--json join <&-").returncode == 2


def test_a_closed_stdout_is_no_bug(couple: tuple[Device, Device]) -> None:
    assert b"Traceback" not in shell(couple[0], "ls contacts >&-").stderr


def test_commands_that_read_nothing_do_not_need_stdin(ada: Device) -> None:
    assert shell(ada, "ls contacts <&-").stdout == b"contacts/ada\n"


def test_a_reader_that_leaves_is_no_error(couple: tuple[Device, Device]) -> None:
    laptop, _ = couple
    lines = b"".join(b'{"path": "many/%05d", "value": {}}\n' % n for n in range(3_000))
    laptop.do("set", "--stdin", stdin=lines)
    done = shell(laptop, "ls many | head -n 1")
    assert done.stdout == b"many/00000\n"
    assert done.stderr == b""


def shell(device: Device, rest: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", f"{shlex.join(PROGRAM)} {rest}"],
        env=environment(device.home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=40,
        check=False,
    )


@pytest.mark.parametrize(
    "name",
    ["n" * 150, "mit Leerzeichen und ümläut 家", 'quote\'d "$HOME" `x`'],
    ids=["long", "non-ascii", "quotes"],
)
def test_homes_with_difficult_names(couple: tuple[Device, Device], fleet: Fleet, name: str) -> None:
    device = Device("guest", fleet.directory / name / name, LOOPBACK)
    fleet.devices.append(device)
    device.start("--mode", "off")
    device.ask("init", "--name", "guest")
    device.do("set", "notes/a", "body=b")
    device.stop()
    device.start("--mode", "off")
    assert device.do("get", "notes/a", "body") == "b\n"
    assert (device.home / "vault.db").exists()


def test_home_as_an_option_is_the_same_as_in_the_environment(
    couple: tuple[Device, Device], tmp_path: Path
) -> None:
    laptop, _ = couple
    clean = {key: value for key, value in os.environ.items() if key != "P2PVAULT_HOME"}
    done = subprocess.run(
        [*PROGRAM, "--home", str(laptop.home), "--json", "status"],
        env=clean, cwd=tmp_path, capture_output=True, timeout=40, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["device"]["name"] == "laptop"


def test_p21_nothing_secret_stands_in_the_title_or_the_log(cold: Fleet) -> None:
    talkative = (*LOOPBACK, "--log-level", "debug")
    laptop = cold.founder("laptop", *talkative)
    phone = cold.device("canary-phone", talkative)
    phone.start()
    shown = pair(laptop, phone)
    laptop.do("set", "canaries/canary-path", "canary-field=canary-value")
    wait_synced(laptop, phone)
    secrets = ["canar", shown.uri, *shown.code.split("-")[1:], *shown.words.split()]
    for device in (laptop, phone):
        title = Path(f"/proc/{device.daemon.process.pid}/cmdline").read_text()
        assert "p2pvaultd" in title
        device.stop()
        said = title + "".join(device.logs)
        assert not [secret for secret in secrets if secret in said]
