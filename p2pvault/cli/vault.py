"""Make a vault, and read and write its records: init, get, set, ls, rm, watch."""

import re
import socket
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final, cast

import click

from p2pvault.cli.command import VaultCommand
from p2pvault.cli.paper import show_words
from p2pvault.cli.records import plain_text, raw_bytes, record_lines
from p2pvault.cli.session import Session, pass_session
from p2pvault.cli.values import read_edits
from p2pvault.cli.wording import columns, count, number, one_line
from p2pvault.control.caller import Caller
from p2pvault.control.messages import Json, JsonObject
from p2pvault.errors import BadPath, DaemonUnreachable
from p2pvault.limits import DEVICE_NAME_CHARACTERS_MAX, LIST_ROWS_MAX

_DEFAULT_VAULT: Final = "home"


def host_name() -> str:
    """Return this computer's own name as the name of a device, or `device` where it has none."""
    first = socket.gethostname().partition(".")[0]
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "-", first).strip("-")[:DEVICE_NAME_CHARACTERS_MAX]
    return cleaned or "device"


@click.command(cls=VaultCommand)
@click.option("--name", metavar="NAME", help="What this device is called (its host name).")
@click.option(
    "--vault-name", metavar="NAME", default=_DEFAULT_VAULT, help="What the vault is called (home)."
)
@click.option("--no-qr", is_flag=True, help="Print no QR code of the recovery key.")
@pass_session
def init(session: Session, name: str | None, vault_name: str, no_qr: bool) -> None:
    """Make a vault on this device.

    Works with and without a running daemon. To have the vault of another device here, use
    `p2pvault join` instead. Shows the recovery key, 24 words for paper, which outranks every
    device; with --json it is the member `recovery_words`.
    """
    made, running = _make_vault(session, host_name() if name is None else name, vault_name)
    report = session.report
    vault, device = cast("JsonObject", made["vault"]), cast("JsonObject", made["device"])
    quoted = report.quote(str(vault["name"])), report.quote(str(device["name"]))
    report.show(made, f"Made the vault {quoted[0]} on this device, {quoted[1]}.")
    if not session.as_json:
        show_words(session, str(made["recovery_words"]), no_qr=no_qr)
    report.note(_next_steps(session, running=running))


def _make_vault(session: Session, name: str, vault_name: str) -> tuple[JsonObject, bool]:
    try:
        with session.connect(patience_s=0.0) as caller:
            return caller.call("init", name=name, vault_name=vault_name), True
    except DaemonUnreachable:
        # The only command that brings in the vault's own libraries, and only where it must.
        from p2pvault.node.create import create_vault  # noqa: PLC0415

        made = create_vault(session.home.state, name, vault_name)
        return {
            "vault": {"id": made.vault_id.hex(), "name": made.vault_name},
            "device": {"id": made.device_id.hex(), "name": made.device_name},
            "recovery_words": made.recovery_words,
        }, False


def _next_steps(session: Session, *, running: bool) -> str:
    run = [] if running else [("Run the daemon:", session.command(program="p2pvaultd"))]
    always = [] if running else [("or have it always:", session.command("daemon", "install"))]
    write = ("Write something:", session.command("set", "contacts/ada", "name=Ada"))
    rows = [*run, *always, write, ("Add another device:", session.command("pair"))]
    return "\n".join(["Next:", *(f"  {row}" for row in columns(rows))])


@click.command(cls=VaultCommand)
@click.argument("path")
@click.argument("field", required=False)
@pass_session
def get(session: Session, path: str, field: str | None) -> None:
    """Show a record, or one field of it.

    PATH is COLLECTION/NAME, or id:HEX with an id or its beginning. One FIELD alone (A.B for one
    inside another) is printed as it is, without quotes, so that scripts can use it; bytes go to a
    pipe or a file unchanged.
    """
    with session.connect() as caller:
        wanted: dict[str, Json] = (
            {"path": path} if field is None else {"path": path, "field": field}
        )
        record = caller.call("get", **wanted)
    value, report = record["value"], session.report
    if session.as_json:
        report.show(record)
    elif field is not None:
        _show_field(session, value)
    elif isinstance(value, dict):
        report.show({}, *record_lines(value))


def _show_field(session: Session, value: Json) -> None:
    data = raw_bytes(value)
    if data is not None and sys.stdout.isatty():
        session.report.note(f"{count(len(data), 'byte')}: send them to a file with `> FILE`.")
    elif data is not None:
        session.report.raw(data)
    elif sys.stdout.isatty():
        session.report.show({}, plain_text(value))
    else:
        session.report.raw(plain_text(value).encode() + b"\n")


@click.command("set", cls=VaultCommand)
@click.argument("path", required=False)
@click.argument("edits", nargs=-1, metavar="FIELD=VALUE...")
@click.option("--stdin", "bulk", is_flag=True, help="Read JSON lines {path, value} from stdin.")
@pass_session
def set_(session: Session, path: str | None, edits: Sequence[str], bulk: bool) -> None:
    """Change fields of a record; make it if it is not there.

    PATH is COLLECTION/NAME, for example contacts/ada, or id:HEX for one that is there.

    \b
    FIELD=VALUE    a text               FIELD=         delete the field
    FIELD:=JSON    any JSON value       A.B=VALUE      a field inside a field
    FIELD=@FILE    what FILE holds: text if it is UTF-8, else bytes

    FIELD:='""' is an empty text.

    With --stdin, each line is {"path": "contacts/ada", "value": {"name": "Ada"}}: the given
    fields are put, others stay. A thousand lines become one commit.
    """  # noqa: D301  # not a raw text: the backspace is click's mark for a table
    if bulk:
        if path is not None:
            raise click.UsageError("--stdin takes its paths from the lines, not from arguments.")
        _set_many(session)
    elif path is None or not edits:
        raise click.UsageError("Give a PATH and at least one FIELD=VALUE.")
    else:
        _set_one(session, path, edits)


def _set_one(session: Session, path: str, words: Sequence[str]) -> None:
    edits = read_edits(words)
    puts: list[Json] = [[list(steps), value] for steps, value in edits.puts]
    deletes: list[Json] = [list(steps) for steps in edits.deletes]
    with session.connect() as caller:
        done = caller.call("set", path=path, puts=puts, deletes=deletes)
    what = _fields_of(done) or ("no fields" if done["created"] else "nothing changed")
    made = " (new)" if done["created"] else ""
    session.report.show(done, f"{one_line(str(done['path']))}{made}: {what}")


def _set_many(session: Session) -> None:
    session.greet()
    if session.may_ask():
        session.report.note("Reading JSON lines from the terminal. Ctrl-D ends them.")
    # Brings in the whole schema, which no other command needs.
    from p2pvault.cli.bulk import write_lines  # noqa: PLC0415

    done = write_lines(session, sys.stdin.buffer)
    records, changed = cast("int", done["records"]), cast("int", done["changed"])
    session.report.show(done, f"{count(records, 'record')} read, {number(changed)} changed")


@click.command(cls=VaultCommand)
@click.argument("collection", required=False)
@click.option("--limit", type=int, metavar="N", help="Stop after N records.")
@pass_session
def ls(session: Session, collection: str | None, limit: int | None) -> None:
    """List the records of the vault, or of one COLLECTION.

    One path a line, in order; records that share a path show their ids.
    """
    _check_collection(session, collection)
    if limit is not None and limit < 1:
        raise click.UsageError("--limit needs a number of records, 1 or more.")
    rows: list[Json] = []
    following: Json = None
    with session.connect() as caller:
        for page in _pages(caller, collection, limit):
            rows += (fresh := cast("list[Json]", page["rows"]))
            following = page["next"]
            if not session.as_json:
                session.report.show({}, *_row_lines(fresh))
    if session.as_json:
        session.report.show({"rows": rows, "more": following is not None})
    elif not rows:
        session.report.note(_nothing(session, collection))
        if collection is not None:
            _suggest(session, collection)
    elif following is not None:
        these = "this one" if len(rows) == 1 else f"these {number(len(rows))}"
        session.report.note(f"There are more than {these}.")


def _check_collection(session: Session, name: str | None) -> None:
    collection, slash, rest = (name or "").partition("/")
    if slash:
        hint = f"{session.command('ls', collection)} lists a collection."
        if rest and "*" not in rest:  # which nobody calls a record, and shells know as all of them
            hint = f"{session.command('get', str(name))} shows a record; {hint}"
        raise BadPath(f"{name!r} is not the name of a collection", hint=hint)


def _nothing(session: Session, collection: str | None) -> str:
    if collection is None:
        return "Nothing here yet."
    return f"There are no records in {session.report.quote(collection)}."


def _suggest(session: Session, name: str) -> None:
    """Say which collection may have been meant, if there are any."""
    # No other listing needs them.
    from difflib import get_close_matches  # noqa: PLC0415

    from p2pvault.cli.collections import pages  # noqa: PLC0415

    with session.connect() as caller:
        names = [str(one["name"]) for one in pages(caller)]
    if close := get_close_matches(name, names, n=1):
        session.report.note(f"Did you mean {session.command('ls', close[0])}?")
    elif names:
        session.report.note(f"{session.command('collections')} lists what there is.")


def _pages(caller: Caller, collection: str | None, limit: int | None) -> Iterator[JsonObject]:
    params: dict[str, Json] = {} if collection is None else {"collection": collection}
    left = limit
    while True:
        params["limit"] = LIST_ROWS_MAX if left is None else min(left, LIST_ROWS_MAX)
        page = caller.call("ls", **params)
        left = None if left is None else left - len(cast("list[Json]", page["rows"]))
        yield page
        if page["next"] is None or left == 0:
            return
        params["after"] = page["next"]


def _row_lines(rows: Sequence[Json]) -> list[str]:
    """Return one path a line; records that share a path are told apart by their ids."""
    pairs = [(str(row["path"]), str(row["id"])) for row in rows if isinstance(row, dict)]
    paths = [path for path, _ in pairs]
    twice = {path for path, following in pairwise(paths) if path == following}
    return [one_line(path) + (f"  id:{number}" if path in twice else "") for path, number in pairs]


@click.command(cls=VaultCommand)
@click.argument("path")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def rm(session: Session, path: str, yes: bool) -> None:
    """Delete a record, on all devices.

    PATH is COLLECTION/NAME or id:HEX. What was deleted cannot be brought back.
    """
    if not yes and session.may_ask():
        path = _confirmed(session, path)
    with session.connect() as caller:
        gone = caller.call("rm", path=path)
    session.report.show(gone, f"{one_line(str(gone['path']))}: deleted")


def _confirmed(session: Session, path: str) -> str:
    """Ask whether the record shall be deleted, if there is one; return how it is named for good."""
    with session.connect() as caller:
        record = caller.call("get", path=path)
    name = session.report.quote(one_line(str(record["path"])))
    session.confirm(f"Delete {name} on all devices for good?", "Nothing was deleted.")
    return f"id:{record['id']}"


@click.command(cls=VaultCommand)
@click.argument("path", required=False)
@pass_session
def watch(session: Session, path: str | None) -> None:
    """Print changes as they happen, until interrupted.

    PATH narrows them to one record, or to one collection. With --json, {"event": "watching"} on
    stderr says when it has begun: from there on nothing is missed, or {"event": "missed"} says how
    many.
    """
    wanted: dict[str, Json] = {} if path is None else {"path": path}
    report = session.report
    with session.connect() as caller:
        events = caller.stream("watch", **wanted)
        report.aside({"event": "watching"}, "Waiting for changes. Ctrl-C ends.")
        for event in events:
            report.show(event, _event_line(event))


def _event_line(event: JsonObject) -> str:
    # In local time, without a date: it stands beside what happens now.
    now = datetime.now().astimezone().strftime("%H:%M:%S")
    if event.get("event") != "change":
        return f"{now}  {event.get('count')} changes missed: they came faster than they were read"
    device = cast("JsonObject", event["device"])
    what = {"new": "new: ", "delete": "deleted"}.get(str(event["kind"]), "")
    path = one_line(str(event["path"]))
    return f"{now}  {path}  {what}{_fields_of(event)}  ({one_line(str(device['name']))})"


def _fields_of(tree: JsonObject) -> str:
    return ", ".join(one_line(str(name)) for name in cast("list[Json]", tree["fields"]))
