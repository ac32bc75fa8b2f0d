"""The simulator is worth what it finds: each known bug is found within a stated number of seeds."""

import pytest

from sim.campaign import run_plan
from sim.mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_known_bug_is_found(mutation: Mutation) -> None:
    with mutation.installed():
        found = (run_plan(mutation.plan_of(seed)).failure for seed in range(mutation.seeds))
        assert any(failure is not None for failure in found)


def test_a_mutation_leaves_nothing_behind() -> None:
    before = [vars(owner)[name] for each in MUTATIONS for owner, name, _ in each.replacements]
    for mutation in MUTATIONS:
        with mutation.installed():
            for owner, name, new in mutation.replacements:
                assert vars(owner)[name] is new
    after = [vars(owner)[name] for each in MUTATIONS for owner, name, _ in each.replacements]
    assert before == after
