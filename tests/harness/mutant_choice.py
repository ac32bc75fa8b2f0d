"""Which mutants are tried, and with which tests: what a random sample is, and what comes first."""

import ast
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from math import sqrt
from random import Random


def sample(mutants: Iterable[str], seed: int, count: int) -> list[str]:
    """Draw mutants at random, each as likely as any other.

    With the same seed, a larger sample begins with the smaller one.
    """
    names = sorted(mutants)
    Random(seed).shuffle(names)
    return names[:count]


def reach(tests_by_function: Mapping[str, Iterable[str]]) -> Counter[str]:
    """Count how many functions each test runs through."""
    return Counter(test for tests in tests_by_function.values() for test in set(tests))


def first(
    mutant: str,
    tests: Collection[str],
    seconds: Mapping[str, float],
    reached: Mapping[str, int],
    room: float,
) -> list[str]:
    """Return the tests that a mutant is tried with, those that kill soonest first.

    Those of a file that is named after the mutated module come before all others. A test that runs
    through few functions looks closely at each of them, while a world of several devices passes
    through hundreds; so a test counts as slow in proportion to both.

    Args:
        mutant: Its name, `package.module.function__mutmut_number`.
        tests: All that run through the mutated function.
        seconds: How long each takes.
        reached: How many functions each runs through.
        room: How many seconds they may take together; the first one stays in any case.
    """
    named = [part.rstrip("s") for part in mutant.split(".")[2:-1]]

    def rank(test: str) -> tuple[bool, float, str]:
        file = test.partition("::")[0].rpartition("/")[2]
        return not any(part in file for part in named), seconds[test] * reached[test], test

    chosen: list[str] = []
    for test in sorted(tests, key=rank):
        room -= seconds[test]
        if not chosen or room >= 0:
            chosen.append(test)
        else:
            room += seconds[test]
    return chosen


def interval(killed: int, tried: int) -> tuple[float, float]:
    """Return the bounds between which 95 of 100 samples have the true share (Wilson's)."""
    z = 1.96
    share = killed / tried
    middle = share + z * z / (2 * tried)
    half = z * sqrt(share * (1 - share) / tried + z * z / (4 * tried * tried))
    whole = 1 + z * z / tried
    return (middle - half) / whole, (middle + half) / whole


class _Wordless(ast.NodeTransformer):
    """Takes the texts of errors and of assertions away."""

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        if isinstance(node.exc, ast.Call):
            call = node.exc
            call.args = [each for each in call.args if not _is_text(each)]
            call.keywords = [each for each in call.keywords if not _is_text(each.value)]
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        node.msg = None
        return node


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.JoinedStr)


def functions_of(source: str) -> dict[str, str]:
    """Return what each function of a module does, the words of its errors aside."""
    found = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    return {node.name: _wordless(node) for node in found}


def _wordless(function: ast.FunctionDef) -> str:
    stripped = [_Wordless().visit(statement) for statement in function.body]
    return "".join(ast.dump(each) for each in (function.args, *stripped))


def changes_words_only(mutant: str, functions: Mapping[str, str]) -> bool:
    """Tell whether a mutant differs in nothing but the text of an error or an assertion.

    Args:
        mutant: Its name.
        functions: Of its module, which holds all mutants and what they were made of.
    """
    name = mutant.rpartition(".")[2]
    original = name.rpartition("__mutmut_")[0] + "__mutmut_orig"
    return functions[name] == functions[original]
