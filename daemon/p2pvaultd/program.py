"""What the program `p2pvaultd` does: command line in, exit code out.

A start that fails for a reason that the person can do something about prints one line and ends
with the documented exit code. Anything else is a bug: logged by type and place, exit code 1.
"""

import os
import sys

import structlog
import trio

from p2pvault.control.hardening import harden
from p2pvault.control.home import find_home, private_directory
from p2pvault.errors import VaultError
from p2pvault.limits import THREAD_SWITCH_S
from p2pvaultd.app import Daemon
from p2pvaultd.complaint import complain
from p2pvaultd.config import Overrides, load_settings
from p2pvaultd.logging import configure_logging, install_crash_hooks
from p2pvaultd.notify import Notifier
from p2pvaultd.options import Options, parse_options
from p2pvaultd.vault import VaultSource


def run() -> None:
    """Run the daemon; ends the process."""
    options = parse_options(sys.argv[1:])
    sys.setswitchinterval(THREAD_SWITCH_S)
    try:
        daemon = _compose(options)
        trio.run(daemon.run)
    except VaultError as error:
        complain(error)
        sys.exit(error.exit_code)
    except ExceptionGroup as group:  # what ends one task reaches us in the groups of its nurseries
        expected, bugs = group.split(VaultError)
        if expected is None or bugs is not None:
            raise
        complain(first := _first(expected))
        sys.exit(first.exit_code)


def _compose(options: Options) -> Daemon:
    """Prepare the process and everything that the daemon is made of.

    Raises:
        VaultError: A setting or a directory that cannot be used.
    """
    overrides = Overrides(options.listen, options.mode, options.interfaces, options.log_level)
    home = find_home(options.home)
    settings = load_settings(home.config_file, overrides)
    configure_logging(settings.log_level, options.log_format)
    install_crash_hooks()
    for measure in harden():
        structlog.get_logger().warning("hardening_refused", measure=measure)
    return Daemon(
        source=VaultSource(private_directory(home.state)),
        socket=home.socket,
        config_file=home.config_file,
        overrides=overrides,
        settings=settings,
        log_format=options.log_format,
        notifier=Notifier.from_environment(os.environ, os.getpid()),
    )


def _first(group: ExceptionGroup[VaultError]) -> VaultError:
    error: VaultError | ExceptionGroup[VaultError] = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
