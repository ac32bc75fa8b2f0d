"""The pages of a closed store, each with its own authentication: which are damaged, and mending.

Every page carries an HMAC-SHA512 over its ciphertext, its initialisation vector and its number
(SQLCipher 4, "Page Layout" and `sqlcipher_page_hmac` in its source). A page with one flipped bit
is mended by trying every bit until that HMAC is right again: 33 000 tries, a third of a second,
and no chance worth a name that a wrong page passes. That is what a fault of a disk or of memory
usually does, and it needs no other device and no second copy.

Pages of the write-ahead log are not looked at: SQLite checks those itself and drops what is torn.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from hmac import compare_digest
from hmac import digest as hmac_digest
from pathlib import Path
from typing import Final

from p2pvault.limits import PAGES_MENDED_MAX
from p2pvault.store.cipher import PAGE_BYTES, store_salt
from p2pvault.store.faults import os_fault
from p2pvault.store.home import HomeFiles
from p2pvault.store.witness import fitting_stamp, seal_mended

_SALT_BYTES: Final = 16
"""At the beginning of the first page, in the clear and outside its HMAC; ours is derived."""

_IV_BYTES: Final = 16
_HMAC_BYTES: Final = 64
_SALT_MASK: Final = 0x3A
"""HMAC_SALT_MASK: keeps the salt of the HMAC key apart from that of the page key."""

_FAST_ITERATIONS: Final = 2
"""FAST_PBKDF2_ITER: the page key is strong already."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of the damaged pages of a store, by number from 1.

    Attributes:
        mended: Those that had one flipped bit.
        beyond: Those that have more wrong than that; they are as they were.
    """

    mended: tuple[int, ...]
    beyond: tuple[int, ...]


class _Authenticator:
    """Computes what a page's HMAC has to be."""

    def __init__(self, key: bytes) -> None:
        self._salt = store_salt(key)
        salt = bytes(byte ^ _SALT_MASK for byte in self._salt)
        self._key = pbkdf2_hmac("sha512", key, salt, _FAST_ITERATIONS, 32)

    def digest(self, number: int, covered: bytes | bytearray) -> bytes:
        """Return the HMAC of a page's covered bytes."""
        return hmac_digest(self._key, covered + number.to_bytes(4, "little"), "sha512")

    def is_sound(self, number: int, page: bytes) -> bool:
        """Tell whether a page is what was written; one that was never written is."""
        if page == bytes(PAGE_BYTES):
            return True
        covered, tag = _parts(number, page)
        salted = number > 1 or page.startswith(self._salt)
        return salted and compare_digest(self.digest(number, covered), tag)

    def mend(self, number: int, page: bytes) -> bytes | None:
        """Return a page with its flipped bit put back, or None where more is wrong."""
        covered, tag = _parts(number, page)
        head = self._salt if number == 1 else b""
        right = self.digest(number, covered)
        if _distance(right, tag) <= 1:
            return head + covered + right
        trial = bytearray(covered)
        for at in range(len(trial)):
            for bit in range(8):
                trial[at] ^= 1 << bit
                if self.digest(number, trial) == tag:
                    return head + bytes(trial) + tag
                trial[at] ^= 1 << bit
        return None


def _parts(number: int, page: bytes) -> tuple[bytes, bytes]:
    """Return what a page's HMAC covers, and the HMAC; 80 bytes are reserved, so nothing between."""
    start = _SALT_BYTES if number == 1 else 0
    return page[start : PAGE_BYTES - _HMAC_BYTES], page[PAGE_BYTES - _HMAC_BYTES :]


def _distance(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def mend_pages(files: HomeFiles, key: bytes) -> Mended:
    """Look at every page of a store that nobody has open, and mend those with one flipped bit.

    A store that was sealed is sealed again if that made it whole: it is still the one that was
    written last.

    Args:
        files: Of the home; whoever calls this holds its lock.
        key: 32 bytes, `schedule.store_key`.

    Raises:
        StoreUnwritable, StoreFull: The file cannot be read, or not written to.
    """
    stamp = fitting_stamp(files)
    mended = _mend(files.database, _Authenticator(key))
    if stamp is not None and mended.mended and not mended.beyond:
        seal_mended(files, stamp)
    return mended


def _mend(database: Path, authenticator: _Authenticator) -> Mended:
    mended: list[int] = []
    beyond: list[int] = []
    try:
        with database.open("r+b", buffering=0) as file:
            for number, page in _pages(file.fileno()):
                if authenticator.is_sound(number, page):
                    continue
                room = len(mended) + len(beyond) < PAGES_MENDED_MAX
                whole = authenticator.mend(number, page) if room else None
                if whole is None:
                    beyond.append(number)
                    continue
                os.pwrite(file.fileno(), whole, (number - 1) * PAGE_BYTES)
                mended.append(number)
            os.fsync(file.fileno())
    except OSError as error:
        raise os_fault(f"cannot mend {database}", error) from error
    return Mended(tuple(mended), tuple(beyond))


def _pages(descriptor: int) -> Iterator[tuple[int, bytes]]:
    number = 1
    while len(page := os.pread(descriptor, PAGE_BYTES, (number - 1) * PAGE_BYTES)) == PAGE_BYTES:
        yield number, page
        number += 1
