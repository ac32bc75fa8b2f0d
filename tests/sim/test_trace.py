"""The same seed is the same history, in every process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.campaign import run_seed

pytestmark = pytest.mark.heavy

TESTS = Path(__file__).parents[1]

PLAY = "import sys; from sim.campaign import run_seed; print(run_seed(int(sys.argv[1])).digest)"


def played_elsewhere(seed: int, hash_seed: str) -> str:
    """Play a seed in a process whose sets have another order."""
    path = os.pathsep.join([str(TESTS), *sys.path])
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
    command = [sys.executable, "-c", PLAY, str(seed)]
    played = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return played.stdout.strip()


@pytest.mark.parametrize("seed", [6, 9, 12])
def test_a_seed_has_one_trace_whatever_the_order_of_sets(seed: int) -> None:
    digests = {played_elsewhere(seed, hash_seed) for hash_seed in ("0", "1")}
    assert digests == {run_seed(seed).digest}


def test_two_seeds_have_two_traces() -> None:
    assert run_seed(2).digest != run_seed(4).digest
