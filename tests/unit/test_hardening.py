"""In a process of its own: the measures cannot be taken back."""

import subprocess
import sys
import textwrap


def run(program: str) -> str:
    arguments = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.strip()


def test_after_hardening_there_are_no_core_files_and_no_dumps() -> None:
    answer = run("""
        import ctypes, resource
        from p2pvault.control.hardening import harden
        refused = harden()
        PR_GET_DUMPABLE = 3
        dumpable = ctypes.CDLL(None).prctl(PR_GET_DUMPABLE)
        print(refused, resource.getrlimit(resource.RLIMIT_CORE), dumpable)
    """)
    assert answer == "[] (0, 0) 0"


def test_a_command_leaves_no_core_file_and_cannot_be_dumped() -> None:
    answer = run("""
        import ctypes, resource
        from p2pvault.cli.root import run
        code = run(["version"])
        print(code, resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3))
    """)
    assert answer.splitlines()[-1] == "0 (0, 0) 0"


def test_before_hardening_the_process_could_be_dumped() -> None:
    assert run("import ctypes; print(ctypes.CDLL(None).prctl(3))") == "1"
