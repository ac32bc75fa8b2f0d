"""One plain line for the person: why the daemon does not start, or keeps its old settings.

Not part of the log, whose lines quote nothing. These quote the settings and places of this device,
never the vault, and the person has to read them.
"""

import os
from contextlib import suppress

from p2pvault.errors import VaultError
from p2pvaultd.rendering import STDERR


def complain(error: VaultError) -> None:
    """Write what happened and what to try to standard error, if that can be written."""
    hint = f" {error.hint}" if error.hint else ""
    with suppress(OSError):
        # The name of a file need not be text.
        os.write(STDERR, f"p2pvaultd: {error}.{hint}\n".encode(errors="backslashreplace"))
