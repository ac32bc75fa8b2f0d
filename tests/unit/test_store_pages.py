"""Flipped bits in the files of a home: each is put back, and what is more is left alone."""

from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from harness.entropy import seeded
from p2pvault.crypto.schedule import store_key
from p2pvault.errors import KeyUnavailable, StoreCorrupt, StoreUnwritable
from p2pvault.store.cipher import PAGE_BYTES
from p2pvault.store.home import HomeFiles, make_home
from p2pvault.store.pages import Mended, mend_pages
from p2pvault.store.slots import load_master_key, make_master_key, mend_keys
from p2pvault.store.sqlite import open_store
from p2pvault.types import Batch, Doubt
from p2pvault.wire.codec import pack, unpack

META = {"one": b"x" * 9_000, "two": b"y" * 300}


@pytest.fixture
def files(tmp_path: Path) -> HomeFiles:
    """A small home with a closed store."""
    files = make_home(tmp_path / "home")
    key = store_key(make_master_key(files, seeded("keys")))
    with closing(open_store(files.home, key, create=True)) as store:
        store.persist(Batch(meta=dict(META)))
    return files


def key_of(files: HomeFiles) -> bytes:
    return store_key(load_master_key(files))


def flip(path: Path, *bits: int) -> bytes:
    """Flip bits of a file; return what it was."""
    before = path.read_bytes()
    raw = bytearray(before)
    for bit in bits:
        raw[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(bytes(raw))
    return before


def test_nothing_happens_to_a_sound_store(files: HomeFiles) -> None:
    before = files.database.read_bytes()
    assert mend_pages(files, key_of(files)) == Mended((), ())
    assert files.database.read_bytes() == before


@pytest.mark.heavy
def test_one_flipped_bit_in_every_page_at_once_is_put_back(files: HomeFiles) -> None:
    random = Random(3)
    pages = files.database.stat().st_size // PAGE_BYTES
    bits = [8 * PAGE_BYTES * n + random.randrange(8 * PAGE_BYTES) for n in range(pages)]
    before = flip(files.database, *bits)
    mended = mend_pages(files, key_of(files))
    assert mended == Mended(tuple(range(1, pages + 1)), ())
    assert files.database.read_bytes() == before
    with closing(open_store(files.home, key_of(files))) as store:
        assert store.state().meta == META
        assert store.faults() == []


@pytest.mark.parametrize(
    "at",
    [0, 15, 16, PAGE_BYTES - 80, PAGE_BYTES - 65, PAGE_BYTES - 64, PAGE_BYTES - 1],
    ids=["salt", "end of salt", "header", "vector", "end of vector", "tag", "end of tag"],
)
@pytest.mark.parametrize("page", [0, 1])
def test_every_part_of_a_page_is_covered(files: HomeFiles, page: int, at: int) -> None:
    before = flip(files.database, 8 * (page * PAGE_BYTES + at) + 5)
    assert mend_pages(files, key_of(files)) == Mended((page + 1,), ())
    assert files.database.read_bytes() == before


def flip_unseen(files: HomeFiles, *bits: int) -> None:
    """Flip bits as a disk does: the file system knows nothing of it, and no change time moves.

    Nobody can do that from outside the disk, so the seal is written for the time that moved.
    """
    version, stamp, _, size = unpack(files.seal.read_bytes())
    flip(files.database, *bits)
    changed = files.database.stat().st_ctime_ns
    files.seal.write_bytes(pack([version, stamp, changed, size]))


def doubt_of(files: HomeFiles) -> Doubt | None:
    with closing(open_store(files.home, key_of(files))) as store:
        return store.doubt


def test_a_store_that_was_mended_is_still_the_one_that_was_written_last(files: HomeFiles) -> None:
    flip_unseen(files, 8 * PAGE_BYTES + 9)
    assert mend_pages(files, key_of(files)) == Mended((2,), ())
    assert doubt_of(files) is None


def test_mending_vouches_for_no_file_that_was_put_back(files: HomeFiles) -> None:
    flip(files.database, 8 * PAGE_BYTES + 9)  # its change time says that it was written
    assert mend_pages(files, key_of(files)) == Mended((2,), ())
    assert doubt_of(files) is Doubt.REPLACED


def test_a_seal_of_another_time_fits_no_better_after_mending(files: HomeFiles) -> None:
    old = unpack(files.seal.read_bytes())[1]
    with closing(open_store(files.home, key_of(files))):
        pass
    version, _, changed, size = unpack(files.seal.read_bytes())
    files.seal.write_bytes(pack([version, old, changed, size]))
    flip_unseen(files, 8 * PAGE_BYTES + 9)
    mend_pages(files, key_of(files))
    assert doubt_of(files) is Doubt.REPLACED


def test_a_store_with_a_log_beside_its_seal_is_not_sealed_again(files: HomeFiles) -> None:
    files.log.write_bytes(b"of another time")
    flip_unseen(files, 8 * PAGE_BYTES + 9)
    before = files.seal.read_bytes()
    mend_pages(files, key_of(files))
    assert files.seal.read_bytes() == before


def test_a_store_that_is_still_damaged_is_not_sealed_again(files: HomeFiles) -> None:
    flip_unseen(files, 8 * PAGE_BYTES + 9, 8 * (2 * PAGE_BYTES + 9), 8 * (2 * PAGE_BYTES + 99))
    before = files.seal.read_bytes()
    assert mend_pages(files, key_of(files)) == Mended((2,), (3,))
    assert files.seal.read_bytes() == before


def test_a_seal_that_cannot_be_written_costs_a_doubt_and_no_more(files: HomeFiles) -> None:
    flip_unseen(files, 8 * PAGE_BYTES + 9)
    (files.home / "vault.seal.new").mkdir()
    assert mend_pages(files, key_of(files)) == Mended((2,), ())
    assert doubt_of(files) is Doubt.REPLACED


def test_more_than_one_bit_is_named_and_left_alone(files: HomeFiles) -> None:
    flip(files.database, 8 * (PAGE_BYTES + 100), 8 * (PAGE_BYTES + 200))
    damaged = files.database.read_bytes()
    assert mend_pages(files, key_of(files)) == Mended((), (2,))
    assert files.database.read_bytes() == damaged


def test_many_damaged_pages_meet_a_bound(files: HomeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pvault.store.pages.PAGES_MENDED_MAX", 1)
    flip(files.database, 8 * (PAGE_BYTES + 9), 8 * (2 * PAGE_BYTES + 9))
    assert mend_pages(files, key_of(files)) == Mended((2,), (3,))


def test_what_is_no_file_is_our_own_error(files: HomeFiles) -> None:
    key = key_of(files)
    files.database.unlink()
    files.database.mkdir()
    with pytest.raises(StoreUnwritable):
        mend_pages(files, key)


def test_every_bit_of_the_keys_is_put_back(files: HomeFiles) -> None:
    key = key_of(files)
    assert mend_keys(files) is None
    for path in (files.slots, files.device_key):
        bits = 8 * path.stat().st_size
        for bit in range(0, bits, 37):
            before = flip(path, bit)
            with pytest.raises((KeyUnavailable, StoreCorrupt)):
                load_master_key(files)
            assert mend_keys(files) == path
            assert path.read_bytes() == before
    assert key_of(files) == key


def test_keys_with_more_wrong_than_one_bit_are_refused_and_left_alone(files: HomeFiles) -> None:
    flip(files.device_key, 3, 100)
    damaged = files.device_key.read_bytes()
    with pytest.raises(KeyUnavailable):
        mend_keys(files)
    assert files.device_key.read_bytes() == damaged
