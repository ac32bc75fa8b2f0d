"""The recovery key: `recovery show`, `recovery use` and `recovery forget`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from secrets import randbelow
from typing import cast

import click

from p2pvault.cli.command import VaultGroup
from p2pvault.cli.meant import inside, outside
from p2pvault.cli.paper import question, read_words, show_words
from p2pvault.cli.session import Session, pass_session
from p2pvault.cli.vault import host_name
from p2pvault.cli.wording import one_line
from p2pvault.control.messages import Json, JsonObject
from p2pvault.errors import BadRecoveryWords, NoVault, Refused


@click.group(cls=VaultGroup)
def recovery() -> None:
    """Use the recovery key, or see it again.

    It is 24 words that `p2pvault init` has shown. They outrank every device: with them you take
    the vault over from any device that still has it, even if a thief removed it, or on a new one
    from a copy of a lost one's home.
    """


@recovery.command()
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the answer from stdin.")
@click.option("--no-qr", is_flag=True, help="Print no QR code.")
@pass_session
def show(session: Session, from_stdin: bool, no_qr: bool) -> None:
    """Show the words again, on the device that made the vault.

    Asks for a number that it shows, so that nothing that merely runs commands gets them. The
    answer comes from the terminal, and from stdin only with --stdin.
    """
    session.greet()
    _prove_presence(session, from_stdin=from_stdin)
    with session.connect() as caller:
        answer = caller.call("recovery_show")
    if session.as_json:
        session.report.show(answer)
    else:
        show_words(session, str(answer["words"]), no_qr=no_qr)


def _prove_presence(session: Session, *, from_stdin: bool) -> None:
    """Ask for a number that only somebody who reads the screen knows.

    It keeps accidents away, and scripts that were not written for it; no program of the same
    person is kept out by it.

    Raises:
        Refused: Nobody answered, or something else.
    """
    if not from_stdin and not sys.stdin.isatty():
        raise Refused(
            "the recovery key is shown to somebody at a terminal only",
            hint="Run it in a terminal, or with --stdin where a program answers for you.",
        )
    number = f"{randbelow(10_000):04}"
    click.echo(f"Type {number} to see the recovery key: ", nl=False, err=True)
    if sys.stdin.readline(64).strip() != number:
        raise Refused("that was another number", hint="Nothing was shown.")


@recovery.command()
@click.option("--lost", multiple=True, metavar="DEVICE", help="Remove DEVICE; may be repeated.")
@click.option("--all-others", is_flag=True, help="Remove every other device.")
@click.option(
    "--restore", multiple=True, metavar="DEVICE", help="Let a DEVICE that is outside in again."
)
@click.option(
    "--from",
    "backup",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Begin on this new device, with a copy of the home of a lost one.",
)
@click.option(
    "--alive", is_flag=True, help="With --from: the device of that home is not lost, and stays."
)
@click.option("--name", metavar="NAME", help="With --from: what this device is called.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def use(  # noqa: PLR0913, PLR0917  # click passes by name
    session: Session,
    lost: Sequence[str],
    all_others: bool,
    restore: Sequence[str],
    backup: Path | None,
    alive: bool,
    name: str | None,
    yes: bool,
) -> None:
    """Take the vault over on this device, with the 24 words.

    This device becomes an admin whatever it was, the lost devices are removed for good, all
    others stay, and new keys are used from now on. What a lost device did that this one does
    not know of counts for nothing; a device that it removed before comes back with --restore.

    A new device that has no vault begins with --from: it takes what that home holds, which is
    only read, and removes the device whose home it was. Works with and without a running daemon.
    Where another device still has the vault, do it there, and pair this one.
    """
    wanted: dict[str, Json] = {"lost": [*lost], "restored": [*restore], "all_others": all_others}
    if backup is not None:
        more: dict[str, Json] = {"alive": alive, "name": name or host_name()}
        # Brings in the vault's own libraries where no daemon runs.
        from p2pvault.cli.takeover import take_over  # noqa: PLC0415

        take_over(session, backup, {**wanted, **more}, yes=yes)
        return
    if alive or name is not None:
        raise click.UsageError("--alive and --name go with --from DIR.")
    if not (lost or all_others or restore):
        raise click.UsageError("Say which devices are lost: --lost DEVICE, or --all-others.")
    if lost and all_others:
        raise click.UsageError("Give either --lost or --all-others.")
    _require_vault(session)
    gone, back = _named(session, lost, restore)
    words = read_words(session)
    if not yes:
        gone = ["every other device"] if all_others else gone
        session.confirm(question(gone, back), "Nothing was changed.")
    with session.connect() as caller:
        done = caller.call("recovery_use", words=words, **wanted)
    here = session.report.quote(str(cast("JsonObject", done["device"])["name"]))
    session.report.show(done, f"This device, {here}, is an admin now, and new keys are in use.")
    session.report.note(f"See who is in the vault: {session.command('devices')}")


def _named(
    session: Session, lost: Sequence[str], restore: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Ask nobody for 24 words for a device that is not there; return the names of all, quoted."""
    with session.connect() as caller:
        answer = caller.call("devices")
    report = session.report
    gone = [inside(report, selector, answer) for selector in lost]
    back = [outside(report, selector, answer) for selector in restore]
    quoted = ([report.quote(one_line(str(one["name"]))) for one in some] for some in (gone, back))
    return next(quoted), next(quoted)


def _require_vault(session: Session) -> None:
    """Ask nobody for 24 words that are of no use here."""
    if not session.greet()["vault"]:
        begin = session.command("recovery", "use", "--from", "DIR")
        raise NoVault(
            "this device has no vault yet",
            hint="Use the words on a device that still has it, and pair this one. Where none has, "
            f"begin here from a copy of the home of a lost one: {begin}.",
        )


@recovery.command()
@pass_session
def forget(session: Session) -> None:
    """Let this device forget the words, once they are on paper.

    Reads the words first, so that they are forgotten only where you have them. From then on
    nobody who gets hold of this device can find them on it.
    """
    with session.connect() as caller:
        kept = str(caller.call("recovery_show")["words"])
    _check_same(read_words(session), kept)
    with session.connect() as caller:
        caller.call("recovery_forget")
    session.report.show({}, "This device does not keep the recovery key any more.")


def _check_same(typed: str, kept: str) -> None:
    """Insist that the person has the words, however untidily they were typed.

    Raises:
        Refused: These are others, or none.
    """
    # The list of words takes a while to read, and no other command needs it.
    from p2pvault.protocol.recovery_words import read_words as read_key  # noqa: PLC0415

    why, same = "", False
    try:
        same = read_key(typed) == read_key(kept)
    except BadRecoveryWords as error:
        why = f": {error}"
    if not same:
        raise Refused(f"these are not the words{why}", hint="Nothing was forgotten.")
