"""The daemon itself: daemon run|install|status."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn, cast

import click

from p2pvault.cli.command import VaultGroup
from p2pvault.cli.session import Session, pass_session
from p2pvault.cli.unit import daemon_command, unit_directory, unit_name, unit_text
from p2pvault.cli.wording import one_line, span
from p2pvault.errors import ConfigError, VaultError

_SYSTEMCTL_S: Final = 90.0
"""What systemd itself waits for a service to start (systemd-system.conf(5))."""

_LINGER: Final = Path("/var/lib/systemd/linger")
"""Where systemd-logind remembers who lingers (loginctl(1), enable-linger)."""


@click.group(cls=VaultGroup)
def daemon() -> None:
    """Run the daemon here, or have it always running."""


@daemon.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[DAEMON OPTIONS]...")
@pass_session
def run(session: Session, options: Sequence[str]) -> NoReturn:
    """Become the daemon, in the foreground, for the same home.

    DAEMON OPTIONS are those of p2pvaultd, for example --listen HOST:PORT.
    """
    words = [*daemon_command(session.home), *options]
    sys.stdout.flush()
    # The words are our own program and what the person typed; no shell reads them.
    os.execv(words[0], words)  # noqa: S606


@daemon.command()
@pass_session
def install(session: Session) -> None:
    """Have the daemon always running, as a systemd user unit.

    Writes the unit and enables it; can be repeated. Where systemd's user manager cannot be
    reached from here, the commands that remain are printed.
    """
    name = unit_name(session.home)
    unit = _write_unit(name, unit_text(session.home))
    commands = [["daemon-reload"], ["enable", "--now", name]]
    enabled = _manager_answers()
    if enabled:
        for words in commands:
            _systemctl(words)
    shown = [shlex.join(["systemctl", "--user", *words]) for words in commands]
    left = [] if enabled else shown
    session.report.show(
        {"unit": str(unit), "enabled": enabled, "commands": list(left)},
        f"Wrote {unit}.",
        *(["The daemon runs, and starts with your session."] if enabled else ["Now run:", *left]),
    )
    _hints(session, name)


def _write_unit(name: str, text: str) -> Path:
    unit = unit_directory() / name
    try:
        unit.parent.mkdir(parents=True, exist_ok=True)
        fresh = unit.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(unit)
    except OSError as error:
        raise ConfigError(f"{unit} cannot be written: {error.strerror or error}") from error
    return unit


def _manager_answers() -> bool:
    if shutil.which("systemctl") is None:
        return False
    try:
        _systemctl(["show-environment"])
    except VaultError:
        return False
    return True


def _systemctl(words: Sequence[str]) -> None:
    """Run one command of the user manager.

    Raises:
        VaultError: It failed, or did not end; carries what systemctl said.
    """
    command = ["systemctl", "--user", *words]
    try:
        done = subprocess.run(  # noqa: S603  # the words are ours, and no shell reads them
            command, capture_output=True, text=True, timeout=_SYSTEMCTL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VaultError(f"`{shlex.join(command)}` failed: {error}") from error
    if done.returncode != 0:
        said = one_line(done.stderr.strip()) or f"exit code {done.returncode}"
        raise VaultError(
            f"`{shlex.join(command)}` failed: {said}",
            hint=f"See `journalctl --user -u {words[-1]}`.",
        )


def _hints(session: Session, name: str) -> None:
    report = session.report
    if not (_LINGER / os.environ.get("USER", "")).is_file():
        report.note("To keep it running while you are logged out: `loginctl enable-linger`")
    report.note(f"Take it back: `systemctl --user disable --now {shlex.quote(name)}`")


@daemon.command()
@pass_session
def status(session: Session) -> None:
    """Say whether the daemon of this home runs; exit code 3 if not."""
    with session.connect(patience_s=0.0) as caller:
        hello = caller.call("hello")
    up = span(cast("float", hello["uptime_s"]))
    session.report.show(
        {name: hello[name] for name in ("pid", "version", "uptime_s", "vault")},
        f"running for {up}, version {hello['version']}, process {hello['pid']}"
        + ("" if hello["vault"] else ", without a vault"),
    )
