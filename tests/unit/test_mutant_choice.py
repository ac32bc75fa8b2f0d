"""What a sample of mutants is, and which tests one is tried with."""

from collections import Counter

import pytest

from harness.mutant_choice import (
    changes_words_only,
    first,
    functions_of,
    interval,
    reach,
    sample,
)

NAMES = [f"p2pvault.core.x_f__mutmut_{n}" for n in range(100)]


def test_a_sample_is_the_same_in_whatever_order_the_mutants_come():
    drawn = sample(NAMES, seed=7, count=20)
    assert sample(reversed(NAMES), seed=7, count=20) == drawn
    assert len(set(drawn)) == 20
    assert set(drawn) < set(NAMES)
    assert sample(NAMES, seed=8, count=20) != drawn


def test_a_larger_sample_begins_with_the_smaller_one():
    assert sample(NAMES, seed=7, count=50)[:20] == sample(NAMES, seed=7, count=20)
    assert sorted(sample(NAMES, seed=7, count=1_000)) == sorted(NAMES)


def test_each_mutant_is_as_likely_as_any_other():
    drawn = Counter(name for seed in range(400) for name in sample(NAMES, seed, 25))
    assert set(drawn) == set(NAMES)
    assert 60 < min(drawn.values()) <= max(drawn.values()) < 140, "100 are expected of each"


def test_tests_of_few_functions_come_before_quick_ones_of_many():
    reached = reach({"f": ["close", "world"], "g": ["world"], "h": ["world", "world"]})
    assert reached == {"close": 1, "world": 3}
    for seconds, order in ((2.0, ["close", "world"]), (4.0, ["world", "close"])):
        assert first(NAMES[0], reached, {"close": seconds, "world": 1.0}, reached, 9) == order


def test_tests_that_are_named_after_the_module_come_first():
    close, far = (
        "tests/playbook/test_forks_playbook.py::test_it",
        "tests/unit/test_a.py::test_forks",
    )
    seconds, reached = {close: 2.0, far: 1.0}, {close: 500, far: 1}
    assert first("p2pvault.core.forks.x_f__mutmut_1", seconds, seconds, reached, 9) == [close, far]
    assert first("p2pvault.core.other.x_f__mutmut_1", seconds, seconds, reached, 9) == [far, close]


def test_what_takes_too_long_is_left_out_but_never_everything():
    seconds = {"quick": 1.0, "slow": 8.0, "slower": 9.0, "slowest, of few": 30.0}
    reached = {**dict.fromkeys(seconds, 40), "slowest, of few": 20}
    assert first(NAMES[0], seconds, seconds, reached, 9.5) == ["quick", "slow"]
    assert first(NAMES[0], ["slower", "slowest, of few"], seconds, reached, 9) == ["slower"]
    assert first(NAMES[0], ["slowest, of few"], seconds, reached, 9) == ["slowest, of few"]


MUTATED = """
def x_f__mutmut_orig(n, hint="a"):
    assert n, "must be"
    if n > 3:
        raise Refused(f"too many: {n}", n, hint="fewer")

class C:
    def xǁCǁg__mutmut_orig(self): return "text"
    def xǁCǁg__mutmut_1(self): return "TEXT"
"""


def changed(old: str, new: str) -> bool:
    original, _, rest = MUTATED.partition("\n\n")
    mutant = original.replace("_orig", "_1").replace(old, new)
    assert mutant != original.replace("_orig", "_1")
    return changes_words_only("p.m.x_f__mutmut_1", functions_of(f"{original}\n{mutant}\n{rest}"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"must be"', "None"),
        ('f"too many: {n}"', "None"),
        ('"fewer"', '"XXfewerXX"'),
        (', hint="fewer"', ""),
    ],
)
def test_the_text_of_an_error_is_only_words(old: str, new: str):
    assert changed(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("n > 3", "n > 4"),
        ("Refused(", "Other("),
        ('{n}", n', '{n}", None'),
        ("assert n", "assert not n"),
        ('hint="a"', 'hint="b"'),
    ],
)
def test_what_is_raised_and_when_is_more(old: str, new: str):
    assert not changed(old, new)


def test_text_that_is_no_error_is_more_than_words():
    assert not changes_words_only("p.m.xǁCǁg__mutmut_1", functions_of(MUTATED))


@pytest.mark.parametrize(
    ("killed", "tried", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(killed: int, tried: int, low: float, high: float):
    assert interval(killed, tried) == pytest.approx((low, high), abs=0.0001)
    turned = interval(tried - killed, tried)
    assert turned == pytest.approx((1 - high, 1 - low), abs=0.0001)
