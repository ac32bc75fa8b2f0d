"""The program `p2pvaultd`: command line in, exit code out.

A start that fails for a reason that the person can do something about prints one line and ends
with the documented exit code. Anything else is a bug: logged by type and place, exit code 1.
"""

import os
import sys

import structlog
import trio

from p2pvault.control.home import find_home, private_directory
from p2pvault.errors import VaultError
from p2pvaultd.app import Daemon
from p2pvaultd.config import Overrides, load_settings
from p2pvaultd.hardening import harden
from p2pvaultd.logging import configure_logging, install_crash_hooks
from p2pvaultd.notify import Notifier
from p2pvaultd.options import Options, parse_options


def main() -> None:
    """Run the daemon; ends the process."""
    options = parse_options(sys.argv[1:])
    try:
        daemon = _compose(options)
        trio.run(daemon.run)
    except VaultError as error:
        sys.exit(_complain(error))
    except ExceptionGroup as group:
        expected, bugs = group.split(VaultError)
        if expected is None or bugs is not None:
            raise
        sys.exit(_complain(_first(expected)))
