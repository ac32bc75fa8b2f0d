"""The daemon's command line, read into one frozen value.

An option that is not given stays None and leaves the choice to `config.toml`.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p2pvault import __version__
from p2pvaultd.config import DISCOVERY_MODES, LOG_LEVELS
from p2pvaultd.logging import LOG_FORMATS

EPILOG = """\
Modes: normal advertises this device on the local network and looks for the
others; quiet only looks, so nobody finds it by a pairing code; off does
neither, and dials remembered addresses and those of `p2pvault address add`.

Settings stand in config.toml in the home, or in ~/.config/p2pvault where none
is named; options win over them. SIGHUP reads the file again. SIGTERM and
SIGINT end the daemon within 5 seconds. A daemon without a vault waits for
`p2pvault init` or `p2pvault join`. To have it always running: `p2pvault
daemon install`. Exit codes are those of p2pvault.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said.

    Attributes:
        home: Where everything of this device lives; None for the platform's places.
        listen: `HOST:PORT` as written, not yet checked.
        mode: Discovery mode.
        interfaces: Interfaces for discovery.
        log_level: Least severity that is logged.
        log_format: How log lines look.
    """

    home: Path | None
    listen: str | None
    mode: str | None
    interfaces: tuple[str, ...] | None
    log_level: str | None
    log_format: str


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the arguments; usage errors and `--version` end the process as argparse does it."""
    found = _parser().parse_args(arguments)
    return Options(
        home=found.home,
        listen=found.listen,
        mode=found.mode,
        interfaces=None if found.interface is None else tuple(found.interface),
        log_level=found.log_level,
        log_format=found.log_format,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="p2pvaultd",
        description="Keep one encrypted vault the same on all of your devices.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--home", type=Path, metavar="DIR", help="everything of this device (or P2PVAULT_HOME)")
    add(
        "--listen",
        metavar="HOST:PORT",
        help="where to accept links, a literal address; :47474 is every address "
        "(default: every address, another port after each start)",
    )
    add("--mode", choices=DISCOVERY_MODES, help="how devices find each other (default: normal)")
    add("--interface", action="append", metavar="NAME", help="discover on this one; repeatable")
    add("--log-level", choices=LOG_LEVELS, help="least severity to log (default: info)")
    add(
        "--log-format",
        choices=LOG_FORMATS,
        default="auto",
        help="auto, the default, is text on a terminal and JSON elsewhere",
    )
    add("--version", action="version", version=f"p2pvaultd {__version__}")
    return parser
