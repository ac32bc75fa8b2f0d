"""The settings of one daemon: `config.toml`, the options over it, and what may change live.

The file is read strictly: an unknown key or a value of the wrong kind is refused by name, because
a setting that is silently ignored is worse than none. A missing file means defaults.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, cast

from p2pvault.errors import ConfigError
from p2pvault.limits import CONFIG_BYTES_MAX, INTERFACES_MAX
from p2pvault.net.services import DiscoverySettings, Mode
from p2pvaultd.hostport import read_host_port

T = TypeVar("T")

DISCOVERY_MODES = tuple(mode.value for mode in Mode)
LOG_LEVELS = ("debug", "info", "warning", "error")

_INTERFACE = re.compile(r"[0-9A-Za-z_.:%@-]{1,64}")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where links are accepted.

    Attributes:
        host: A literal address, or the empty string for every address of both families.
        port: A port, or 0 for one that the kernel chooses at every start.
    """

    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        """Return it as the file and the option spell it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked.

    Attributes:
        listen: Where links are accepted.
        discovery: How other devices are found, and on which interfaces.
        log_level: Least severity that is logged.
    """

    listen: Listen = Listen()
    discovery: DiscoverySettings = field(default_factory=DiscoverySettings)
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line sets; None leaves the file's choice.

    `mode` and `log_level` are words that the parser of the command line has checked.
    """

    listen: str | None = None
    mode: str | None = None
    interfaces: tuple[str, ...] | None = None
    log_level: str | None = None

    def over(self, settings: Settings) -> Settings:
        """Return `settings` with everything replaced that the command line gave.

        Raises:
            ConfigError: An option has a value that cannot be used.
        """
        if self.listen is not None:
            settings = replace(settings, listen=parse_listen(self.listen, "--listen"))
        if self.log_level is not None:
            settings = replace(settings, log_level=self.log_level)
        return replace(settings, discovery=self._over_discovery(settings.discovery))

    def _over_discovery(self, discovery: DiscoverySettings) -> DiscoverySettings:
        if self.mode is not None:
            discovery = replace(discovery, mode=Mode(self.mode))
        if self.interfaces is not None:
            interfaces = _interfaces(list(self.interfaces), "--interface")
            discovery = replace(discovery, interfaces=interfaces)
        return discovery


def load_settings(file: Path, overrides: Overrides) -> Settings:
    """Read the file, if it is there, and put the command line over it.

    Raises:
        ConfigError: The file or an option cannot be used; the message names the setting.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(CONFIG_BYTES_MAX + 1)
    except FileNotFoundError:
        data = b""
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}",
            hint="It must be a file that you can read, in a directory. Without it defaults hold.",
        ) from error
    try:
        settings = parse_settings(data)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}", hint=error.hint) from error
    return overrides.over(settings)


def parse_settings(data: bytes) -> Settings:
    """Read the text of a `config.toml`.

    Raises:
        ConfigError: It is too long, not TOML, or has an unknown or unusable setting.
    """
    if len(data) > CONFIG_BYTES_MAX:
        raise ConfigError(f"longer than {CONFIG_BYTES_MAX} bytes")
    try:
        tree = tomllib.loads(data.decode())
    # The parser descends once for each bracket, so a line of brackets exhausts the stack.
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"not a TOML file: {error}") from error
    table = _Table("", tree, known=("listen", "discovery", "log"))
    discovery = table.table("discovery", known=("mode", "interfaces"))
    log = table.table("log", known=("level",))
    defaults = Settings()
    return Settings(
        listen=table.read("listen", parse_listen, defaults.listen),
        discovery=DiscoverySettings(
            mode=discovery.read("mode", _mode, defaults.discovery.mode),
            interfaces=discovery.read("interfaces", _interfaces, defaults.discovery.interfaces),
        ),
        log_level=log.read("level", _one_of(LOG_LEVELS), defaults.log_level),
    )


def needs_restart(running: Settings, wanted: Settings) -> tuple[str, ...]:
    """Name the settings that differ and cannot be changed while the daemon runs."""
    # A port that the kernel chose is announced and remembered by peers.
    return ("listen",) if running.listen != wanted.listen else ()


def parse_listen(value: object, setting: str) -> Listen:
    """Read `HOST:PORT`, `[IPV6]:PORT` or `:PORT`.

    Raises:
        ConfigError: It is not of that form, or the host is not a literal address.
    """
    read = read_host_port(value) if isinstance(value, str) else None
    if read is None:
        raise ConfigError(
            f"{setting} must be HOST:PORT with a literal address, not {value!r}",
            hint='For example ":47474" for every address, or "192.168.1.5:0" for a free port.',
        )
    return Listen(*read)


def _mode(value: object, setting: str) -> Mode:
    return Mode(_one_of(DISCOVERY_MODES)(value, setting))


def _one_of(words: Sequence[str]) -> Callable[[object, str], str]:
    def read(value: object, setting: str) -> str:
        if not isinstance(value, str) or value not in words:
            raise ConfigError(f"{setting} must be one of {', '.join(words)}, not {value!r}")
        return value

    return read


def _interfaces(value: object, setting: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > INTERFACES_MAX:
        raise ConfigError(f"{setting} must be a list of at most {INTERFACES_MAX} interfaces")
    for name in value:
        if not isinstance(name, str) or not _INTERFACE.fullmatch(name):
            raise ConfigError(f"{setting} has {name!r}, which is no interface name or address")
    return tuple(value)


@dataclass(frozen=True, slots=True)
class _Table:
    """One TOML table whose keys are all known; it names settings by their dotted path."""

    prefix: str
    tree: Mapping[str, object]
    known: tuple[str, ...]

    def __post_init__(self) -> None:
        for key in self.tree:
            if key not in self.known:
                close = difflib.get_close_matches(key, self.known, n=1)
                hint = f"Did you mean {self.prefix}{close[0]}?" if close else self._known_keys()
                raise ConfigError(f"unknown setting {self.prefix}{key}", hint=hint)

    def table(self, key: str, known: tuple[str, ...]) -> "_Table":
        inner = self.tree.get(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{key} must be a table, written as [{key}]")
        return _Table(f"{key}.", cast("Mapping[str, object]", inner), known)

    def read(self, key: str, reader: Callable[[object, str], T], default: T) -> T:
        return reader(self.tree[key], f"{self.prefix}{key}") if key in self.tree else default

    def _known_keys(self) -> str:
        return "Known here: " + ", ".join(self.prefix + key for key in self.known) + "."
