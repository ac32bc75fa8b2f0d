"""In processes of their own: what a signal does to the daemon's loop."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PROGRAM = """
    import trio
    from p2pvaultd.signals import watch_signals

    async def main():
        async with trio.open_nursery() as nursery:
            async def reload():
                print("reload", flush=True)
                RELOAD

            def stop(number):
                print(number.name, flush=True)
                STOP

            await nursery.start(watch_signals, reload, stop)
            print("ready", flush=True)
            AFTER

    trio.run(main)
"""


@contextmanager
def process(
    stop: str, reload: str = "pass", after: str = "pass"
) -> Iterator["subprocess.Popen[str]"]:
    program = textwrap.dedent(PROGRAM).replace("STOP", stop)
    program = program.replace("RELOAD", reload).replace("AFTER", after)
    arguments = [sys.executable, "-c", program]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        try:
            yield running
        finally:
            running.kill()


def heard(running: "subprocess.Popen[str]") -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_for_an_orderly_end(number: signal.Signals) -> None:
    with process("nursery.cancel_scope.cancel()") as running:
        running.send_signal(number)
        assert heard(running) == number.name
        assert running.wait(10) == 0


def test_hang_up_means_reload_as_often_as_it_comes() -> None:
    with process("nursery.cancel_scope.cancel()") as running:
        for _ in range(2):
            running.send_signal(signal.SIGHUP)
            assert heard(running) == "reload"
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0


def test_a_reload_that_hangs_does_not_keep_the_end_from_coming() -> None:
    with process("nursery.cancel_scope.cancel()", "await trio.sleep_forever()") as running:
        running.send_signal(signal.SIGHUP)
        assert heard(running) == "reload"
        running.send_signal(signal.SIGTERM)
        assert heard(running) == "SIGTERM"
        assert running.wait(10) == 0


def test_a_hang_up_right_behind_the_first_signal_changes_nothing() -> None:
    # As where a service manager ends a session (`SendSIGHUP=`, systemd.kill(5)).
    both = "import signal; list(map(signal.raise_signal, (signal.SIGTERM, signal.SIGHUP)))"
    with process("nursery.cancel_scope.cancel()", after=both) as running:
        assert heard(running) == "SIGTERM"
        assert running.wait(10) == 0


def test_the_second_signal_ends_the_process_whatever_it_does() -> None:
    with process("nursery.start_soon(trio.sleep_forever)") as running:
        running.send_signal(signal.SIGTERM)
        assert heard(running) == "SIGTERM"
        running.send_signal(signal.SIGHUP)
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == -signal.SIGTERM


def test_the_kernel_ends_a_process_that_hangs_in_its_orderly_end() -> None:
    with process("import time; time.sleep(3600)") as running:
        running.send_signal(signal.SIGTERM)
        assert heard(running) == "SIGTERM"
        assert running.wait(60) == -signal.SIGALRM
