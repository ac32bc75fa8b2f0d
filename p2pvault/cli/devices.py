"""The devices of the vault and where they are: `devices` and `address` with their commands."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, cast

import click

from p2pvault.cli.command import VaultGroup
from p2pvault.cli.meant import ID_CHARACTERS, inside
from p2pvault.cli.session import Session, pass_session
from p2pvault.cli.wording import columns, count, one_line
from p2pvault.control.messages import Json, JsonObject

_OUTSIDE: Final = {
    "removed": "Revoked",
    "suspended": "Suspended",
    "fallen": "Let in by a revoked one",
}
"""What is said of devices outside the vault, by the member of the answer that lists them."""

_OUTSIDE_SHOWN: Final = 16
"""Of the devices outside for one reason; `--json` has all. A revoked one may have let in many."""


@click.group(cls=VaultGroup, invoke_without_command=True)
@click.pass_context
def devices(context: click.Context) -> None:
    """List, rename, revoke or reinstate the devices of the vault.

    DEVICE is a name, an id, or the first four or more characters of an id.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_devices)


@devices.command("list")
@pass_session
def list_devices(session: Session) -> None:
    """List the devices of the vault."""
    with session.connect() as caller:
        answer = caller.call("devices")
    members = _objects(answer["devices"])
    lines = columns([("DEVICE", "ROLE", "KIND", "LINK", "ADDED BY", "ID"), *map(_row, members)])
    session.report.show(answer, *lines, *_outside(answer))


def _outside(answer: JsonObject) -> Iterator[str]:
    everybody = [one for key in ("devices", *_OUTSIDE) for one in _objects(answer[key])]
    often = Counter(str(one["name"]) for one in everybody)
    for key, heading in _OUTSIDE.items():
        found = _objects(answer[key])
        names = [_told_apart(one, often) for one in found[:_OUTSIDE_SHOWN]]
        if len(found) > _OUTSIDE_SHOWN:
            names.append(f"{count(len(found) - _OUTSIDE_SHOWN, 'device')} more")
        if names:
            yield f"\n{heading}: {', '.join(names)}"


def _told_apart(device: JsonObject, often: Counter[str]) -> str:
    name = one_line(str(device["name"]))
    return (
        name if often[str(device["name"])] == 1 else f"{name} {str(device['id'])[:ID_CHARACTERS]}"
    )


def _row(device: JsonObject) -> tuple[str, ...]:
    link = "this device" if device["this"] else str(device["link"])
    added_by = device["added_by"]
    return (
        one_line(str(device["name"])),
        str(device["role"]),
        one_line(str(device["kind"])),
        link,
        one_line(str(added_by)) if added_by is not None else "-",
        str(device["id"])[:ID_CHARACTERS],
    )


@devices.command()
@click.argument("device")
@click.argument("name")
@pass_session
def rename(session: Session, device: str, name: str) -> None:
    """Give DEVICE another NAME, on all devices."""
    with session.connect() as caller:
        before = {str(known["id"]): known for known in _objects(caller.call("devices")["devices"])}
        renamed = caller.call("device_rename", device=device, name=name)
    now = cast("JsonObject", renamed["device"])
    old, new = str(before.pop(str(now["id"]), {}).get("name", device)), str(now["name"])
    report = session.report
    if old == new:
        report.show(renamed, f"{report.quote(old)} is called so already.")
        return
    report.show(renamed, f"{report.quote(old)} is called {report.quote(new)} now.")
    shared = new in {str(other["name"]) for other in before.values()}
    if shared:
        report.note(f"Another device is called {report.quote(new)} too.")
    selector = str(now["id"])[:ID_CHARACTERS] if shared else new
    report.note(f"Take it back: {session.command('devices', 'rename', selector, old)}")


@devices.command()
@click.argument("device")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def revoke(session: Session, device: str, yes: bool) -> None:
    """Remove DEVICE from the vault, for good.

    It keeps what it has and learns nothing new: every other device ends its links and new keys
    are used from then on. To bring it back, pair it again; it counts as a new device then.
    """
    if not yes and session.may_ask():
        device = _confirmed(session, device)
    with session.connect() as caller:
        gone = caller.call("device_revoke", device=device)
    name = session.report.quote(str(cast("JsonObject", gone["device"])["name"]))
    session.report.show(gone, f"Removed {name}: it learns nothing new from now on.")
    session.report.note(
        "It keeps what it has. If it is lost, change the secrets that the vault holds.\n"
        f"Bring it back as a new device: {session.command('pair')}"
    )


def _confirmed(session: Session, selector: str) -> str:
    """Ask whether the device that is meant shall be removed; return its id.

    What is removed is what was asked about, and nothing is asked about a device that is not there.
    """
    with session.connect() as caller:
        answer = caller.call("devices")
    device = inside(session.report, selector, answer)
    if not device.get("this"):  # which the daemon refuses
        name = session.report.quote(str(device["name"]))
        session.confirm(f"Remove {name} from the vault for good?", "Nothing was removed.")
    return str(device["id"])


@devices.command()
@click.argument("device")
@pass_session
def reinstate(session: Session, device: str) -> None:
    """Let a suspended DEVICE in again.

    A device is suspended when two contradicting changes of the membership carry its signature.
    Do this if you restored it from a copy; if not, somebody has its keys: revoke it.
    """
    with session.connect() as caller:
        back = caller.call("device_reinstate", device=device)
    name = str(cast("JsonObject", back["device"])["name"])
    session.report.show(back, f"{session.report.quote(name)} is in the vault again.")
    session.report.note(f"Take it back: {session.command('devices', 'revoke', name)}")


@click.group(cls=VaultGroup, invoke_without_command=True)
@click.pass_context
def address(context: click.Context) -> None:
    """Say where a device is, where they do not find each other.

    DEVICE is a name, an id, or the first four or more characters of an id.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_addresses)


@address.command("list")
@click.argument("device", required=False)
@pass_session
def list_addresses(session: Session, device: str | None = None) -> None:
    """List where devices were reached, and what was added by hand.

    Without a DEVICE, or with this one, it says where this device itself listens.
    """
    wanted: dict[str, Json] = {} if device is None else {"device": device}
    with session.connect() as caller:
        answer = caller.call("addresses", **wanted)
        status = caller.call("status")
    known, this = _objects(answer["devices"]), cast("JsonObject", status["device"])["id"]
    own = ", ".join(cast("list[str]", status["listening"])) or "no address"
    here = f"This device listens at {own}."
    if device is None:
        empty = "No other device has an address here yet."
        session.report.show(answer, *_address_table(known, empty), "", here)
    elif known[0]["id"] == this:
        session.report.show(answer, here)
    else:
        name = session.report.quote(one_line(str(known[0]["name"])))
        session.report.show(answer, *_address_table(known, f"{name} has no address here yet."))


def _address_table(devices: Sequence[JsonObject], empty: str) -> list[str]:
    rows = [row for known in devices for row in _address_rows(known)]
    return columns([("DEVICE", "ADDRESS", "FROM"), *rows]) if rows else [empty]


def _address_rows(device: JsonObject) -> list[tuple[str, str, str]]:
    name = one_line(str(device["name"]))
    given, seen = cast("list[str]", device["given"]), cast("list[str]", device["seen"])
    rows = [(name, where, "added by hand") for where in given]
    return rows + [(name, where, "a link") for where in seen if where not in given]


@address.command()
@click.argument("device")
@click.argument("host_port", metavar="HOST:PORT")
@pass_session
def add(session: Session, device: str, host_port: str) -> None:
    """Remember that DEVICE is at HOST:PORT, and dial it there.

    HOST is an address of DEVICE, and PORT is where its daemon listens: `p2pvault address` there
    shows both. The port is another one after each start unless DEVICE runs `p2pvaultd --listen`
    with one.
    """
    with session.connect() as caller:
        answer = caller.call("address_add", device=device, address=host_port)
    _show_addresses(session, answer, "remove", device, host_port)


@address.command()
@click.argument("device")
@click.argument("host_port", metavar="HOST:PORT")
@pass_session
def remove(session: Session, device: str, host_port: str) -> None:
    """Forget an address that was added by hand."""
    with session.connect() as caller:
        answer = caller.call("address_remove", device=device, address=host_port)
    _show_addresses(session, answer, "add", device, host_port)


def _show_addresses(session: Session, answer: JsonObject, back: str, *words: str) -> None:
    name = str(cast("JsonObject", answer["device"])["name"])
    known = ", ".join(cast("list[str]", answer["addresses"])) or "no addresses added by hand"
    session.report.show(answer, f"{session.report.quote(name)}: {known}")
    session.report.note(f"Take it back: {session.command('address', back, *words)}")


def _objects(value: Json) -> Sequence[JsonObject]:
    return cast("Sequence[JsonObject]", value)
