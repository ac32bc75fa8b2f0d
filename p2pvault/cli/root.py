"""The root command, and the one place where errors become exit codes.

Exit codes: 0 ok, 1 failed, 2 usage, 3 no daemon, 4 locked, 5 not found, 6 no such device,
7 unreachable or timed out, 8 refused, 130 interrupted.
"""

import errno
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from io import TextIOWrapper
from types import TracebackType
from typing import Final

import click

from p2pvault import __version__
from p2pvault.cli.command import VaultGroup
from p2pvault.cli.session import Session
from p2pvault.errors import VaultError

_INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as shells have it."""

_OUTPUT_REFUSED: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""How writing to stdout fails where it leads to a file (write(2)).

Files that a command opens itself have names, and errors of their own.
"""

_SECTIONS: Final = {
    "Start": {
        "init": ("vault:init", "Make a vault on this device."),
        "pair": ("pairing:pair", "Add another of your devices to this vault."),
        "join": ("pairing:join", "Join the vault of the device that runs `p2pvault pair`."),
    },
    "Read and write": {
        "get": ("vault:get", "Show a record, or one field of it."),
        "set": ("vault:set_", "Change fields of a record; make it if it is not there."),
        "ls": ("vault:ls", "List the records of the vault, or of one COLLECTION."),
        "rm": ("vault:rm", "Delete a record, on all devices."),
        "collections": (
            "collections:collections",
            "See which collections this device keeps; keep or forget one.",
        ),
        "watch": ("vault:watch", "Print changes as they happen, until interrupted."),
    },
    "Devices": {
        "status": ("state:status", "Show the devices, the proof of equality, and what is wrong."),
        "devices": (
            "devices:devices",
            "List, rename, revoke or reinstate the devices of the vault.",
        ),
        "quarantine": (
            "quarantine:quarantine",
            "Look at what revoked devices wrote too late, and settle it.",
        ),
        "address": ("devices:address", "Say where a device is, where they do not find each other."),
        "recovery": ("recovery:recovery", "Use the recovery key, or see it again."),
        "wait": ("state:wait", "Wait for something, for scripts."),
        "verify": ("verify:verify", "Check everything that this device holds; repair it."),
    },
    "The daemon": {
        "daemon": ("daemon:daemon", "Run the daemon here, or have it always running."),
        "version": ("state:version", "Show the version of this program and of the running daemon."),
    },
}
"""Each command by section: where it is, and its line in the help.

Only the module of the command that runs is imported, which halves the time to start.
"""

_EXIT_CODES: Final = """\
Exit codes: 0 ok, 1 failed, 2 usage, 3 no daemon is running, 4 locked, 5 not found, 6 no such
device, 7 unreachable or timed out, 8 refused, 130 interrupted.
"""


class Root(VaultGroup):
    """The root command; ends quietly where nobody waits for more."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        del ctx
        return [name for section in _SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or return None where there is none of this name."""
        del ctx
        for section in _SECTIONS.values():
            if cmd_name in section:
                module, _, attribute = section[cmd_name][0].partition(":")
                found = getattr(import_module(f"p2pvault.cli.{module}"), attribute)
                assert isinstance(found, click.Command), "the table names commands"
                return found
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the words begin with, or suggest one that is spelt like it."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            # click looks for suggestions among the imported commands only, and there are none.
            names = self.list_commands(ctx)
            raise click.NoSuchCommand(error.command_name, possibilities=names, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by section."""
        del ctx
        for heading, section in _SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, text) for name, (_, text) in section.items()])

    def invoke(self, ctx: click.Context) -> None:
        """Run the command that was asked for."""
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            if sys.stderr.isatty():
                click.echo(err=True)  # the shell's prompt comes on a line of its own
            raise click.exceptions.Exit(_INTERRUPTED) from None
        except BrokenPipeError:
            _drop_output()  # `p2pvault ls | head` has what it wants


@click.group(
    cls=Root,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
@click.version_option(__version__, message="p2pvault %(version)s")
def root() -> None:
    """One encrypted vault of records, the same on all of your devices, with no server."""
    # Records, recovery words and, where no daemon runs, keys are in this process. What the system
    # refuses of it is no reason to do nothing.
    from p2pvault.control.hardening import harden  # noqa: PLC0415  # `--help` needs none of it

    harden()


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: The words after the program's name.

    Returns:
        The exit code.
    """
    # A program that asked for JSON gets it even where the options do not parse.
    session = Session(as_json="--json" in arguments, debug="--debug" in arguments)
    _prepare_streams()
    sys.excepthook = partial(_report_bug, session)
    try:
        code = root.main(list(arguments), "p2pvault", standalone_mode=False, obj=session)
    except click.Abort:
        return _INTERRUPTED
    except (click.UsageError, VaultError) as error:
        # Half of the start-up time of a run that does not fail.
        from p2pvault.cli.failure import report_failure  # noqa: PLC0415

        return report_failure(session, error)
    except OSError as error:
        if error.filename is not None or error.errno not in _OUTPUT_REFUSED:
            raise
        from p2pvault.cli.failure import report_failure  # noqa: PLC0415  # as above

        _drop_output()
        why = error.strerror or str(error)
        return report_failure(session, VaultError(f"the output cannot be written: {why}"))
    return code if isinstance(code, int) else 0


def _drop_output() -> None:
    """Write to nobody from here on.

    The interpreter flushes once more when it ends, and what could not be written before would make
    that fail with a message of its own (docs.python.org, library/signal, "SIGPIPE").
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_bug(
    session: Session,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    from p2pvault.cli.failure import report_bug  # noqa: PLC0415  # as above

    report_bug(session, kind, error, trace)


def _prepare_streams() -> None:
    """Let a character that the terminal cannot show, or bytes that are no text, never be fatal."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
