"""The second copy of keys and membership: never larger than what can be read again."""

from pathlib import Path

from harness.batches import operation
from p2pvault.limits import EPOCHS_MAX, JOURNALS_MAX
from p2pvault.store.home import HomeFiles
from p2pvault.store.keepsake import concerns, keepsake_of, read_keepsake, write_keepsake
from p2pvault.types import Batch

KEY = bytes(range(32))


def full_meta() -> dict[str, bytes]:
    """Return the named values of a store that has as many of each as there can be."""
    owners = {f"journal-owner/{n.to_bytes(16).hex()}": bytes(32) for n in range(JOURNALS_MAX)}
    epochs = {f"epoch/{n.to_bytes(32).hex()}": bytes(32) for n in range(EPOCHS_MAX)}
    return {"device-keys": bytes(200), "journal": bytes(16), **owners, **epochs}


def test_what_the_fullest_store_writes_is_read_again(tmp_path: Path) -> None:
    kept = keepsake_of(full_meta(), tuple(map(operation, range(5_000))))
    write_keepsake(HomeFiles(tmp_path), KEY, kept)
    assert read_keepsake(HomeFiles(tmp_path), KEY) == kept
    assert len(kept.meta) == 2 + EPOCHS_MAX


def test_whose_a_journal_is_can_be_had_again_and_is_no_reason_to_write() -> None:
    assert not concerns(Batch(meta={"journal-owner/00": bytes(32)}))
    for name in ("journal", "device-keys", "epoch/00"):
        assert concerns(Batch(meta={name: b""}))
    assert concerns(Batch(operations=(operation(1),)))
