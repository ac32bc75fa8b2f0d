"""Bring a device into a vault: `pair` on one that has it, `join` on the new one."""

import sys
from collections.abc import Iterator
from typing import Final, cast

import click

from p2pvault.cli.command import VaultCommand
from p2pvault.cli.paper import read_words
from p2pvault.cli.qr import qr_lines
from p2pvault.cli.report import Marked
from p2pvault.cli.session import Session, pass_session
from p2pvault.cli.vault import host_name
from p2pvault.cli.wording import count, one_line, span
from p2pvault.control.caller import Caller
from p2pvault.control.messages import Json, JsonObject
from p2pvault.errors import BadCode, PairingRefused, VaultExists
from p2pvault.limits import CONTROL_JOIN_START_S

_YES: Final = frozenset({"y", "yes"})


@click.command(cls=VaultCommand)
@click.option("--admin", is_flag=True, help="Let the new device add and remove devices too.")
@click.option("--no-qr", is_flag=True, help="Print no QR code.")
@click.option("--recovery", is_flag=True, help="With the recovery key, where no admin is left.")
@pass_session
def pair(session: Session, admin: bool, no_qr: bool, recovery: bool) -> None:
    """Add another of your devices to this vault.

    Shows a code for `p2pvault join` on the other device, which must be on the same network. Then
    both show that they mean each other: you type here the two words that the other one shows.

    With --recovery it first reads the 24 words of the recovery key, and the new device becomes an
    admin, even if this one is none.
    """
    session.greet()
    wanted: dict[str, Json] = {"recovery_words": read_words(session)} if recovery else {}
    with session.connect() as caller:
        events = caller.stream("pair", admin=admin or recovery, **wanted)
        for event in events:
            _show_pair(session, event, no_qr=no_qr)
            if event["event"] == "paired":
                _note_way_back(session, event, recovery=recovery)
            if event["event"] == "confirm":
                _confirm(session, caller)


def _show_pair(session: Session, event: JsonObject, *, no_qr: bool) -> None:
    report = session.report
    match event:
        case {"event": "code"}:
            report.show(event, *_code_lines(session, event, no_qr=no_qr))
        case {"event": "attempt"}:
            report.show(event, f"{report.marks.arrow} {event['message']}")
        case {"event": "joiner"}:
            report.show(event, f"{report.quote(str(event['name']))} has the code.")
        case {"event": "confirm", "digits": str(digits)}:
            report.show(event, f"It must show the number {digits} beside its two words.")
        case {"event": "paired", "device": dict(device)}:
            report.show(event, f"Paired: {report.quote(str(device['name']))} has this vault now.")
        case _:
            report.show(event)


def _note_way_back(session: Session, event: JsonObject, *, recovery: bool) -> None:
    # A device that needed the key to let another one in needs it to remove that, too.
    words = ("recovery", "use", "--lost") if recovery else ("devices", "revoke")
    name = str(cast("JsonObject", event["device"])["name"])
    session.report.note(f"Take it back: {session.command(*words, name)}")


def _code_lines(session: Session, event: JsonObject, *, no_qr: bool) -> Iterator[str]:
    seconds = cast("float", event["expires_s"])
    yield f"Waiting {span(seconds)} for another of your devices."
    if not no_qr and session.report.unicode and sys.stdout.isatty():
        yield "\nIts camera can read this:\n"
        yield from qr_lines(str(event["uri"]))
    if "hidden" in event:
        yield "\nRun `p2pvault join` there and type this address:\n"
        yield f"    {event['uri']}\n"
        yield f"The code {event['code']} finds nobody: {one_line(str(event['hidden']))}.\n"
        return
    yield "\nWhere devices do not find each other, this address can be typed instead:\n"
    yield f"    {event['uri']}\n"
    # Last, because on a small terminal the rest scrolls away.
    yield f"Run `p2pvault join` there and type this code:  {event['code']}\n"


def _confirm(session: Session, caller: Caller) -> None:
    if not session.may_answer(caller, "Type the two words that it shows:"):
        return  # the device at the door is another one now, or none
    words = session.answer()
    if not words:
        raise PairingRefused("the two words were not typed", hint="Nothing was paired.")
    caller.call("pair_confirm", words=words)


@click.command(cls=VaultCommand)
@click.argument("code", required=False)
@click.option("--name", metavar="NAME", help="What this device is called (its host name).")
@click.option("--yes", is_flag=True, help="Take the vault that answers without being asked.")
@pass_session
def join(session: Session, code: str | None, name: str | None, yes: bool) -> None:
    """Join the vault of the device that runs `p2pvault pair`.

    CODE is what that device shows: the short code, or the p2pvault: address. Better leave it out
    and type it when asked, because other programs of yours can read the arguments of this one.
    """
    own = host_name() if name is None else name
    if code is not None:
        _join(session, code, own, yes=yes)
        return
    while True:
        try:
            _join(session, _ask_code(session), own, yes=yes)
        except BadCode as error:
            if not session.may_ask():
                raise
            session.report.note(f"{error}. {error.hint}")  # nothing has happened: ask again
        else:
            return


def _join(session: Session, code: str, name: str, *, yes: bool) -> None:
    with session.connect(patience_s=CONTROL_JOIN_START_S) as caller:
        events = caller.stream("join", code=code, name=name)
        session.report.note("Looking for the other device.")
        for event in events:
            _show_join(session, event)
            if event["event"] == "vault":
                _accept(session, caller, yes=yes)


def _ask_code(session: Session) -> str:
    if session.greet(CONTROL_JOIN_START_S)["vault"]:
        raise VaultExists("this device has a vault already")
    code = session.read_line("Code from the other device:")
    if not code:
        raise click.UsageError("No code: give it as an argument, or as one line on stdin.")
    return code


def _show_join(session: Session, event: JsonObject) -> None:
    report = session.report
    match event:
        case {"event": "search", "problem": None}:
            report.show(event, "Devices can be looked for now.")
        case {"event": "search"}:
            problem, hint = one_line(str(event["problem"])), one_line(str(event["hint"]))
            text = f"Nobody can be found: {problem}  {report.marks.arrow} {session.here(hint)}"
            report.show(event, Marked("!", "red", text))
        case {"event": "words"}:
            report.show(
                event,
                f"Type these two words on the other device:  {event['words']}",
                f"It must show the number {event['digits']} too.",
            )
        case {"event": "vault"}:
            devices = count(cast("int", event["devices"]), "device")
            made = str(event["made"])[:10]
            report.show(
                event,
                f"It has the vault {report.quote(str(event['name']))}: {devices}, made {made}.",
            )
        case {"event": "paired", "vault": dict(vault)}:
            report.show(event, f"Joined {report.quote(str(vault['name']))}.")
            report.note(f"See how far it is: {session.command('status')}")
        case _:
            report.show(event)


def _accept(session: Session, caller: Caller, *, yes: bool) -> None:
    if not (yes or session.may_answer(caller, "Join it? [y/N]")):
        return  # the other device has ended it
    accepted = yes or (session.answer() or "").lower() in _YES
    caller.call("join_accept", accept=accepted)
    if not accepted:
        raise PairingRefused("you did not take the vault", hint="Nothing was changed here.")
