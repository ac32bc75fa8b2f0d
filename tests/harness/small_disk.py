"""A disk of a few megabytes that is really full when it is full, and read-only when it is set so.

It is a tmpfs in a mount namespace of its own, which a process holds open. Programs inside see it
in its place; everybody else reaches it through that process's root (proc(5)).
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MOUNT = 'mount -t tmpfs -o "size=$2,mode=0700" p2pvault "$1" && echo ready && exec cat'


@dataclass(frozen=True)
class SmallDisk:
    """The disk.

    Attributes:
        holder: The process that keeps it.
        place: Where it is mounted, as seen from inside.
    """

    holder: int
    place: Path

    @property
    def outside(self) -> Path:
        """The same directory for whoever is not inside."""
        return Path(f"/proc/{self.holder}/root{self.place}")

    def command(self, *words: str) -> list[str]:
        """Return the command line that runs `words` inside."""
        return ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", *words]

    def fill(self, leave_bytes: int = 0) -> None:
        """Take all of the room but so much."""
        room = os.statvfs(self.outside)
        ballast = room.f_bavail * room.f_frsize - leave_bytes
        (self.outside / "ballast").write_bytes(bytes(ballast))

    def relieve(self) -> None:
        """Give the room back."""
        (self.outside / "ballast").unlink()

    def set_read_only(self, *, read_only: bool) -> None:
        """Let nothing be written, or all again; nobody may have a file open for writing."""
        options = f"remount,{'ro' if read_only else 'rw'}"
        subprocess.run(self.command("mount", "-o", options, str(self.place)), check=True)


def unavailable() -> str | None:
    """Say why no such disk can be made here; None if one can."""
    if os.geteuid() != 0:
        return "needs root to mount a small disk"
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return None if done.returncode == 0 else "needs mount namespaces"


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[SmallDisk]:
    """Mount one in an empty directory, for as long as the block lasts."""
    command = ["unshare", "--mount", "sh", "-c", _MOUNT, "sh", str(place), size]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        yield SmallDisk(holder.pid, place)
        assert holder.stdin is not None
        holder.stdin.close()
