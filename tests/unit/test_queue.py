"""How many jobs go into one batch: as much as one read out of the quarantine may be."""

import pytest

from p2pvault.core.quarantine import ReleaseJob
from p2pvault.core.queue import Queue
from p2pvault.limits import FEED_BYTES_MAX
from p2pvault.types import AuthorId, DeviceId, EntryHash, QuarantinedRow

HALF = FEED_BYTES_MAX // 2


def release(n: int, size: int) -> ReleaseJob:
    author, device = AuthorId(bytes(16)), DeviceId(bytes(32))
    return ReleaseJob(QuarantinedRow(n, author, n, EntryHash(bytes(32)), device, 0, size, 1, ()))


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
    queue = Queue()
    jobs = [release(n, size) for n, size in enumerate(sizes, start=1)]
    queue.add(jobs)
    first = queue.take()
    assert isinstance(first, ReleaseJob)
    assert [first, *queue.take_companions(first)] == jobs[:together]
    assert len(queue) == len(jobs) - together
