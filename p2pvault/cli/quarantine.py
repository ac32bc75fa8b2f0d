"""Entries that removed devices wrote too late: `quarantine` with its commands."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, cast

import click

from p2pvault.cli.command import VaultGroup
from p2pvault.cli.meant import matching
from p2pvault.cli.session import Session, pass_session
from p2pvault.cli.wording import columns, count, one_line, span
from p2pvault.control.messages import Json, JsonObject
from p2pvault.errors import NoSuchDevice, Refused

_PATHS_SHOWN: Final = 8
"""Of the records that a device's entries touch; `--json` has more of them."""

_KB: Final = 1_000


@click.group(cls=VaultGroup, invoke_without_command=True)
@click.pass_context
def quarantine(context: click.Context) -> None:
    """Look at what revoked devices wrote too late, and settle it.

    Changes that a device made after it was revoked, and that no device had taken before it knew,
    are kept apart. They are not in the vault. DEVICE is a name, an id, or the first four or more
    characters of an id; what is left out means all devices.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_quarantine)


@quarantine.command("list")
@pass_session
def list_quarantine(session: Session) -> None:
    """List what is in quarantine on this device."""
    with session.connect() as caller:
        answer = caller.call("quarantine")
    devices = _objects(answer["devices"])
    if not devices:
        session.report.show(answer, "Nothing is in quarantine.")
        return
    heading = ("DEVICE", "ENTRIES", "RECORDS", "SIZE", "SINCE")
    table = columns([heading, *map(_row, devices)])
    session.report.show(answer, *table, "", *map(_paths, devices))


def _row(device: JsonObject) -> tuple[str, ...]:
    since = datetime.fromisoformat(str(device["first"]))
    size = cast("int", device["bytes"])
    return (
        one_line(str(device["name"])),
        str(device["entries"]),
        str(device["records"]),
        f"{size} B" if size < _KB else f"{size // _KB} KB",
        f"{span((datetime.now(UTC) - since).total_seconds())} ago",
    )


def _paths(device: JsonObject) -> str:
    paths, records = cast("list[str]", device["paths"]), cast("int", device["records"])
    shown = [one_line(path) for path in paths[:_PATHS_SHOWN]]
    if records > len(shown):
        shown.append(f"{count(records - len(shown), 'record')} more")
    return f"{one_line(str(device['name']))}: {', '.join(shown)}"


@quarantine.command()
@click.argument("device", required=False)
@pass_session
def accept(session: Session, device: str | None) -> None:
    """Repeat the effect of quarantined changes as edits of this device.

    What DEVICE wrote is repeated together with everything that builds on it, merged with what the
    records hold now, and is out of quarantine then.
    """
    with session.connect() as caller:
        answer = caller.call("quarantine_accept", **_chosen(device))
    records, left = _objects(answer["records"]), cast("int", answer["left"])
    entries = count(cast("int", answer["entries"]), "entry", "entries")
    changed = cast("int", answer["changed"])
    lines = [f"Repeated {entries}, which changed {count(changed, 'record')}."]
    lines += [f"  {one_line(str(record['path']))}" for record in records[:_PATHS_SHOWN]]
    if changed > _PATHS_SHOWN:
        lines.append(f"  {count(changed - _PATHS_SHOWN, 'record')} more")
    if left:
        stays = count(left, "entry", "entries")
        lines.append(f"Still in quarantine: {stays}, built on changes that are not here.")
    session.report.show(answer, *lines)
    session.report.note(
        "These are edits of this device now. Change back what you do not want with "
        f"{session.command('set')} or {session.command('rm')}."
    )


@quarantine.command()
@click.argument("device", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def drop(session: Session, device: str | None, yes: bool) -> None:
    """Delete quarantined changes from this device, for good.

    What DEVICE wrote is dropped together with everything in quarantine that builds on it.
    """
    if not yes and session.may_ask():
        _confirm_drop(session, device)
    with session.connect() as caller:
        answer = caller.call("quarantine_drop", **_chosen(device))
    entries = count(cast("int", answer["entries"]), "entry", "entries")
    session.report.show(answer, f"Dropped {entries} from quarantine.")
    session.report.note(
        "This cannot be taken back here. Should another device prove to have taken them in time, "
        "they come from there."
    )


def _confirm_drop(session: Session, device: str | None) -> None:
    with session.connect() as caller:
        known = _objects(caller.call("quarantine")["devices"])
    if not known:
        raise Refused("nothing is in quarantine")
    of_whom = "everything" if device is None else f"what {_whose(session, device, known)} wrote"
    session.confirm(f"Drop {of_whom} in quarantine for good?", "Nothing was dropped.")


def _whose(session: Session, device: str, known: Sequence[JsonObject]) -> str:
    """Return the name of a device for a question, and ask none about one of which nothing is."""
    quote, found = session.report.quote, matching(device, known)
    if not found:
        raise NoSuchDevice(
            f"nothing of a device called {quote(device)} is in quarantine",
            hint=f"{session.command('quarantine')} shows of whom something is.",
        )
    return quote(one_line(str(found[0]["name"])))


def _chosen(device: str | None) -> dict[str, Json]:
    return {} if device is None else {"device": device}


def _objects(value: Json) -> Sequence[JsonObject]:
    return cast("Sequence[JsonObject]", value)
