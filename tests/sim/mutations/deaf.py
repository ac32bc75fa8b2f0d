"""A batch whose records nobody counts."""

from p2pvault.core.content import Tally
from p2pvault.core.staging import Staging
from p2pvault.types import RecordRow


class _Deaf(Tally):
    def replace(self, old: RecordRow | None, new: RecordRow) -> None:
        """Take no note of it."""


def stop_counting(staging: Staging) -> None:
    """Leave the fingerprints of a batch in the making as they are."""
    staging._tally = _Deaf(b"", staging._tally.merged())
