"""`verify`: what is wrong with the store of this device, and its repair."""

from collections.abc import Iterable, Iterator
from typing import Final

import click

from p2pvault.cli.command import VaultCommand
from p2pvault.cli.report import Marked, Report
from p2pvault.cli.session import Session, pass_session
from p2pvault.cli.wording import count, number, one_line
from p2pvault.control.messages import JsonObject
from p2pvault.errors import DaemonUnreachable

_DETAIL_LINES_SHOWN: Final = 3
"""Of what is wrong with one thing; `--json` has all."""

DAMAGED = 1
"""The exit code where something is wrong and was not repaired."""


@click.command(cls=VaultCommand)
@click.option("--repair", is_flag=True, help="Repair what can be repaired.")
@pass_session
def verify(session: Session, repair: bool) -> None:  # click passes by name
    """Check everything that this device holds; repair it.

    That is every page, record, entry and fingerprint, and the content against every linked
    device. The exit code is 0 where all is sound, or repaired, and 1 where something is not.

    Where the daemon runs, nothing waits for this, and --repair fetches damaged records. Where it
    does not run, or cannot, --repair puts flipped bits back in the files themselves.
    """
    first = f"Repair it with {session.command('verify', '--repair')}."
    then = f"Stop the daemon and run {session.command('verify', '--repair')} for the rest."
    try:
        caller = session.connect(patience_s=0.0)
    except DaemonUnreachable:
        sound = show(session.report, _without_daemon(session, repair=repair))
        then = "Copy the directory aside, then pair this device anew."
    else:
        # One that is lost later is an error: what the daemon was doing then is not known.
        with caller:
            sound = show(session.report, caller.stream("verify", repair=repair))
    if not sound:
        session.report.note(then if repair else first)
        raise click.exceptions.Exit(DAMAGED)


def _without_daemon(session: Session, *, repair: bool) -> Iterator[JsonObject]:
    # As in `init`: the vault's own libraries, and only where there is no other way.
    from p2pvault.control.audit import written  # noqa: PLC0415
    from p2pvault.node.offline import verify_home  # noqa: PLC0415

    for event in verify_home(session.home.state, repair=repair):
        yield written(event)


def show(report: Report, events: Iterable[JsonObject]) -> bool:
    """Print what an audit says; return whether all is sound at its end."""
    sound = False
    try:
        for event in events:
            report.progress(_progress(event))
            report.show(event, *_lines(report, event))
            if event["event"] == "verified":
                sound = event["findings"] == event["repaired"]
    finally:
        report.progress("")
    return sound


def _progress(event: JsonObject) -> str:
    if event["event"] != "progress":
        return ""
    done, total = number(_number(event, "done")), number(_number(event, "total"))
    return f"{one_line(str(event['part']))}: {done} of {total}"


def _lines(report: Report, event: JsonObject) -> list[str | Marked]:
    match event["event"]:
        case "finding":
            what = f"{event['kind']} {one_line(str(event['what']))}"
            return [Marked("!", "red", f"{what}: {_short(str(event['detail']))}")]
        case "repaired":
            what = f"{event['kind']} {one_line(str(event['what']))}"
            return [Marked(report.marks.up, "green", f"{what}: repaired")]
        case "lost":
            what = f"{event['kind']} {one_line(str(event['what']))}"
            back = "comes back from devices that have it"
            return [Marked("!", "yellow", f"{what}: lost here, {back}")]
        case "kept":
            return [f"The damaged store stays as {one_line(str(event['what']))}."]
        case "verified":
            return [_summary(event)]
        case _:
            return []


def _summary(event: JsonObject) -> str:
    entries = count(_number(event, "entries"), "journal entry", "journal entries")
    seen = f"{count(_number(event, 'records'), 'record')}, deleted ones too, and {entries}"
    if not event["findings"]:
        return f"Sound: {seen}."
    repaired = f", {event['repaired']} of them repaired" if event["repaired"] else ""
    return f"{count(_number(event, 'findings'), 'finding')}{repaired}. Looked at {seen}."


def _number(event: JsonObject, name: str) -> int:
    value = event[name]
    assert isinstance(value, int), "the schema says so"
    return value


def _short(detail: str) -> str:
    """Return the beginning of what is wrong: SQLite names every page behind a damaged one."""
    lines = detail.splitlines()
    shown = one_line("\n".join(lines[:_DETAIL_LINES_SHOWN]))
    left = len(lines) - _DETAIL_LINES_SHOWN
    return f"{shown}, and {count(left, 'line')} more" if left > 0 else shown
