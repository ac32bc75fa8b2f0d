"""The command line `p2pvault`: what a person types, turned into calls of the control socket.

It must start at once, so nothing here imports trio, a cryptographic library, or anything else
that only the daemon needs.
"""

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        # Inside the guard, so that an interrupt during start-up ends as quietly as a later one.
        from p2pvault.cli.root import run  # noqa: PLC0415

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
