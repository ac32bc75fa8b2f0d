"""Batches without entries and records become part of the content, adopted journals among them."""

from dataclasses import replace

from p2pvault.core.content import Content, after
from p2pvault.core.holding import Holding
from p2pvault.core.staging import Staged
from p2pvault.types import Batch


def staged_plain(content: Content, batch: Batch) -> Staged:
    """Return what a batch leads to; entries that adopted journals hold leave the quarantine."""
    if not batch.adopted:
        return Staged(batch, after(content, batch), (), (), frozenset(), ())
    holding = Holding(content.quarantine)
    for head in batch.adopted:
        if not content.reaches(head):
            holding.adopted(head)
    meta, left = {**batch.meta, **holding.meta}, (*batch.left_quarantine, *holding.left)
    batch = replace(batch, meta=meta, left_quarantine=left)
    reached = replace(after(content, batch), quarantine=holding.after)
    return Staged(batch, reached, (), (), frozenset(), (), quarantine=holding.outcome)
