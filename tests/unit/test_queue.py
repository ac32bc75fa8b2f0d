"""How many jobs go into one batch: no more than is read, and changed, at a time."""

import pytest

from p2pvault.core.quarantine import ReleaseJob
from p2pvault.core.queue import Queue
from p2pvault.limits import ENTRY_CHANGES_MAX, FEED_BYTES_MAX
from p2pvault.types import AuthorId, DeviceId, EntryHash, QuarantinedRow, RecordId

HALF = FEED_BYTES_MAX // 2


def release(n: int, size: int, changes: int = 0) -> ReleaseJob:
    author, device = AuthorId(bytes(16)), DeviceId(bytes(32))
    records = tuple(RecordId(number.to_bytes(16, "big")) for number in range(changes))
    row = QuarantinedRow(n, author, n, EntryHash(bytes(32)), device, 0, size, 1, records)
    return ReleaseJob(row)


def batch(jobs: list[ReleaseJob]) -> list[ReleaseJob]:
    """Return the jobs that go into the first batch."""
    queue = Queue()
    queue.add(jobs)
    first = queue.take()
    assert isinstance(first, ReleaseJob)
    taken = [first, *queue.take_companions(first)]
    assert len(queue) == len(jobs) - len(taken)
    return taken


@pytest.mark.parametrize(
    ("sizes", "together"),
    [
        ((HALF, HALF, 1), 2),
        ((1, HALF, HALF, 1), 2),
        ((HALF, HALF - 1, 1, 1), 3),
        ((FEED_BYTES_MAX, 1), 1),
        ((2 * FEED_BYTES_MAX, 1), 1),
        ((1, 2 * FEED_BYTES_MAX, 1), 1),
    ],
)
def test_no_more_is_read_out_of_the_quarantine_for_a_batch_than_at_a_time(
    sizes: tuple[int, ...], together: int
) -> None:
    jobs = [release(n, size) for n, size in enumerate(sizes, start=1)]
    assert batch(jobs) == jobs[:together]


def test_a_batch_changes_no_more_than_an_entry_may() -> None:
    jobs = [release(n, 1, ENTRY_CHANGES_MAX // 2) for n in range(1, 6)]
    assert batch(jobs) == jobs[:2]
