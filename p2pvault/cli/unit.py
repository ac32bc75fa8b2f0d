"""The systemd user unit that keeps a home's daemon running: its name, its text, its place.

Nothing here talks to systemd. The text is the unit that is shipped, with the command of this
installation in it.
"""

import re
import string
import sys
from importlib import resources
from pathlib import Path
from typing import Final

import p2pvault
from p2pvault.control.home import Home
from p2pvault.errors import ConfigError

_TEMPLATE: Final = "p2pvaultd.service"
_NAME_CHARACTERS_MAX: Final = 255
"""systemd refuses longer unit names (systemd.unit(5))."""

_PLAIN: Final = string.ascii_letters + string.digits + ":_."
_EXEC_START: Final = re.compile(r"^ExecStart=.*$", re.MULTILINE)


def unit_name(home: Home) -> str:
    """Return the unit's name: one of its own for each home that was named.

    Raises:
        ConfigError: The home's path is too long for a unit's name.
    """
    if home.root is None:
        return _TEMPLATE
    name = f"p2pvaultd-{_escaped(home.root)}.service"
    if len(name) > _NAME_CHARACTERS_MAX:
        raise ConfigError(f"{home.root} is too long for a systemd unit", hint="Shorten --home.")
    return name


def unit_text(home: Home) -> str:
    """Return the shipped unit with `ExecStart=` of this installation and this home.

    Raises:
        ConfigError: This installation came without its unit file.
    """
    line = "ExecStart=" + " ".join(map(_quoted, daemon_command(home)))
    text, replaced = _EXEC_START.subn(lambda _: line, _template())
    assert replaced == 1, "a unit of one service starts one program"
    return text


def daemon_command(home: Home) -> list[str]:
    """Return the command line of the daemon of this installation for a home."""
    script = Path(sys.executable).with_name("p2pvaultd")
    program = [str(script)] if script.exists() else [sys.executable, "-m", "p2pvaultd"]
    return [*program, *home.arguments()]


def unit_directory() -> Path:
    """Return where the user manager of systemd looks first (systemd.unit(5))."""
    from platformdirs import user_config_path  # noqa: PLC0415  # 20 ms that only `install` needs

    return user_config_path("systemd") / "user"


def _template() -> str:
    packaged = resources.files("p2pvault.cli") / "units" / _TEMPLATE
    checkout = Path(p2pvault.__file__).parents[1] / "systemd" / "user" / _TEMPLATE
    for place in (packaged, checkout):
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise ConfigError(
        "the unit file is missing from this installation", hint="Install p2pvault again."
    )


def _escaped(path: Path) -> str:
    """Escape a path for a unit's name as systemd-escape(1) --path does."""
    inner = "/".join(part for part in path.parts if part != "/")
    return "".join(
        "-" if character == "/" else character if character in _PLAIN else _hex(character)
        for character in inner
    )


def _hex(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogateescape"))


def _quoted(word: str) -> str:
    """Quote a word of `ExecStart=` (systemd.service(5), "Command lines")."""
    if any(ord(character) < 0x20 for character in word):
        raise ConfigError(f"{word!r} cannot stand in a systemd unit", hint="Rename the directory.")
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
