"""Commands and groups that take the common options before and after their name.

`p2pvault --json status` and `p2pvault status --json` mean the same. The help of each command
lists its own options first and the common ones apart.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from p2pvault.cli.session import Session


def _remember(context: click.Context, option: click.Parameter, value: object) -> None:
    """Store what was given; what was left out must not undo what the level above was given."""
    assert option.name is not None, "an option has a name"
    if value:
        setattr(context.ensure_object(Session), option.name, value)


class _Directory(click.Path):
    """A directory that was named; an empty name is a mistake of a script, not the current one."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """See `click.ParamType`."""
        if not value:
            self.fail("it is empty", param, ctx)
        return super().convert(value, param, ctx)


def _common(*names: str, text: str, directory: bool = False) -> click.Option:
    return click.Option(
        names,
        # Not False for the directory: click would then do without its value.
        is_flag=None if directory else True,
        type=_Directory(file_okay=False, path_type=Path) if directory else None,
        metavar="DIR" if directory else None,
        expose_value=False,
        callback=_remember,
        help=text,
    )


_EVERYWHERE: Final = (
    _common(
        "--home",
        "directory",
        text="Keep all files of this device under DIR (or set P2PVAULT_HOME).",
        directory=True,
    ),
    _common("--json", "as_json", text="Print JSON for programs; a stream is one object a line."),
    _common("--no-color", "no_colour", text="Print without colours (or set NO_COLOR)."),
    _common("--debug", text="Show where in the program an error came from."),
)


class VaultCommand(click.Command):
    """A command with the common options."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, help, and the common options."""
        return [*super().get_params(ctx), *_EVERYWHERE]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the own options apart from the common ones."""
        own = [option for option in self.get_params(ctx) if option not in _EVERYWHERE]
        _write_options(ctx, formatter, "Options", own)
        _write_options(ctx, formatter, "Everywhere", _EVERYWHERE)


class VaultGroup(VaultCommand, click.Group):
    """A group with the common options; its help lists the commands first."""

    command_class = VaultCommand

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, then the options."""
        self.format_commands(ctx, formatter)
        VaultCommand.format_options(self, ctx, formatter)


def _write_options(
    ctx: click.Context,
    formatter: click.HelpFormatter,
    heading: str,
    options: Sequence[click.Parameter],
) -> None:
    records = (o.get_help_record(ctx) for o in options if isinstance(o, click.Option))
    rows = [record for record in records if record is not None]
    if rows:
        with formatter.section(heading):
            formatter.write_dl(rows)
