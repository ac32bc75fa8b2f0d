"""The command line `p2pvault`: what a person types, turned into calls of the control socket.

It must start at once, so nothing here imports trio, a cryptographic library, or anything else
that only the daemon needs.
"""

import gc
import os
import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    _open_closed_streams()
    try:
        # Inside the guard, so that an interrupt during start-up ends as quietly as a later one;
        # and what is imported stays, so nobody needs to look through it for garbage.
        gc.disable()
        from p2pvault.cli.root import run  # noqa: PLC0415

        gc.freeze()
        gc.enable()
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)


def _open_closed_streams() -> None:
    """Stand in for standard streams that the shell closed (`<&-`): Python has None for them.

    They are open for as long as the process lives, so no block closes them; and pathlib, which the
    linter asks for, would be imported for this alone.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
