"""Bounds of upkeep: dropping entries, folding records, giving room back."""

from typing import Final

from p2pvault.limits.units import KIB, MIB

DROP_ENTRIES_MAX: Final = 200
"""Entries dropped in one batch; see docs/decisions/0009 for what a batch costs."""

DROP_BYTES_MAX: Final = 1 * MIB
"""Their bytes, which are overwritten with zeros: 256 pages."""

CROWDED_RECORDS_MAX: Final = 1_024
"""Records that one look over the store finds; the next look finds the rest."""

CROWDED_NOTED_MAX: Final = 65_536
"""Records that are remembered to be folded, some 8 MB; beyond it the store is looked over again."""

FOLD_RECORDS_MAX: Final = 8
"""Records folded in one batch: 0.8 ms of work each where they are small, with the proof."""

FOLD_BYTES: Final = 256 * KIB
"""Bytes of chunks folded in one batch, or one record that is larger."""

FREE_PAGES_MAX: Final = 64
"""Free pages that a file keeps, 256 KiB, or a 32nd part of it: the next writes take them."""

RELEASE_PAGES: Final = 128
"""Pages given back in one batch: each moves another page, 2 to 5 ms in all."""

UPKEEP_PAUSE_S: Final = 60.0
"""From something to do until it is done: gathers what a busy minute leaves."""

UPKEEP_STEP_S: Final = 0.1
"""Between two batches; with at most 10 ms each, nine tenths of the time is left to others."""

UPKEEP_PATIENCE_S: Final = 5.0
"""How long one batch waits for a moment in which nothing else is under way."""
