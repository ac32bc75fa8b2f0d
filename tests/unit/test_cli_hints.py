"""Commands that hints name: what a person pastes leads to the home that was meant."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli_fixtures import served
from harness.command_line import run
from harness.fake_daemon import CODE, FakeDaemon
from harness.fake_state import FakeState, with_vault
from p2pvault.errors import NoSuchRecord, NotKept, StoreCorrupt, VaultError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "my laptop"


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    with served(home, with_vault("phone")) as running:
        yield running


@pytest.mark.parametrize("kind", [NoSuchRecord, NotKept, StoreCorrupt])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_commands_in_the_hint_of_an_error_lead_to_the_home_that_was_named(
    home: Path, daemon: FakeDaemon, kind: type[VaultError], options: list[str]
) -> None:
    daemon.state.fault = kind("it broke")
    named = f"`{shlex.join(['p2pvault', '--home', str(home)])} "
    done = run(None, "--home", str(home), "get", "a/b", *options)
    assert named in done.messages
    assert done.messages.count(named) == done.messages.count("`p2pvault")
    assert "--home" not in run(home, "get", "a/b", *options).messages  # the environment says it


def test_the_help_is_the_same_for_every_home(home: Path) -> None:
    done = run(None, "--home", str(home), "get")
    assert (done.code, done.messages.endswith("See `p2pvault get --help`.\n")) == (2, True)


def test_commands_of_problems_lead_to_the_home_that_was_named(
    home: Path, daemon: FakeDaemon
) -> None:
    hint = "Look at `status` there, or run `p2pvault verify`. A copy: `p2pvault verify --home COPY`"
    daemon.state.problems.append({"code": "x", "message": "odd", "hint": hint})
    daemon.state.discovery_problem = "no mDNS"
    shown = run(None, "--home", str(home), "status").text
    ours = f"p2pvault --home {shlex.quote(str(home))}"
    assert f"`status` there, or run `{ours} verify`." in shown
    assert "`p2pvault verify --home COPY`" in shown
    assert f"`{ours} address add`" in shown
    (told,) = run(None, "--home", str(home), "status", "--json").tree["problems"]
    assert told["hint"] == hint, "a program is told what the daemon said"


def test_commands_of_join_lead_to_the_home_that_was_named(home: Path) -> None:
    state = FakeState(search=[{"problem": "no network", "hint": "Run `p2pvault join` again."}])
    with served(home, state):
        shown = run(None, "--home", str(home), "join", CODE, "--yes").text
    assert f"Run `p2pvault --home {shlex.quote(str(home))} join` again." in shown
