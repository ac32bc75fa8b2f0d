"""The laws of one direction of a cable of the harness."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from harness.cable_host import FRAMES_MAX, Quality, Way

rates = st.sampled_from([0.0, 0.02, 0.5, 1.0])
pauses = st.lists(st.sampled_from([0.0, 0.001, 0.05]), max_size=50)


@st.composite
def qualities(draw: st.DrawFn) -> Quality:
    delay_s = draw(st.sampled_from([0.0, 0.02, 1.0]))
    jitter_s = delay_s * draw(st.sampled_from([0.0, 0.25, 1.0]))
    return Quality(draw(rates), delay_s, jitter_s, draw(rates), draw(st.integers(0, 99)))


def sent(way: Way, pauses: Sequence[float]) -> list[float]:
    """Send numbered frames with pauses between them; return when each one was sent."""
    now, times = 0.0, []
    for number, pause in enumerate(pauses):
        now += pause
        times.append(now)
        way.enter(now, bytes([number]))
    return times


def arrived(way: Way) -> list[tuple[float, int]]:
    """Wait for all that is under way; return when each number came, in order."""
    found = []
    while (now := way.next_s) != float("inf"):
        found += [(now, frame[0]) for frame in way.leave(now)]
    return found


@given(qualities(), pauses)
def test_each_frame_arrives_once_in_its_time_or_is_counted_as_lost(
    quality: Quality, pauses: list[float]
) -> None:
    way = Way(quality, "there")
    times = sent(way, pauses)
    found = arrived(way)
    numbers = [number for _, number in found]
    assert len({*numbers}) == len(numbers) == way.tally["carried"]
    assert way.tally == {"carried": len(found), "lost": len(pauses) - len(found), "cut_off": 0}
    if quality.loss in {0.0, 1.0}:
        assert way.tally["lost"] == quality.loss * len(pauses)
    for when, number in found:
        assert when >= times[number] + quality.delay_s - quality.jitter_s
    if not quality.reorder:
        assert numbers == sorted(numbers)


@given(qualities(), pauses)
def test_which_frames_are_lost_follows_from_the_seed_alone(
    quality: Quality, pauses: list[float]
) -> None:
    way, same = Way(quality, "there"), Way(Quality(loss=quality.loss, seed=quality.seed), "there")
    sent(way, pauses)
    sent(same, [0.0 for _ in pauses])
    assert {n for _, n in arrived(way)} == {n for _, n in arrived(same)}


def test_a_full_way_loses_what_comes_and_a_cut_one_everything() -> None:
    way = Way(Quality(delay_s=1.0), "there")
    for _ in range(FRAMES_MAX + 1):
        way.enter(0.0, b"")
    assert way.tally["lost"] == 1
    way.cut()
    way.enter(0.0, b"")
    assert (way.tally["cut_off"], way.next_s) == (FRAMES_MAX + 1, float("inf"))
    way.mend()
    way.become(Quality())
    way.enter(0.5, b"")
    assert list(way.leave(0.5)) == [b""]
