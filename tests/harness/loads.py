"""Answers to what a device asks of its store as a whole, given from a store in memory."""

from harness.memory_store import MemoryStore
from p2pvault.core.io import LoadFailed
from p2pvault.core.loads import (
    ForgottenUnknown,
    Load,
    Loaded,
    LoadForgotten,
    LoadSurplus,
    SurplusLoaded,
    SurplusUnknown,
)
from p2pvault.errors import StoreCorrupt
from p2pvault.node.interest import load_forgotten
from p2pvault.node.snapshots import load_snapshots
from p2pvault.types import VaultId


def answer(
    store: MemoryStore, vault: VaultId, load: Load, *, unreadable: bool
) -> Loaded | LoadFailed:
    """Return what a store says; one that cannot be read says so."""
    torn = StoreCorrupt("a torn page")
    if isinstance(load, LoadSurplus):
        if unreadable:
            return SurplusUnknown(torn)
        return SurplusLoaded(store.surplus(load.upto, load.chunks_min))
    if isinstance(load, LoadForgotten):
        return ForgottenUnknown(torn) if unreadable else load_forgotten(store, load)
    return LoadFailed(torn, load.link) if unreadable else load_snapshots(store, vault, load)
