"""Gives freed memory back to the system after bulk work.

A thousand records are loaded while a large batch is staged, and are gone right after it. The GNU C
library keeps their pages for later; asked to, it returns them. Elsewhere this does nothing.
"""

import ctypes
import sys

from p2pvault.limits import BULK_RECORDS


def give_back_after(records: int) -> None:
    """Return free pages to the system if a batch of that many records was just written."""
    if records < BULK_RECORDS or not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
