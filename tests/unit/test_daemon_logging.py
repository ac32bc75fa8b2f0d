"""What can be logged, and that nothing else can."""

import ast
import json
import logging
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

import p2pvault
import p2pvaultd
from harness.logs import json_logging, logged
from p2pvault.errors import NoSuchRecord
from p2pvaultd.fields import FIELDS, allow_only
from p2pvaultd.outline import outline

CANARY = "canary/Ada Lovelace ada@example.org 42-apple-pear-plum"
PACKAGES = [Path(package.__file__ or "").parent for package in (p2pvault, p2pvaultd)]
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}


@pytest.fixture
def as_json() -> Iterator[None]:
    with json_logging():
        yield


@pytest.mark.usefixtures("as_json")
def test_a_canary_in_any_field_is_withheld(capfd: pytest.CaptureFixture[str]) -> None:
    log = structlog.get_logger()
    for field in [*FIELDS, "name", "value", "path", "code", "key"]:
        log.info("link_up", **{field: CANARY})
    lines = logged(capfd.readouterr().err)
    assert CANARY not in str(lines)
    assert [line["withheld"] for line in lines] == [1] * (len(FIELDS) + 5)


@pytest.mark.usefixtures("as_json")
def test_a_device_is_written_by_the_first_digits_of_its_id(
    capfd: pytest.CaptureFixture[str],
) -> None:
    structlog.get_logger().info("link_up", device="0123456789abcdef" * 4, dialled=True)
    (line,) = logged(capfd.readouterr().err)
    assert (line["device"], line["dialled"]) == ("01234567", True)


@pytest.mark.usefixtures("as_json")
def test_an_event_that_is_no_plain_text_is_withheld(capfd: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().info(CANARY)
    assert [line["event"] for line in logged(capfd.readouterr().err)] == ["forbidden_event"]


@pytest.mark.usefixtures("as_json")
def test_a_crash_is_logged_by_type_and_place_without_its_message(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def lose() -> None:
        raise NoSuchRecord(CANARY)

    def fail() -> None:
        try:
            lose()
        except NoSuchRecord as error:
            raise ExceptionGroup(CANARY, [AssertionError(CANARY), error]) from error

    try:
        fail()
    except ExceptionGroup:
        structlog.get_logger().exception("crashed")
    (line,) = logged(capfd.readouterr().err)
    assert CANARY not in str(line)
    assert line["error"] == "ExceptionGroup"
    trace = line["trace"]
    assert isinstance(trace, list)
    assert "not_found" in trace
    assert "AssertionError" in trace
    assert any(re.fullmatch(r"[\w.]+:\d+", frame) for frame in trace)


@pytest.mark.usefixtures("as_json")
def test_a_library_says_where_it_complained_and_not_what(capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("zeroconf").warning("bad packet %s", CANARY)
    logging.getLogger("zeroconf").error(CANARY, exc_info=OSError(CANARY))
    logging.getLogger("zeroconf").info("chatter")
    first, second = logged(capfd.readouterr().err)
    assert CANARY not in str((first, second))
    assert str(first["place"]).startswith("zeroconf.")
    assert second["error"] == "OSError"


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=80), max_size=4))
def test_whatever_passes_the_allow_list_has_a_field_and_a_shape(fields: dict[str, str]) -> None:
    event = {"event": "link_up", "level": "info", **fields}
    event["event"], event["level"] = "link_up", "info"
    kept = allow_only(None, "info", dict(event))
    assert kept.keys() <= FIELDS.keys() | {"event", "level", "withheld"}


def test_the_outline_of_a_cycle_of_causes_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert outline(first) == ["ValueError", "KeyError"]


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Calls on structlog; what goes through the standard module never shows its text."""
    files = [file for package in PACKAGES for file in package.rglob("*.py")]
    for file in files:
        text = file.read_text()
        for node in ast.walk(ast.parse(text)) if "import structlog" in text else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if node.func.attr in LOG_METHODS and re.fullmatch(r"_?log(ger)?(\(\))?", owner):
                    yield f"{file.name}:{node.lineno}", node


def test_every_log_call_in_the_source_is_a_plain_text_with_allowed_fields() -> None:
    calls = list(log_calls())
    assert calls
    for place, call in calls:
        events = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        assert len(events) == len(call.args) == 1, place
        kept = allow_only(None, "info", {"event": events[0], "level": "info"})
        assert kept["event"] == events[0], place
        named = {keyword.arg for keyword in call.keywords}
        assert named <= FIELDS.keys() | {"exc_info"}, place


def run(program: str, **streams: object) -> "subprocess.CompletedProcess[bytes]":
    arguments = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.run(arguments, check=False, **streams)  # type: ignore[call-overload,no-any-return]


CRASH = """
    from p2pvaultd.logging import configure_logging, install_crash_hooks
    import threading
    configure_logging("info", "FORM")
    install_crash_hooks()
    def fail():
        raise AssertionError("canary")
    thread = threading.Thread(target=fail); thread.start(); thread.join()
    class Finaliser:
        def __del__(self):
            raise AssertionError("canary")
    Finaliser()
    fail()
"""


def test_what_nobody_catches_is_logged_without_its_values_and_the_exit_code_is_1() -> None:
    done = run(CRASH.replace("FORM", "json"), capture_output=True)
    assert done.returncode == 1
    assert b"canary" not in done.stderr
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events == ["thread_crashed", "error_ignored", "crashed"]


def test_text_for_people_names_severity_event_and_fields() -> None:
    done = run(CRASH.replace("FORM", "text"), capture_output=True)
    line = done.stderr.decode().splitlines()[-1]
    pattern = r"\d\d:\d\d:\d\d critical crashed error=AssertionError < AssertionError < __main__.+"
    assert re.fullmatch(pattern, line)


def test_lines_for_the_journal_carry_the_severity() -> None:
    read, write = os.pipe()
    status = os.fstat(write)
    stream = f"{status.st_dev}:{status.st_ino}"
    environment = {**os.environ, "JOURNAL_STREAM": stream}
    run(CRASH.replace("FORM", "auto"), stderr=write, env=environment)
    os.close(write)
    with os.fdopen(read, "rb") as lines:
        assert [line[:3] for line in lines] == [b"<2>", b"<3>", b"<2>"]


def test_a_journal_that_is_not_our_standard_error_gets_json() -> None:
    environment = {**os.environ, "JOURNAL_STREAM": "1:2"}
    done = run(CRASH.replace("FORM", "auto"), capture_output=True, env=environment)
    assert all(json.loads(line) for line in done.stderr.splitlines())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_log_is_survived() -> None:
    program = """
        import structlog
        from p2pvaultd.logging import configure_logging
        configure_logging("info", "json")
        structlog.get_logger().error("link_up")
    """
    with Path("/dev/full").open("wb") as full:
        assert run(program, stderr=full).returncode == 0


def test_a_closed_standard_error_is_survived() -> None:
    program = """
        import os, structlog
        from p2pvaultd.logging import configure_logging
        os.close(2)
        configure_logging("info", "auto")
        structlog.get_logger().error("link_up")
    """
    assert run(program, env={**os.environ, "JOURNAL_STREAM": "1:2"}).returncode == 0
