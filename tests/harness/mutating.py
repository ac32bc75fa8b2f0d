"""Runs mutmut so that a mutant costs little: `scripts/test --mutation` starts this.

Tests are collected once, in a process that then becomes a copy of itself for each mutant, and run
there in the order of `mutant_choice.first` until one fails. mutmut would collect them for each
mutant anew, which takes longer than most tests do. It still makes the mutants, knows which test
runs through which function, and keeps the results.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import FrameType

import pytest
from mutmut import __main__ as mutmut
from mutmut.configuration import config
from mutmut.mutation import trampoline
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import change_cwd
from mutmut.workers.isolation import ForkServerRunner, MutantResult

from harness.mutant_choice import (
    changes_words_only,
    first,
    functions_of,
    interval,
    reach,
    sample,
)

ROOM_S = 20
"""Tests that take longer together are not all run for one mutant, unless more room is given. What
only the rest of them would notice counts as survived."""

SLOWER = 10
"""A test that takes this many times as long as without a mutant, and `GRACE_S`, hangs."""

GRACE_S = 3.0

_NO_MUTANT = "p2pvault.none"

_TIMEOUT, _SUSPICIOUS = 36, 35
"""What mutmut takes for a test that hangs, and for no result."""


class Collected:
    """A pytest session that stays open, and runs what it is told to in copies of itself."""

    def __init__(self, serve: Callable[[], None]) -> None:
        self._serve = serve

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of the loop that would run all tests."""
        Runner.session = session
        self._serve()
        return True


class Tests(PytestRunner):
    """Runs tests of the open session."""

    def warm_up(self) -> None:
        """Keep a file from being closed by its end, which is a warning and would fail a test."""
        self._kept = sys.stdout

    def run_tests(self, *, mutant_name: str | None, tests: Collection[str]) -> int:
        """Run tests until one fails; return 1 then, and 0 otherwise."""
        session = Runner.session
        if session is None or mutant_name is None:
            return super().run_tests(mutant_name=mutant_name, tests=tests)
        # It would ask the environment at every call of a function.
        trampoline.get_mutant_under_test = lambda: mutant_name
        signal.signal(signal.SIGPROF, _hangs)
        items = {item.nodeid: item for item in session.items}
        if not items.keys() >= set(tests):
            return _SUSPICIOUS
        chosen = [items[test] for test in tests]
        for item, following in zip(chosen, [*chosen[1:], None], strict=True):
            limit = state().duration_by_test[item.nodeid] * SLOWER + GRACE_S
            signal.setitimer(signal.ITIMER_PROF, limit)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                return 1
        return 0


def _hangs(_signal: int, _frame: FrameType | None) -> None:
    os._exit(_TIMEOUT)


class Runner(ForkServerRunner):
    """mutmut's server of processes, inside of the open session."""

    session: pytest.Session | None = None
    room = ROOM_S

    def startup(self) -> None:
        """Begin, and see that what is no mutant survives."""
        super().startup()
        self._reached = reach(state().tests_by_mangled_function_name)
        self.submit(_NO_MUTANT, list(self._reached), 0, 0)
        if self.wait_for_result().exit_code != 0:
            self.shutdown()
            raise SystemExit("tests fail without a mutant, so that they do says nothing")

    def submit(
        self, mutant_name: str, tests: list[str], cpu_time_limit: int, estimated_time: float
    ) -> None:
        """Choose the tests, and with them the time; what changes only words survives untried."""
        if mutant_name != _NO_MUTANT and changes_words_only(mutant_name, _functions(mutant_name)):
            self._no_tests_results.append(MutantResult(mutant_name, exit_code=0, duration=0))
            return
        seconds = state().duration_by_test
        chosen = first(mutant_name, tests, seconds, self._reached, self.room)
        limit = sum(seconds[test] * SLOWER + GRACE_S for test in chosen)
        super().submit(mutant_name, chosen, round(2 * limit), estimated_time)

    def run_clean_tests(self, tests: Iterable[str]) -> int:
        """They ran without a mutant when it was found out what they run through."""
        return 0

    def _forkserver_main(self, work_fd: int, result_fd: int) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        serve = super()._forkserver_main
        arguments = [*config().pytest_add_cli_args, *config().pytest_add_cli_args_test_selection]
        with change_cwd("mutants"):
            pytest.main(
                ["--rootdir=.", "-q", "-x", "-s", "--tb=no", *arguments],
                plugins=[Collected(lambda: serve(work_fd, result_fd))],
            )


def _functions(mutant: str) -> Mapping[str, str]:
    return _functions_of(mutant.rpartition(".")[0])


@cache
def _functions_of(module: str) -> Mapping[str, str]:
    path = Path("mutants", *module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return functions_of(source.read_text())


def _tried_of(names: Iterable[str]) -> dict[str, str]:
    """Return what became of mutants."""
    mutants, _ = mutmut.collect_source_file_mutation_data(mutant_names=())
    wanted = set(names)
    return {name: status_by_exit_code[code] for _, name, code in mutants if name in wanted}


def _report(results: dict[str, str]) -> None:
    """Print the survivors, and the share of those that are none."""
    tried = [name for name, status in results.items() if status != "not checked"]
    if not tried:
        return
    killed = [name for name in tried if results[name] in {"killed", "timeout"}]
    for name in sorted(set(tried) - set(killed)):
        print(f"{results[name]}: {name}")
    low, high = interval(len(killed), len(tried))
    print(f"{len(killed)} of {len(tried)} killed: {len(killed) / len(tried):.1%}", end=", ")
    print(f"with 95 % confidence between {low:.1%} and {high:.1%}")


def main() -> None:
    """Run mutmut on what is named, on a sample, or on everything that was not tried yet."""
    parser = argparse.ArgumentParser(prog="scripts/test --mutation")
    parser.add_argument("names", nargs="*", help="mutants, or patterns of them; without, all")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--sample", type=int, metavar="COUNT", help="this many, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--room", type=int, default=ROOM_S, help="seconds of tests per mutant")
    given = parser.parse_args()
    Runner.room = given.room
    drawn: list[str] = []
    collect = mutmut.collect_source_file_mutation_data

    def collect_sample(*, mutant_names: Sequence[str]) -> object:
        mutants, files = collect(mutant_names=mutant_names)
        named = {name: (file, name, result) for file, name, result in mutants}
        drawn[:] = sample(named, given.seed, given.sample)
        return [named[name] for name in drawn], files

    mutmut.get_mutant_runner = lambda processes=1: Runner(processes, Tests, {})
    if given.sample is not None:
        # In the order of the draw: a run that is stopped has tried a smaller sample.
        mutmut.estimated_worst_case_time = lambda _name: 0
        mutmut.collect_source_file_mutation_data = collect_sample
    mutmut._run(tuple(given.names), given.processes)
    if drawn:
        mutmut.collect_source_file_mutation_data = collect
        _report(_tried_of(drawn))


if __name__ == "__main__":
    main()
