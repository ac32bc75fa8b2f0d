"""What is built is what is meant: sdist, wheel from it, and both in a clean environment.

The environment has the wheel itself and nothing else of ours. Its dependencies come through a
`.pth` file from the environment that runs the tests, so that no test needs the network; that the
metadata names them is looked at instead.
"""

import email
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from p2pvault import __version__

ROOT = Path(__file__).resolve().parents[2]
DEPENDENCIES = {
    *("trio", "pynacl", "cryptography", "zeroconf", "msgpack", "automerge", "sqlcipher3"),
    *("click", "blake3", "platformdirs", "segno", "structlog"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel that was made from it and not from the tree."""
    directory = tmp_path_factory.mktemp("dist")
    # No isolation: the build back end is a test dependency, so nothing is downloaded.
    arguments = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(directory)]
    done = subprocess.run(
        [*arguments, str(ROOT)],
        check=False,
        capture_output=True,
        text=True,
        env=clean_environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    (found,) = built.glob("*.tar.gz")
    return found


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel in it."""
    directory = tmp_path_factory.mktemp("clean")
    venv.create(directory, with_pip=False, symlinks=True)
    (packages,) = directory.glob("lib/python*/site-packages")
    arguments = [sys.executable, "-m", "pip", "--python", str(directory / "bin" / "python")]
    subprocess.run(
        [*arguments, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True
    )
    dependencies = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(dependencies) + "\n")
    return directory


def clean_environment() -> dict[str, str]:
    """Ours without what leads Python to the tree or measures coverage."""
    ours = ("PYTHON", "COVERAGE", "COV_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def run(installed: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    program, *rest = arguments
    return subprocess.run(
        [str(installed / "bin" / program), *rest],
        check=False,
        capture_output=True,
        text=True,
        cwd=installed,
        env=clean_environment(),
    )


def test_the_sdist_has_what_a_packager_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    wanted = {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "p2pvault/__init__.py",
        "daemon/p2pvaultd/__main__.py",
        "tests/packaging/test_distribution.py",
        "scripts/test",
        "systemd/system/p2pvaultd.service",
        "systemd/user/p2pvaultd.service",
        "systemd/sysusers/p2pvault.conf",
        "systemd/firewalld/p2pvault.xml",
        "systemd/ufw/p2pvault",
    }
    assert wanted <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(".venv")]


def test_the_wheel_has_two_packages_and_nothing_else_at_its_top(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    metadata = f"p2pvault-{__version__}.dist-info"
    data = f"p2pvault-{__version__}.data"
    assert {name.split("/")[0] for name in names} == {"p2pvault", "p2pvaultd", metadata, data}


def test_the_wheel_is_typed_and_brings_the_units(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shared = f"p2pvault-{__version__}.data/data/share/p2pvault/systemd"
    assert {
        "p2pvault/py.typed",
        "p2pvaultd/py.typed",
        "p2pvault/cli/units/p2pvaultd.service",
        f"{shared}/system/p2pvaultd.service",
        f"{shared}/sysusers/p2pvault.conf",
        f"{shared}/firewalld/p2pvault.xml",
        f"{shared}/ufw/p2pvault",
    } <= names


def test_the_wheel_has_every_module_of_the_tree(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    trees = {ROOT / "p2pvault": ROOT, ROOT / "daemon" / "p2pvaultd": ROOT / "daemon"}
    for tree, base in trees.items():
        modules = {str(path.relative_to(base)) for path in tree.rglob("*.py")}
        assert modules <= names


def test_the_metadata_names_the_dependencies_with_bounds(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    text = archive.read(f"p2pvault-{__version__}.dist-info/METADATA").decode()
    metadata = email.message_from_string(text)
    assert metadata["Version"] == __version__
    assert metadata["Requires-Python"] == ">=3.11"
    required = metadata.get_all("Requires-Dist", [])
    assert {item.split(">")[0].split("=")[0].strip().lower() for item in required} == DEPENDENCIES
    assert all("=" in item for item in required)


@pytest.mark.parametrize("program", ["p2pvault", "p2pvaultd"])
def test_both_programs_run_in_a_clean_environment(installed: Path, program: str) -> None:
    done = run(installed, program, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert __version__ in done.stdout


def test_what_runs_there_is_the_wheel(installed: Path) -> None:
    program = "import p2pvault, p2pvaultd; print(p2pvault.__file__); print(p2pvaultd.__file__)"
    files = run(installed, "python", "-c", program).stdout.splitlines()
    assert len(files) == 2
    assert all(Path(file).is_relative_to(installed) for file in files)


def test_there_is_no_module_called_daemon(installed: Path) -> None:
    done = run(installed, "python", "-c", "import daemon")
    assert done.returncode == 1
    assert "No module named 'daemon'" in done.stderr
