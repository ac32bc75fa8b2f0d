"""Which collections this device keeps: `collections` with its commands."""

from collections.abc import Iterator
from typing import Final, cast

import click

from p2pvault.cli.command import VaultGroup
from p2pvault.cli.session import Session, pass_session
from p2pvault.cli.wording import columns, number, one_line
from p2pvault.control.caller import Caller
from p2pvault.control.messages import Json, JsonObject
from p2pvault.errors import OnlyHere

_NOT_ALL: Final = "kept, not all of it is here yet"


@click.group(cls=VaultGroup, invoke_without_command=True)
@click.pass_context
def collections(context: click.Context) -> None:
    """See which collections this device keeps; keep or forget one.

    A device keeps every collection until it is told to forget it. What it forgets is erased here
    and stays on the other devices. A collection can be forgotten before anything of it is here.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_collections)


@collections.command("list")
@pass_session
def list_collections(session: Session) -> None:
    """List the collections, and which of them are kept here."""
    with session.connect() as caller:
        found = list(pages(caller))
    answer: JsonObject = {"collections": [*found]}
    if not found:
        session.report.show(answer, "There are no collections yet.")
        return
    table = columns([("COLLECTION", "RECORDS", "HERE"), *map(_row, found)])
    session.report.show(answer, *table)


def pages(caller: Caller) -> Iterator[JsonObject]:
    """Ask for all collections, kept here or not."""
    after: dict[str, Json] = {}
    while True:
        page = caller.call("collections", **after)
        yield from cast("list[JsonObject]", page["collections"])
        if page["next"] is None:
            return
        after = {"after": page["next"]}


def _row(collection: JsonObject) -> tuple[str, ...]:
    records, whole = collection["records"], collection["whole"]
    name = one_line(str(collection["name"]))
    if records is None:
        return name, "-", "not kept" if collection["seen"] else "not kept, and never was here"
    return name, number(cast("int", records)), "kept" if whole else _NOT_ALL


@collections.command()
@click.argument("name")
@pass_session
def keep(session: Session, name: str) -> None:
    """Keep the collection NAME on this device.

    What other devices hold of it is fetched as soon as they are linked. One that was forgotten by
    a slip, and that is nowhere, is off the list then.
    """
    with session.connect() as caller:
        so_already = not _is_forgotten(caller, name)
        answer = caller.call("collection_keep", collection=name)
    keeps = "already keeps" if so_already else "keeps"
    session.report.show(answer, f"This device {keeps} {_named(session, name, answer)}.")
    if not cast("JsonObject", answer["collection"])["whole"]:
        session.report.note(f"{session.command('status')} shows when all of it is here.")
    if not so_already:
        session.report.note(f"Take it back: {session.command('collections', 'forget', name)}")


@collections.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Also where no other device is proved to hold all of it.")
@pass_session
def forget(session: Session, name: str, yes: bool) -> None:
    """Erase the collection NAME on this device and keep it no longer.

    Another device that keeps it must be linked and proved to hold all of it. NAME need not be here
    yet: then it does not come.
    """
    with session.connect() as caller:
        so_already = _is_forgotten(caller, name)
        answer = _forget(session, caller, name, anyway=yes)
    if so_already:
        quoted = session.report.quote(one_line(name))
        session.report.show(answer, f"This device has forgotten {quoted} already.")
        return
    session.report.show(answer, f"This device forgets {_named(session, name, answer)}.")
    session.report.note(f"Take it back: {session.command('collections', 'keep', name)}")


def _forget(session: Session, caller: Caller, name: str, *, anyway: bool) -> JsonObject:
    try:
        return caller.call("collection_forget", collection=name, anyway=anyway)
    except OnlyHere as error:
        _confirm(session, name, error)
    with session.connect() as again:  # the daemon lets go of one whose person thinks for long
        return again.call("collection_forget", collection=name, anyway=True)


def _is_forgotten(caller: Caller, name: str) -> bool:
    return any(one["name"] == name and one["records"] is None for one in pages(caller))


def _named(session: Session, name: str, answer: JsonObject) -> str:
    """Return a collection's name, with a warning where it may be a slip."""
    quoted = session.report.quote(one_line(name))
    seen = cast("JsonObject", answer["collection"])["seen"]
    return quoted if seen else f"{quoted}, of which nothing was ever here"


def _confirm(session: Session, name: str, error: OnlyHere) -> None:
    if not session.may_ask():
        hint = f"{error.hint} Or insist with --yes: what only this device holds is lost then."
        raise OnlyHere(str(error), hint=hint) from error
    lost = f"What only this device holds of {session.report.quote(one_line(name))} is lost."
    question = f"No linked device is proved to hold all of it. {lost} Forget it anyway?"
    session.confirm(question, "Nothing was forgotten.")
