"""How the command line starts, fails and ends; and its unit."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from harness.cli_fixtures import served
from harness.command_line import Done, environment, run, run_into, run_on_terminal, start
from harness.fake_state import FakeRecord, FakeState, with_vault
from p2pvault import __version__, errors
from p2pvault.cli.root import root
from p2pvault.cli.unit import unit_name, unit_text
from p2pvault.control.home import Home, find_home
from p2pvault.errors import ConfigError, VaultError

HELP = """\
Usage: p2pvault [OPTIONS] COMMAND [ARGS]...

  One encrypted vault of records, the same on all of your devices, with no
  server.

Start:
  init  Make a vault on this device.
  pair  Add another of your devices to this vault.
  join  Join the vault of the device that runs `p2pvault pair`.

Read and write:
  get          Show a record, or one field of it.
  set          Change fields of a record; make it if it is not there.
  ls           List the records of the vault, or of one COLLECTION.
  rm           Delete a record, on all devices.
  collections  See which collections this device keeps; keep or forget one.
  watch        Print changes as they happen, until interrupted.

Devices:
  status      Show the devices, the proof of equality, and what is wrong.
  devices     List, rename, revoke or reinstate the devices of the vault.
  quarantine  Look at what revoked devices wrote too late, and settle it.
  address     Say where a device is, where they do not find each other.
  recovery    Use the recovery key, or see it again.
  wait        Wait for something, for scripts.
  verify      Check everything that this device holds; repair it.

The daemon:
  daemon   Run the daemon here, or have it always running.
  version  Show the version of this program and of the running daemon.

Options:
  --version   Show the version and exit.
  -h, --help  Show this message and exit.

Everywhere:
  --home DIR  Keep all files of this device under DIR (or set P2PVAULT_HOME).
  --json      Print JSON for programs; a stream is one object a line.
  --no-color  Print without colours (or set NO_COLOR).
  --debug     Show where in the program an error came from.

  Exit codes: 0 ok, 1 failed, 2 usage, 3 no daemon is running, 4 locked, 5 not
  found, 6 no such device, 7 unreachable or timed out, 8 refused, 130
  interrupted.
"""


HEAVY = {
    "asyncio", "automerge", "cryptography", "msgpack", "nacl", "segno", "sqlcipher3", "structlog",
    "trio", "zeroconf",
}  # fmt: skip


def commands() -> list[tuple[str, ...]]:
    context = click.Context(root)
    found: list[tuple[str, ...]] = []
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        inner = list(command.commands) if isinstance(command, click.Group) else []
        found += [(name,), *((name, one) for one in inner)]
    return found


def test_the_help_is_as_printed_here() -> None:
    assert run(None, "--help").text == HELP
    assert run(None, "-h").text == HELP


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help_and_the_common_options(words: tuple[str, ...]) -> None:
    done = run(None, *words, "-h")
    assert done.code == 0
    for option in ("--home", "--json", "--no-color", "--debug", "--help"):
        assert option in done.text


def test_the_overview_says_what_the_commands_say() -> None:
    context = click.Context(root)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        assert f"{name} " in HELP
        assert command.get_short_help_str(200) in HELP


def test_the_version_is_shown_by_option_and_command(tmp_path: Path) -> None:
    assert run(None, "--version").text == f"p2pvault {__version__}\n"
    assert run(tmp_path, "version", "--json").tree == {
        "v": 1,
        "version": __version__,
        "daemon": None,
    }
    with served(tmp_path / "a", FakeState()):
        assert run(tmp_path / "a", "version", "--json").tree["daemon"] == __version__


@pytest.mark.heavy
@pytest.mark.parametrize(
    "words",
    [["--help"], ["get", "a/b"], ["set", "a/b", "c=d"], ["status"], ["ls"], ["watch", "-h"]],
)
def test_nothing_heavy_is_imported(tmp_path: Path, words: list[str]) -> None:
    program = (
        "import sys\nfrom p2pvault.cli.root import run\ncode = run(sys.argv[1:])\n"
        f"heavy = {HEAVY} & set(sys.modules)\nassert not heavy, heavy\nsys.exit(code)\n"
    )
    with served(tmp_path / "a", with_vault()) as daemon:
        daemon.state.records.append(FakeRecord("ab" * 16, "a/b", {"c": "d"}))
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            env=environment(tmp_path / "a"),
            capture_output=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr


@pytest.mark.heavy
@pytest.mark.parametrize("place", [["--json", "get", "a/b"], ["get", "--json", "a/b"]])
def test_common_options_stand_before_or_after_the_command(tmp_path: Path, place: list[str]) -> None:
    done = run(None, "--home", str(tmp_path), *place)
    assert (done.code, done.error["code"]) == (3, "daemon_unreachable")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody whom nobody knows")
def test_a_person_without_a_home_directory_is_told_what_to_do() -> None:
    program = (
        "import os, sys, platformdirs.unix\nfrom p2pvault.cli.root import run\n"
        "from p2pvault.cli import failure\nfrom p2pvault.control import caller, hardening, home\n"
        "os.setuid(54321)\ndel os.environ['HOME']\nsys.exit(run(['status']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(None), capture_output=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert b"Set HOME, or name a directory with --home." in done.stderr


def test_the_option_wins_over_the_environment(tmp_path: Path) -> None:
    with served(tmp_path / "a", FakeState()):
        assert run(tmp_path / "b", "daemon", "status", "--home", str(tmp_path / "a")).code == 0
        assert run(tmp_path / "b", "--home", str(tmp_path / "a"), "daemon", "status").code == 0
        assert run(tmp_path / "b", "daemon", "status").code == 3


@pytest.mark.parametrize(
    "words",
    [
        ["stauts"],
        ["get"],
        ["get", "--nothing"],
        ["set", "a/b"],
        ["set", "a/b", "word"],
        ["set", "--stdin", "a/b"],
        ["ls", "--limit", "0"],
        ["ls", "--home"],
        ["--home", "", "ls"],
        ["-a/-b"],
        ["get", "-a/-b"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(tmp_path: Path, words: list[str]) -> None:
    done = run(tmp_path, *words)
    assert (done.code, done.out) == (2, b"")
    assert re.fullmatch(r"p2pvault: .+\n", done.messages)
    wrong = run(tmp_path, "--json", *words)
    assert set(wrong.error) == {"code", "message", "hint"}


@pytest.mark.parametrize("words", [[], ["daemon"], ["recovery"]])
def test_half_a_command_shows_the_help_and_is_wrong_usage(tmp_path: Path, words: list[str]) -> None:
    done = run(tmp_path, *words)
    assert (done.code, done.out) == (2, b"")
    assert done.messages == run(tmp_path, *words, "--help").text
    wrong = run(tmp_path, *words, "--json")
    assert (wrong.code, wrong.error["message"]) == (2, "Missing command.")


def test_a_word_that_begins_with_a_dash_is_no_option_behind_two(tmp_path: Path) -> None:
    assert "`--`" in run(tmp_path, "get", "-a/-b").messages
    with served(tmp_path / "a", with_vault()):
        assert run(tmp_path / "a", "set", "--", "-a/-b", "-c=d").code == 0
        assert run(tmp_path / "a", "get", "--", "-a/-b").text == "-c  d\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is not here")
@pytest.mark.parametrize(
    "words", [["ls"], ["ls", "--json"], ["get", "a/b", "c"], ["--help"], ["init", "--no-qr"]]
)
def test_output_that_cannot_be_written_is_an_error_and_no_bug(
    tmp_path: Path, words: list[str]
) -> None:
    with served(tmp_path / "a", with_vault()) as daemon, Path("/dev/full").open("wb") as full:
        daemon.state.records.append(FakeRecord("ab" * 16, "a/b", {"c": "d"}))
        daemon.state.vault = None if words[0] == "init" else daemon.state.vault
        done = run_into(full, tmp_path / "a", *words)
    assert done.code == 1
    said = done.error["message"] if "--json" in words else done.messages
    assert "the output cannot be written: No space left on device" in said
    assert done.messages.count("\n") == 1


def test_a_mistyped_command_is_guessed(tmp_path: Path) -> None:
    assert "Did you mean 'status'?" in run(tmp_path, "stauts").messages


def kinds() -> list[type[VaultError]]:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    return [kind for kind in found if issubclass(kind, VaultError)]


@pytest.mark.heavy
def test_every_error_of_the_daemon_ends_with_its_exit_code(tmp_path: Path) -> None:
    with served(tmp_path / "a", with_vault()) as daemon:
        for kind in {kind.exit_code: kind for kind in kinds()}.values():
            daemon.state.fault = kind("it broke", hint="mend it")
            done = run(tmp_path / "a", "ls")
            assert (done.code, done.out) == (kind.exit_code, b"")
            assert done.messages == "p2pvault: it broke. mend it\n"
            wrong = run(tmp_path / "a", "ls", "--json")
            assert wrong.out == b""
            assert wrong.error == {"code": kind.code, "message": "it broke", "hint": "mend it"}


def test_exit_codes_are_those_of_the_contract() -> None:
    assert {kind.exit_code for kind in kinds()} == {1, 2, 3, 4, 5, 6, 7, 8}


def test_a_missing_daemon_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    done = run(tmp_path, "status")
    assert (done.code, done.out) == (3, b"")
    assert done.messages.startswith("p2pvault: no daemon is running for this home. Start it with ")
    assert f"`p2pvaultd --home {tmp_path}`" in done.messages


@pytest.mark.heavy
def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    assert "Traceback" not in run(tmp_path, "status").messages
    assert "Traceback" in run(tmp_path, "status", "--debug").messages


def test_what_the_schema_refuses_is_said_without_the_method(tmp_path: Path) -> None:
    with served(tmp_path / "a", with_vault("phone")):
        done = run(tmp_path / "a", "devices", "rename", "phone", "x" * 65)
        assert done.messages == "p2pvault: name must have 1 to 64 characters\n"


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with served(tmp_path / "a", with_vault()):
        done = run(tmp_path / "a", "set", "a/b", b"name=\xff")
        assert (done.code, "not UTF-8" in done.messages) == (2, True)
        assert run(tmp_path / "a", "get", b"a/\xff").code == 2
        assert "Only `set` takes bytes" in run(tmp_path / "a", "get", b"a/\xff").messages


def test_a_reader_that_has_enough_ends_the_command_quietly(tmp_path: Path) -> None:
    with served(tmp_path / "a", with_vault()) as daemon:
        daemon.state.records += [
            FakeRecord(f"{number:032x}", f"a/{number:0200}", {}) for number in range(500)
        ]
        with start(tmp_path / "a", "ls") as listing:
            assert listing.stdout is not None
            assert listing.stderr is not None
            assert len(listing.stdout.readline()) == 203
            listing.stdout.close()
            assert (listing.wait(60), listing.stderr.read()) == (0, b"")


def test_a_home_with_a_long_path_works(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 100) / ("y" * 100)
    with served(home, with_vault()):
        assert run(home, "set", "a/b", "c=d").code == 0
        assert run(home, "get", "a/b", "c").out == b"d\n"


def test_errors_are_coloured_on_a_terminal_only(tmp_path: Path) -> None:
    assert b"\x1b[31m" in run_on_terminal(tmp_path, "daemon", "status").out
    assert b"\x1b" not in run(tmp_path, "daemon", "status").err


def test_daemon_status_says_how_long_it_runs(tmp_path: Path) -> None:
    with served(tmp_path / "a", FakeState()):
        text = run(tmp_path / "a", "daemon", "status").text
        assert text == (
            f"running for 1 h, version {__version__}, process {os.getpid()}, without a vault\n"
        )
        assert run(tmp_path / "a", "daemon", "status", "--json").tree["pid"] == os.getpid()


def test_daemon_run_becomes_the_daemon_of_the_same_home(tmp_path: Path) -> None:
    done = run(tmp_path / "a", "daemon", "run", "--version")
    assert (done.code, done.text.split()[-1]) == (0, __version__)


def test_install_writes_the_unit_and_says_what_remains(tmp_path: Path) -> None:
    for _ in range(2):  # repeating it changes nothing
        done = run(
            tmp_path / "my 50% home", "daemon", "install",
            XDG_CONFIG_HOME=str(tmp_path / "config"), PATH="/nonexistent",
        )  # fmt: skip
        assert done.code == 0, done.messages
    (unit,) = (tmp_path / "config" / "systemd" / "user").iterdir()
    text = unit.read_text(encoding="utf-8")
    assert f'"--home" "{tmp_path}/my 50%% home"' in text
    assert text.count("ExecStart=") == 1
    assert f"systemctl --user enable --now '{unit.name}'" in done.text
    assert "loginctl enable-linger" in done.messages


_SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$SYSTEMCTL_CALLS"
[ "$2" != "$SYSTEMCTL_REFUSES" ] || { echo "Failed to $2" >&2; exit 1; }
"""
"""Stands for systemd's user manager, which no test machine is sure to run."""


def _install(tmp_path: Path, *, refuses: str = "") -> tuple[Done, list[str]]:
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()
    (bin_directory / "systemctl").write_text(_SYSTEMCTL)
    (bin_directory / "systemctl").chmod(0o700)
    done = run(
        None, "--json", "daemon", "install",
        XDG_CONFIG_HOME=str(tmp_path / "config"), SYSTEMCTL_CALLS=str(tmp_path / "calls"),
        SYSTEMCTL_REFUSES=refuses, PATH=f"{bin_directory}:/usr/bin:/bin",
    )  # fmt: skip
    return done, (tmp_path / "calls").read_text().splitlines()


def test_install_enables_and_starts_the_unit(tmp_path: Path) -> None:
    done, calls = _install(tmp_path)
    assert done.code == 0, done.messages
    unit = tmp_path / "config" / "systemd" / "user" / "p2pvaultd.service"
    assert done.tree == {"v": 1, "unit": str(unit), "enabled": True, "commands": []}
    assert "WantedBy=default.target" in unit.read_text(encoding="utf-8")
    assert calls == [
        "--user show-environment",
        "--user daemon-reload",
        "--user enable --now p2pvaultd.service",
    ]


def test_install_says_what_the_manager_refused(tmp_path: Path) -> None:
    done, _ = _install(tmp_path, refuses="enable")
    assert (done.code, done.out) == (1, b"")
    assert "Failed to enable" in done.error["message"]
    assert "journalctl --user -u p2pvaultd.service" in done.error["hint"]


def test_every_named_home_has_a_unit_of_its_own() -> None:
    names = [
        unit_name(find_home(Path(directory))) for directory in ("/home/a/x", "/home/a/x y", "/é")
    ]
    assert names == [
        "p2pvaultd-home-a-x.service",
        r"p2pvaultd-home-a-x\x20y.service",
        r"p2pvaultd-\xc3\xa9.service",
    ]
    assert unit_name(Home(Path("/s"), Path("/c"), Path("/r"))) == "p2pvaultd.service"
    with pytest.raises(ConfigError, match="too long"):
        unit_name(find_home(Path("/" + "x" * 250)))


@pytest.mark.skipif(shutil.which("systemd-escape") is None, reason="systemd-escape is not here")
def test_unit_names_are_escaped_as_systemd_does() -> None:
    path = "/home/a b/c-d/.e%$é"
    escaped = subprocess.run(
        ["systemd-escape", "--path", path], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert unit_name(find_home(Path(path))) == f"p2pvaultd-{escaped}.service"


def test_the_unit_cannot_be_broken_by_a_path(tmp_path: Path) -> None:
    line = next(
        line
        for line in unit_text(find_home(Path('/a"b$c\\d'))).splitlines()
        if line.startswith("ExecStart=")
    )
    assert line.endswith('"--home" "/a\\"b$$c\\\\d"')
    with pytest.raises(ConfigError):
        unit_text(find_home(Path("/a\nb")))
