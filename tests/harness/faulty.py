"""Processes whose disk and clocks misbehave at a word of the test, by a library put before libc.

The library is `faulty.c`, compiled on the spot. It counts and fails the file calls of one
directory, and sets clocks ahead or back; `Faults` steers it through a file that both have mapped.
What the process under test runs is its own code, down to where the kernel would be asked.
"""

import functools
import mmap
import os
import shutil
import struct
import subprocess
import sys
from enum import IntFlag
from pathlib import Path

_SOURCE = Path(__file__).with_name("faulty.c")
_CONTROL = struct.Struct("9q")
_FOREVER = 2**62
_NAMES = ("kinds", "good", "bad", "code", "seen", "hits", "realtime_s", "boottime_s", "monotonic_s")


class Calls(IntFlag):
    """Kinds of file calls.

    With `LOG` only those on files whose name ends in `-wal` are meant, which a commit writes; with
    `DATABASE` only those on files that end in `.db`, which a checkpoint writes.
    """

    WRITE = 1
    SYNC = 2
    TRUNCATE = 4
    READ = 8
    CHANGE = WRITE | SYNC | TRUNCATE
    DATABASE = 16
    LOG = 32


def unavailable() -> str | None:
    """Say why no library can be put before libc here; None if one can."""
    if sys.platform != "linux":
        return "needs LD_PRELOAD as Linux has it"
    if shutil.which("cc") is None:
        return "needs a C compiler for the library that injects faults"
    return None


@functools.cache
def build(directory: Path) -> Path:
    """Compile the library once for each directory; return where it is."""
    library = directory / "faulty.so"
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *flags, "-o", str(library), str(_SOURCE), "-ldl"], check=True)
    return library


class Faults:
    """The faults of one device's processes; none until it is told.

    Args:
        directory: Where library and control file go.
        name: Of the device.
        under: Only calls on files under this directory are counted and fail.
    """

    def __init__(self, directory: Path, name: str, under: Path) -> None:
        self._under = under
        self._library = build(directory)
        self._file = directory / f"{name}.faults"
        self._file.write_bytes(bytes(_CONTROL.size))
        descriptor = os.open(self._file, os.O_RDWR | os.O_CLOEXEC)
        self._control = mmap.mmap(descriptor, _CONTROL.size)
        os.close(descriptor)

    def command(self, *words: str) -> list[str]:
        """Return the command line that runs `words` with these faults."""
        return [
            "env",
            f"LD_PRELOAD={self._library}",
            f"P2PVAULT_FAULTS={self._file}",
            f"P2PVAULT_FAULTS_UNDER={self._under}",
            *words,
        ]

    def arm(self, calls: Calls, code: int, good: int = 0, bad: int = _FOREVER) -> None:
        """Let calls fail from now on.

        Args:
            calls: Which.
            code: The error number; 0 for writes that take half of their bytes.
            good: How many of them succeed first.
            bad: How many fail then; all that follow, unless told otherwise.
        """
        self.relieve()
        for name, value in (("good", good), ("bad", bad), ("code", code), ("seen", 0), ("hits", 0)):
            self._set(name, value)
        self._set("kinds", calls)  # last: the process may be in a call already

    def relieve(self) -> None:
        """Let calls succeed again."""
        self._set("kinds", 0)

    @property
    def seen(self) -> int:
        """How many calls were counted since `arm`."""
        return self._get("seen")

    @property
    def hits(self) -> int:
        """How many of them failed."""
        return self._get("hits")

    def set_clock(self, ahead_s: int) -> None:
        """Set the wall clock ahead of the true one, or back."""
        self._set("realtime_s", ahead_s)

    def sleep(self, seconds: int) -> None:
        """Let clocks say that the machine was suspended for so long.

        The wall clock and the clock since boot go on meanwhile, the monotonic one does not.
        """
        for name in ("realtime_s", "boottime_s"):
            self._set(name, self._get(name) + seconds)

    def pass_time(self, seconds: int) -> None:
        """Let all clocks say that so much time went by."""
        for name in ("realtime_s", "boottime_s", "monotonic_s"):
            self._set(name, self._get(name) + seconds)

    def _set(self, name: str, value: int) -> None:
        struct.pack_into("q", self._control, 8 * _NAMES.index(name), value)

    def _get(self, name: str) -> int:
        (value,) = struct.unpack_from("q", self._control, 8 * _NAMES.index(name))
        return int(value)
