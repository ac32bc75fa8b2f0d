"""An entry that is kept in quarantine comes again, after its journal's mark was lifted."""

from random import Random

import pytest

from harness.judge import BOB_ID, Judge, one_journal
from harness.world import put
from p2pvault.core import holding
from p2pvault.limits import KIB


def test_a_kept_entry_that_comes_again_is_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first entry had no room, so its mark is lifted once it counts; both come again."""
    monkeypatch.setattr(holding, "QUARANTINE_BYTES_MAX", 4 * KIB)
    large = put("notes/large", blob=Random(0).randbytes(8 * KIB))
    first, second, third = one_journal(large, put("notes/one", a=1), put("notes/one", a=2))
    judge = Judge({})
    judge.take(first, second)
    assert judge.kept == [(BOB_ID, 2)]
    judge.bound({first.author: 1})
    judge.sweep()
    judge.take(first, second, third, link=6)
    assert (judge.held(first.author), judge.marked(first.author)) == (1, 3)
    assert judge.kept == [(BOB_ID, 2), (BOB_ID, 3)]
    judge.bound({first.author: 3})
    judge.sweep()
    assert (judge.held(first.author), judge.kept) == (3, [])
    assert judge.value("notes/one") == {"a": 2}
