"""What was deleted for good must not be found in the files.

`secure_delete` overwrites it in the database, but only when the log is folded into that, which
happens after many batches or at an orderly end; until then older pages lie in both.
"""

from typing import Final

from p2pvault.store.cipher import Connection
from p2pvault.types import Batch

_SECRETS: Final = frozenset(("recovery-seed",))
"""Named values that a person deletes so that whoever gets hold of the device cannot find them."""


def forgets(batch: Batch) -> bool:
    """Tell whether a batch deletes a secret."""
    return any(value is None and name in _SECRETS for name, value in batch.meta.items())


def fold(connection: Connection) -> None:
    """Put all of the log into the database, and make it empty.

    A reader in the middle of something delays it by what SQLite waits for a lock; one that stays
    longer keeps it from happening, and the next orderly end of the store does it.
    """
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
