"""The simulator is worth what it finds: each known bug is found within a stated number of seeds."""

from pathlib import Path

import pytest

from sim.campaign import run_plan
from sim.mutations.mutation import Mutation
from sim.mutations.table import MUTATIONS
from sim.plan import Plan

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_known_bug_is_found(mutation: Mutation) -> None:
    with mutation.installed():
        found = next((plan for plan in mutation.plans if _is_seen(mutation, plan)), None)
    assert found is not None
    # What finds it finds nothing else.
    assert run_plan(found, fast=True).failure is None


def test_a_mutation_leaves_nothing_behind() -> None:
    before = [vars(owner)[name] for each in MUTATIONS for owner, name, _ in each.replacements]
    for mutation in MUTATIONS:
        with mutation.installed():
            for owner, name, new in mutation.replacements:
                assert vars(owner)[name] is new
    after = [vars(owner)[name] for each in MUTATIONS for owner, name, _ in each.replacements]
    assert before == after


def test_the_documents_list_every_known_bug() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [row for row in text.splitlines() if row in {_row(each) for each in MUTATIONS}]
    assert rows == [_row(each) for each in MUTATIONS]


def _is_seen(mutation: Mutation, plan: Plan) -> bool:
    return mutation.is_seen_in(run_plan(plan, fast=True).violation)


def _row(mutation: Mutation) -> str:
    return f"| {mutation.name} | {mutation.seeds} |"
