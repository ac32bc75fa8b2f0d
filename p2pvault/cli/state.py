"""How things stand: status, wait, version."""

import shutil
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, cast

import click

from p2pvault import __version__
from p2pvault.cli.command import VaultCommand
from p2pvault.cli.report import Marked, Report
from p2pvault.cli.session import Session, pass_session
from p2pvault.cli.wording import columns, count, one_line, span, width
from p2pvault.control.messages import Json, JsonObject
from p2pvault.errors import DaemonUnreachable, Unreachable
from p2pvault.limits import CONTROL_START_S, CONTROL_WAIT_S_MAX

_WITHOUT_DISCOVERY: Final = (
    "Devices are dialled where they were last. Say where one is with `p2pvault address add`."
)


@click.command(cls=VaultCommand)
@pass_session
def status(session: Session) -> None:
    """Show the devices, the proof of equality, and what is wrong.

    "same as here" compares the content itself, and says how old the comparison is. Otherwise DATA
    counts the edits that are known to be missing on either side; one edit can be about a thousand
    records. What is wrong comes last.
    """
    with session.connect() as caller:
        answer = caller.call("status")
    report = session.report
    if answer["vault"] is None:
        lines = _no_vault_lines(session)
    else:
        lines = [_heading(report, answer), *_peer_lines(session, answer), *_kept_lines(answer)]
    report.show(answer, *lines, *_problem_lines(session, answer))


def _no_vault_lines(session: Session) -> list[str | Marked]:
    return [
        "There is no vault on this device yet.",
        f"Make one with {session.command('init')}, "
        f"or have that of another device here with {session.command('join')}.",
    ]


def _heading(report: Report, answer: JsonObject) -> str:
    vault, device = cast("JsonObject", answer["vault"]), cast("JsonObject", answer["device"])
    fetching = any(peer["fetching"] for peer in cast("Sequence[JsonObject]", answer["peers"]))
    records = count(cast("int", vault["records"]), "record") + (" so far" if fetching else "")
    this = f"{one_line(str(device['name']))} ({device['role'] or _why_outside(answer)})"
    return f"Vault {report.quote(one_line(str(vault['name'])))}   {records}   this device: {this}\n"


def _why_outside(answer: JsonObject) -> str:
    codes = {one["code"] for one in cast("Sequence[JsonObject]", answer["problems"])}
    return "suspended" if "suspended" in codes else "removed"


def _peer_lines(session: Session, answer: JsonObject) -> list[str | Marked]:
    peers = cast("Sequence[JsonObject]", answer["peers"])
    if not peers:
        return [f"  No other device yet. Add one with {session.command('pair')}."]
    marks = session.report.marks
    heading, *rows = _peer_table(peers)
    lines: list[str | Marked] = [f"    {heading}"]
    for peer, row in zip(peers, rows, strict=True):
        up = peer["link"] == "up"
        mark, colour = (marks.up, "green") if up else (marks.down, "yellow")
        lines.append(Marked(f"  {mark}", colour, row))
    return lines


def _peer_table(peers: Sequence[JsonObject]) -> list[str]:
    """Return the rows, without the addresses where a terminal is too narrow for them.

    Where that is not enough, the time that a device was seen goes into the cell of its link.
    """
    tables = [_table(peers, addresses=True), _table(peers, addresses=False), _slim_table(peers)]
    if not sys.stdout.isatty():
        return tables[0]
    room = shutil.get_terminal_size().columns - len("  * ")
    return next((table for table in tables if max(map(width, table)) <= room), tables[-1])


def _slim_table(peers: Sequence[JsonObject]) -> list[str]:
    rows = [(one_line(str(peer["name"])), _seen_link(peer), data_cell(peer)) for peer in peers]
    return columns([("DEVICE", "LINK", "DATA"), *rows])


def _seen_link(peer: JsonObject) -> str:
    return "up" if peer["link"] == "up" else f"{peer['link']}, {_last_seen(peer)}"


def _table(peers: Sequence[JsonObject], *, addresses: bool) -> list[str]:
    rows = [
        (one_line(str(peer["name"])), _link(peer, addresses), data_cell(peer), _last_seen(peer))
        for peer in peers
    ]
    return columns([("DEVICE", "LINK", "DATA", "LAST SEEN"), *rows])


def _link(peer: JsonObject, addresses: bool) -> str:
    where = peer["address"] if addresses and peer["link"] == "up" else None
    return one_line(f"{peer['link']}, {where}" if where else str(peer["link"]))


def _kept_lines(answer: JsonObject) -> list[str | Marked]:
    vault = cast("JsonObject", answer["vault"])
    lines: list[str | Marked] = []
    for heading, key in (("Not kept here", "not_kept"), ("Not all here yet", "incomplete")):
        names = ", ".join(one_line(name) for name in cast("list[str]", vault[key]))
        lines += [f"  {heading}: {names}"] if names else []
    return lines


def data_cell(peer: JsonObject) -> str:
    """Say how a peer's content compares with ours, and how old the proof of it is."""
    proved = peer["proved_s"]
    age = f"proved {span(proved)} ago" if isinstance(proved, int | float) else ""
    if peer["in_sync"] is True:
        return ", ".join(filter(None, ("same as here", _left_out(peer), age)))
    if peer["fetching"]:
        return "its records are being fetched"
    if missing := _missing(peer):
        return missing
    if peer["in_sync"] is False:
        return "not the same as here"
    return f"was the same as here, {age}" if age else "not compared yet"


def _left_out(peer: JsonObject) -> str:
    """Say that a proof is not about everything."""
    without = cast("int", peer["without"])
    return f"but for {count(without, 'collection')}" if without else ""


def _missing(peer: JsonObject) -> str:
    behind, ahead = cast("int | None", peer["behind"]), cast("int | None", peer["ahead"])
    parts = (
        f"{count(behind, 'edit')} there, not here yet" if behind else "",
        f"{count(ahead, 'edit')} here, not there yet" if ahead else "",
    )
    return "; ".join(filter(None, parts))


def _last_seen(peer: JsonObject) -> str:
    if peer["link"] == "up":
        return "now"
    if peer["last_seen"] is None:
        return "never"
    try:
        moment = datetime.fromisoformat(str(peer["last_seen"]))
    except ValueError:
        return one_line(str(peer["last_seen"]))
    age_s = (datetime.now(UTC) - moment).total_seconds()
    # Only a clock that was set back since, over a restart of the daemon, is behind it.
    return f"{span(age_s)} ago" if age_s >= 0 else "unknown"


def _problem_lines(session: Session, answer: JsonObject) -> list[Marked]:
    discovery = cast("JsonObject", answer["discovery"])
    problems = list(cast("Sequence[JsonObject]", answer["problems"]))
    if discovery["problem"] is not None:
        problems.append({"message": discovery["problem"], "hint": _WITHOUT_DISCOVERY})
    return [Marked("!", "red", _problem_text(session, problem)) for problem in problems]


def _problem_text(session: Session, problem: JsonObject) -> str:
    message, hint = one_line(str(problem["message"])), one_line(str(problem["hint"]))
    return f"{message}  {session.report.marks.arrow} {session.here(hint)}" if hint else message


@click.command(cls=VaultCommand)
@click.option("--ready", is_flag=True, help="Until the daemon answers, and its vault is open.")
@click.option("--synced", is_flag=True, help="Until content is proved the same on DEVICE.")
@click.argument("device", required=False)
@click.option(
    "--timeout",
    "timeout_s",
    type=float,
    metavar="S",
    help="Give up after S seconds, with exit code 7.",
)
@pass_session
def wait(
    session: Session, ready: bool, synced: bool, device: str | None, timeout_s: float | None
) -> None:
    """Wait for something, for scripts.

    With --synced and no DEVICE, every device that is linked must be the same, and one must be.
    Without --timeout it waits for ever. For example, to write and be sure that it has arrived:

    \b
    p2pvault set contacts/ada name=Ada && p2pvault wait --synced phone --timeout 60
    """  # noqa: D301  # not a raw text: the backspace is click's mark for an example
    if ready is synced or (ready and device is not None):
        raise click.UsageError("Give either --ready, or --synced with perhaps a DEVICE.")
    if timeout_s is not None and not timeout_s >= 0.0:  # NaN is refused with the negative ones
        raise click.UsageError("--timeout needs a number of seconds that is not negative.")
    what = "ready" if ready else "synced"
    wanted: dict[str, Json] = {"for": what} if device is None else {"for": what, "device": device}
    deadline = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
    try:
        _wait(session, wanted, deadline)
    except Unreachable as error:
        raise Unreachable(f"not {what} within {timeout_s:g} s", hint=error.hint) from error
    session.report.show({})


def _wait(session: Session, wanted: dict[str, Json], deadline: float) -> None:
    """Ask the daemon to wait, again and again where it must; one that is not there yet may come."""
    starting = wanted["for"] == "ready"
    while True:
        left = max(0.0, deadline - time.monotonic())
        try:
            with session.connect(left if starting else min(left, CONTROL_START_S)) as caller:
                if starting and not caller.call("hello")["vault"]:
                    return  # a daemon without a vault is ready to get one
                left = max(0.0, deadline - time.monotonic())
                caller.call("wait", **wanted, timeout_s=min(left, CONTROL_WAIT_S_MAX))
                return
        except Unreachable:
            if time.monotonic() >= deadline:
                raise
        except DaemonUnreachable as error:
            if not starting:
                raise
            if time.monotonic() >= deadline:
                hint = f"{str(error).capitalize()}. {error.hint}"
                raise Unreachable(str(error), hint=hint) from error


@click.command(cls=VaultCommand)
@pass_session
def version(session: Session) -> None:
    """Show the version of this program and of the running daemon."""
    try:
        with session.connect(patience_s=0.0) as caller:
            running = str(caller.call("hello")["version"])
    except DaemonUnreachable:
        running = None
    lines = [f"p2pvault {__version__}"]
    if running not in {None, __version__}:
        lines.append(f"The daemon still runs version {running}: restart it.")
    session.report.show({"version": __version__, "daemon": running}, *lines)
