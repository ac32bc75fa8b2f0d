"""Turn what ended a command into one line and an exit code. Only a run that fails imports it."""

import sys
from dataclasses import replace
from types import TracebackType

import click

from p2pvault.cli.session import Session
from p2pvault.control.messages import Fault, fault_from, fault_members
from p2pvault.errors import VaultError


def report_failure(session: Session, error: click.UsageError | VaultError) -> int:
    """Print why a command failed, as one line on stderr.

    Args:
        session: How to print it.
        error: What was raised.

    Returns:
        The exit code.
    """
    if session.debug:
        sys.__excepthook__(type(error), error, error.__traceback__)
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and not session.as_json:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    fault = _usage_fault(error) if isinstance(error, click.UsageError) else _fault(session, error)
    if fault.code == "bad_params":
        # The daemon names the method for its callers; a person has typed a command.
        fault = replace(fault, message=fault.message.partition(": ")[2])
    _print(session, fault)
    return fault.exit_code


def report_bug(
    session: Session,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """Print what no command expected: one line, or with `--debug` the whole traceback."""
    if session.debug:
        sys.__excepthook__(kind, error, trace)
        return
    what = f"internal error: {kind.__name__}: {error}"
    hint = "This is a bug. Run the command again with --debug and report what it prints."
    _print(session, Fault(0, what, "internal", hint, 1))


def _fault(session: Session, error: VaultError) -> Fault:
    fault = fault_from(error)
    return replace(fault, hint=session.here(fault.hint))


def _usage_fault(error: click.UsageError) -> Fault:
    path = error.ctx.command_path if error.ctx else "p2pvault"
    help_only = isinstance(error, click.exceptions.NoArgsIsHelpError)
    message = "Missing command." if help_only else error.format_message()
    hint = f"See `{path} --help`."
    if isinstance(error, click.NoSuchOption):
        hint = f"Put `--` before a word that begins with a dash. {hint}"
    return Fault(0, message, "usage", hint, error.exit_code)


def _print(session: Session, fault: Fault) -> None:
    members = fault_members(fault)
    del members["exit_code"]  # the process itself says it
    text = fault.message if fault.message.endswith(("?", ".")) else fault.message + "."
    text = f"{text} {fault.hint}" if fault.hint else text.removesuffix(".")
    session.report.error({"error": members}, text)
