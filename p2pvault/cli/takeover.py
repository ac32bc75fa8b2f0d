"""`recovery use --from`: a new device takes a vault over from the home of a lost one."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from p2pvault.cli.paper import question, read_words
from p2pvault.cli.session import Session
from p2pvault.cli.wording import columns, one_line
from p2pvault.control.messages import Json, JsonObject
from p2pvault.errors import DaemonUnreachable, VaultExists


def take_over(session: Session, backup: Path, wanted: Mapping[str, Json], *, yes: bool) -> None:
    """Take a vault over from a backup.

    Args:
        session: The run.
        backup: The home of a lost device, or a copy of it.
        wanted: `name`, `lost`, `all_others`, `restored` and `alive`, as the daemon takes them.
        yes: Whether not to ask.
    """
    running = _check_empty(session)
    words = read_words(session)
    if not yes:
        session.confirm(_question(session, wanted), "Nothing was changed.")
    asked: dict[str, Json] = {"words": words, "directory": str(_whole(backup)), **wanted}
    events = _asked(session, asked) if running else _without_daemon(session, asked)
    done = next(events)
    session.report.note("Checking the backup, and taking over what it holds.")
    for event in events:
        done = event
    _show(session, done, running=running)


def _check_empty(session: Session) -> bool:
    """Insist that there is no vault here, before anything is typed; tell whether a daemon runs.

    Raises:
        VaultExists: There is one.
    """
    try:
        with session.connect(patience_s=0.0) as caller:
            running, exists = True, bool(caller.call("hello")["vault"])
    except DaemonUnreachable:
        from p2pvault.node.create import has_vault  # noqa: PLC0415  # as in `_without_daemon`

        running, exists = False, has_vault(session.home.state)
    if exists:
        raise VaultExists(
            "this device has a vault already",
            hint="Use another --home; with the vault that is here, the key is used without --from.",
        )
    return running


def _question(session: Session, wanted: Mapping[str, Json]) -> str:
    lost, back = (
        [session.report.quote(str(name)) for name in cast("list[Json]", wanted[key])]
        for key in ("lost", "restored")
    )
    own = [] if wanted["alive"] else ["the device of this backup"]
    return question(["every other device"] if wanted["all_others"] else [*own, *lost], back)


def _whole(backup: Path) -> Path:
    # The daemon has another working directory.
    return backup.expanduser().absolute()


def _asked(session: Session, asked: Mapping[str, Json]) -> Iterator[JsonObject]:
    with session.connect() as caller:
        yield from caller.stream("recovery_from", **asked)


def _without_daemon(session: Session, asked: Mapping[str, Json]) -> Iterator[JsonObject]:
    # As in `init`: the vault's own libraries, and only where there is no other way.
    from p2pvault.control.takeover import wanted, written  # noqa: PLC0415
    from p2pvault.node.takeover import take_over as take  # noqa: PLC0415

    for event in take(session.home.state, Path(str(asked["directory"])), wanted(asked)):
        yield written(event)


def _show(session: Session, done: JsonObject, *, running: bool) -> None:
    report = session.report
    vault, device = cast("JsonObject", done["vault"]), cast("JsonObject", done["device"])
    quoted = report.quote(str(vault["name"])), report.quote(str(device["name"]))
    removed = [report.quote(one_line(str(name))) for name in cast("list[Json]", done["removed"])]
    shown = {name: done[name] for name in ("vault", "device", "removed")}
    report.show(
        shown,
        f"Took the vault {quoted[0]} over on this device, {quoted[1]}, an admin now.",
        f"Removed: {', '.join(removed) or 'nobody'}.",
    )
    run = [] if running else [("Run the daemon:", session.command(program="p2pvaultd"))]
    who = ("See who is in the vault:", session.command("devices"))
    rows = [*run, who, ("See how far they are:", session.command("status"))]
    report.note("\n".join(["Next:", *(f"  {row}" for row in columns(rows))]))
