"""Messages of a bootstrap: what goes in comes out, and nothing else comes in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.batches import author, device, digest
from p2pvault.errors import LimitExceeded, MalformedMessage
from p2pvault.limits import JOURNAL_ENTRIES_MAX, JOURNALS_MAX
from p2pvault.protocol.bootstrap import (
    CutHead,
    Fetching,
    Wanted,
    beginning,
    decode_cut,
    decode_end,
    decode_progress,
    decode_wanted,
    encode_cut,
    encode_end,
    encode_progress,
    encode_wanted,
    furthest,
)
from p2pvault.types import EntryHash, RecordId
from p2pvault.wire.codec import pack

heads = st.builds(
    CutHead,
    st.integers(0, 9).map(author),
    st.integers(0, 3).map(device),
    st.integers(1, JOURNAL_ENTRIES_MAX),
    st.binary(min_size=32, max_size=32).map(EntryHash),
)
cuts = st.lists(heads, min_size=1, max_size=6, unique_by=lambda each: each.author).map(
    lambda listed: tuple(sorted(listed, key=lambda each: each.author))
)
ids = st.none() | st.binary(min_size=16, max_size=16).map(RecordId)


def cut_head(by: int, n: int = 1) -> CutHead:
    return CutHead(author(by), device(by), n, EntryHash(digest((by, n))))


@given(cuts, ids)
def test_what_is_written_is_read(cut, after) -> None:
    assert decode_cut(encode_cut(cut)) == cut
    for wanted in (Wanted(0, after, cut), Wanted(7, None, ())):
        assert decode_wanted(encode_wanted(wanted)) == wanted
    for fetching in (Fetching(cut, after), Fetching(cut, after, cut), Fetching((), None, cut)):
        assert decode_progress(encode_progress(fetching)) == fetching
    decode_end(encode_end())


@given(cuts)
def test_a_head_of_a_cut_is_a_journals_head(cut) -> None:
    assert [(each.head.author, each.head.n, each.head.hash) for each in cut] == [
        (each.author, each.n, each.hash) for each in cut
    ]


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param((), id="no journals"),
        pytest.param((cut_head(1, 0),), id="an empty journal"),
        pytest.param((cut_head(1), cut_head(1, 2)), id="a journal twice"),
        pytest.param(
            tuple(sorted(map(cut_head, (1, 2)), key=lambda each: each.author, reverse=True)),
            id="not sorted",
        ),
    ],
)
def test_a_cut_that_nobody_makes_is_refused(cut) -> None:
    with pytest.raises(MalformedMessage):
        decode_cut(encode_cut(cut))


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(Wanted(0, None, ()), id="a request without a cut"),
        pytest.param(Wanted(5, None, (cut_head(1),)), id="an acknowledgement with one"),
        pytest.param(Wanted(0, RecordId(b"short"), (cut_head(1),)), id="a short id"),
        pytest.param(Wanted(0, None, (cut_head(1, 0),)), id="an empty journal"),
    ],
)
def test_a_request_that_nobody_makes_is_refused(wanted) -> None:
    with pytest.raises(MalformedMessage):
        decode_wanted(encode_wanted(wanted))


def test_an_end_says_nothing_else() -> None:
    with pytest.raises(MalformedMessage):
        decode_end(pack([1]))


def test_a_cut_has_no_more_journals_than_a_vault() -> None:
    many = [[bytes(16), bytes(32), 1, bytes(32)]] * (JOURNALS_MAX + 1)
    with pytest.raises(LimitExceeded):
        decode_cut(pack(many))


@given(cuts, cuts)
def test_records_reach_as_far_as_the_furthest_of_two_cuts(left, cut) -> None:
    both = furthest((*left, *cut))
    assert [each.author for each in both] == sorted({each.author for each in (*left, *cut)})
    assert all(each.n >= other.n for each in both for other in cut if each.author == other.author)
    begun = beginning(Fetching(left, None), cut)
    assert {each.author: each.n for each in begun.heads} == {each.author: each.n for each in both}
    assert furthest((*cut, *cut)) == cut
