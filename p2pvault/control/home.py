"""Where the files of one device are, and who may write there.

One home is one device. `--home DIR` or `P2PVAULT_HOME` puts everything under one directory, so
that several devices run on one machine; without it the places are those of the platform. This
module names paths and checks directories; it never opens what lies in them.
"""

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from p2pvault.errors import ConfigError

HOME_VARIABLE: Final = "P2PVAULT_HOME"
"""The environment variable that `--home` overrides."""

SOCKET_NAME: Final = "control.sock"
"""The control socket's name inside its directory."""

CONFIG_NAME: Final = "config.toml"
"""The configuration's name inside its directory."""

SUN_PATH_BYTES_MAX: Final = 107 if sys.platform == "linux" else 103
"""`sockaddr_un.sun_path` without its final zero: 108 bytes on Linux, 104 on the BSDs."""

_APPLICATION: Final = "p2pvault"
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Home:
    """The places of one device.

    Attributes:
        state: Directory of the vault (`vault.db`, the key file).
        config_file: The settings, which need not exist.
        socket: The control socket, which exists while a daemon runs.
        root: The directory that was named for all of it, or None for the platform's places.
    """

    state: Path
    config_file: Path
    socket: Path
    root: Path | None = None

    def arguments(self) -> list[str]:
        """Return the command-line arguments that lead another program to this home."""
        return [] if self.root is None else ["--home", str(self.root)]


def find_home(directory: Path | None = None, environ: Mapping[str, str] = os.environ) -> Home:
    """Return the home that `--home`, the environment or the platform names.

    Args:
        directory: What `--home` said; it wins over the environment.
        environ: The process environment.

    Returns:
        The places; nothing is created or looked into.

    Raises:
        ConfigError: The home directory of this or of the named person is not known.
    """
    chosen = str(directory) if directory is not None else environ.get(HOME_VARIABLE, "")
    if chosen:
        root = _expanded(chosen).absolute()
        return Home(root, root / CONFIG_NAME, root / SOCKET_NAME, root)
    return _platform_home(environ)


def private_directory(directory: Path) -> Path:
    """Make sure that a directory exists, is ours, and is closed to everybody else.

    A missing one is created with mode 0700. One that others can only read is narrowed to 0700.
    One that belongs to, or can be written by, somebody else is refused, because its content may
    be theirs already.

    Returns:
        The same directory.

    Raises:
        ConfigError: It is not a directory, not ours, or open for others to write.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = check_directory(directory).st_mode
        if stat.S_IMODE(mode) != stat.S_IRWXU:
            directory.chmod(stat.S_IRWXU)
    except OSError as error:
        raise _unusable(directory, error) from error
    return directory


def check_directory(directory: Path) -> os.stat_result:
    """Check that an existing directory is ours alone to write.

    Returns:
        Its status.

    Raises:
        ConfigError: It belongs to, or can be written by, somebody else.
        OSError: It is missing or out of reach.
    """
    status = directory.stat()
    if status.st_uid != os.geteuid():
        raise ConfigError(
            f"{directory} belongs to another user (uid {status.st_uid})",
            hint="Choose a directory of your own with --home.",
        )
    if status.st_mode & _OTHERS_WRITE:
        raise ConfigError(
            f"{directory} can be written by other users",
            hint=f"Look what is in it, then close it with `chmod 700 {directory}`.",
        )
    return status


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Name a socket in at most `SUN_PATH_BYTES_MAX` bytes, for `bind` and for `connect`.

    The kernel takes no longer name. On Linux a long one is reached through the open directory,
    as `/proc/self/fd/N/NAME` (proc(5)).

    Args:
        path: The socket, whose directory exists.

    Yields:
        A name that is valid until the context ends.

    Raises:
        ConfigError: The path is too long and this platform has no way around it.
        OSError: The directory is missing or out of reach.
    """
    if len(os.fsencode(path)) <= SUN_PATH_BYTES_MAX:
        yield str(path)
        return
    if sys.platform != "linux":
        raise ConfigError(f"the path {path} is too long for a socket", hint="Use a shorter --home.")
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def _expanded(chosen: str) -> Path:
    try:
        return Path(chosen).expanduser()
    except RuntimeError as error:  # pathlib: no home directory for that name
        raise ConfigError(
            f"{chosen} cannot be used: {error}", hint="Write the whole path of the directory."
        ) from error


def _platform_home(environ: Mapping[str, str]) -> Home:
    # A fifth of the command line's start-up time, so only who needs it pays for it.
    from platformdirs import user_config_path, user_data_path  # noqa: PLC0415

    try:
        state = user_data_path(_APPLICATION, appauthor=False)
        config = user_config_path(_APPLICATION, appauthor=False)
    except RuntimeError as error:  # neither HOME nor the list of users says where
        raise ConfigError(
            f"no home is known: {error}", hint="Set HOME, or name a directory with --home."
        ) from error
    return Home(state, config / CONFIG_NAME, _runtime(environ, state) / SOCKET_NAME)


def _runtime(environ: Mapping[str, str], state: Path) -> Path:
    """Return the session's runtime directory, or the state directory where there is none.

    Not platformdirs' own fallback: that is a predictable name in /tmp, which any other user
    can take first.
    """
    base = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}")
    try:
        check_directory(base)
    except (OSError, ConfigError):
        return state
    return base / _APPLICATION


def _unusable(directory: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{directory} cannot be used: {error.strerror or error}",
        hint="Choose another directory with --home.",
    )
