"""How much is measured: the options of the command line, as one frozen value."""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).resolve().parent / "results"
MAIN_SIZE: Final = 10_000
"""Records of W2, W4, the idle daemon and the commands."""

LARGE_SIZE: Final = 100_000

KEPT: Final = (MAIN_SIZE, 200_000)
"""Records, and edits of them in a commit each, of the workload that looks at disk use."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        runs: Of each workload, after one that does not count.
        sizes: Records of W1 and W3, ascending.
        kept: Records and edits of the workload on disk use; None to leave it out.
        edits: In one run of W2.
        repository_runs: Runs for automerge-repo; it takes much longer.
        repository_sizes: Documents, ascending; beyond the first that is too much, none is tried.
        repository_edits: In one run of its W2.
        directory: Where vaults lie while they are measured; decides the file system.
        result: Where the JSON goes.
        profile: Profile the daemons instead of measuring.
    """

    runs: int
    sizes: tuple[int, ...]
    kept: tuple[int, int] | None
    edits: int
    repository_runs: int
    repository_sizes: tuple[int, ...]
    repository_edits: int
    directory: Path
    result: Path
    profile: bool


def read_plan(arguments: Sequence[str]) -> Plan:
    """Read the command line; usage errors end the process."""
    found = _parser().parse_args(arguments)
    sizes: tuple[int, ...] = (1_000, MAIN_SIZE)
    repository_sizes: tuple[int, ...] = (1_000,) if found.quick else (1_000, 2_000)
    return Plan(
        runs=3 if found.quick else 5,
        sizes=(*sizes, LARGE_SIZE) if found.large else sizes,
        kept=KEPT if found.large else None,
        edits=200 if found.quick else 1_000,
        repository_runs=1 if found.quick else 3,
        repository_sizes=_repository_sizes(found, repository_sizes),
        repository_edits=100 if found.quick else 200,
        directory=found.directory,
        result=found.json,
        profile=found.profile,
    )


def _repository_sizes(found: argparse.Namespace, sizes: tuple[int, ...]) -> tuple[int, ...]:
    if found.alone:
        return ()
    return (*sizes, 5_000) if found.large else sizes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure two real daemons on loopback, and automerge-repo beside them.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer runs and edits: about 3 minutes")
    add("--large", action="store_true", help=f"{LARGE_SIZE} records too: half an hour more")
    add("--alone", action="store_true", help="without automerge-repo")
    add("--profile", action="store_true", help="profile W1 and W2 instead; the times mean nothing")
    add("--directory", type=Path, default=Path(tempfile.gettempdir()), help="default: %(default)s")
    add("--json", type=Path, default=RESULTS / "latest.json", help="default: %(default)s")
    return parser
