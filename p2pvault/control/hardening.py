"""What the process does to itself so that its memory does not leak.

No core file (it would hold the keys), and no ptrace or `/proc/PID/mem` for other processes of
the same user. Both work without any privilege. A kernel that refuses is no reason not to run: the
refusal is returned for the log.
"""

import ctypes
import os
import resource

PR_SET_DUMPABLE = 4
"""From <linux/prctl.h>; see prctl(2)."""


def harden() -> list[str]:
    """Close the process against core dumps and against readers of its memory.

    Returns:
        The names of the measures that were refused; empty when all hold.
    """
    refused = []
    for name, measure in (("core_limit", _no_core_files), ("dumpable", _not_dumpable)):
        try:
            measure()
        except (OSError, ValueError):
            refused.append(name)
    return refused


def _no_core_files() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _not_dumpable() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        prctl = libc.prctl
    except AttributeError as error:
        raise OSError("this system has no prctl") from error
    if prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
