"""The second copy of keys and membership: never larger than what can be read again."""

from pathlib import Path

from harness.batches import operation
from p2pvault.core.interest import Interest
from p2pvault.limits import (
    COLLECTION_CHARACTERS_MAX,
    EPOCHS_MAX,
    INTEGER_MAX,
    INTEREST_COLLECTIONS_MAX,
    JOURNALS_MAX,
    PARTIAL_COLLECTIONS_MAX,
)
from p2pvault.store.home import HomeFiles
from p2pvault.store.keepsake import concerns, keepsake_of, read_keepsake, write_keepsake
from p2pvault.types import Batch

KEY = bytes(range(32))


def full_meta() -> dict[str, bytes]:
    """Return the named values of a store that has as many of each as there can be."""
    owners = {f"journal-owner/{n.to_bytes(16).hex()}": bytes(32) for n in range(JOURNALS_MAX)}
    epochs = {f"epoch/{n.to_bytes(32).hex()}": bytes(32) for n in range(EPOCHS_MAX)}
    own = {"device-keys": bytes(200), "journal": bytes(16), "interest": longest_interest()}
    return {**own, **owners, **epochs}


def longest_interest() -> bytes:
    """Return what a device writes of its collections when it remembers as many as it can."""
    wide = "\N{GRINNING FACE}" * (COLLECTION_CHARACTERS_MAX - 4)
    names = [f"{wide}{n:04}" for n in range(INTEREST_COLLECTIONS_MAX + PARTIAL_COLLECTIONS_MAX)]
    forgotten, partial = names[:INTEREST_COLLECTIONS_MAX], names[INTEREST_COLLECTIONS_MAX:]
    erasing = dict.fromkeys(forgotten, INTEGER_MAX)
    return Interest(frozenset(forgotten), frozenset(partial), erasing).to_bytes()


def test_what_the_fullest_store_writes_is_read_again(tmp_path: Path) -> None:
    kept = keepsake_of(full_meta(), tuple(map(operation, range(5_000))))
    write_keepsake(HomeFiles(tmp_path), KEY, kept)
    assert read_keepsake(HomeFiles(tmp_path), KEY) == kept
    assert len(kept.meta) == 3 + EPOCHS_MAX


def test_whose_a_journal_is_can_be_had_again_and_is_no_reason_to_write() -> None:
    assert not concerns(Batch(meta={"journal-owner/00": bytes(32)}))
    for name in ("journal", "device-keys", "interest", "epoch/00"):
        assert concerns(Batch(meta={name: b""}))
    assert concerns(Batch(operations=(operation(1),)))
