"""The warm process: it has imported the two programs, and forks one that runs them when told to.

Each order is one message on the socket whose number is its argument: JSON with the words of a
command line, the environment and the directory to run in, and the three standard streams. It
answers with the number of the new process, which is nobody's child by then; whoever asked for
orphans gets it.
"""

import gc
import importlib
import json
import os
import pkgutil
import socket
import sys
from collections.abc import Callable

from p2pvault import cli
from p2pvaultd import __main__ as daemon

ORDER_BYTES_MAX = 1 << 17
"""Of a command line and an environment; two thousand bytes are usual."""


def main() -> None:
    """Serve until the other end is closed; in a forked process, become the program and end."""
    for module in pkgutil.iter_modules(cli.__path__, f"{cli.__name__}."):
        importlib.import_module(module.name)
    importlib.import_module("p2pvaultd.program")
    _save_coverage()
    gc.freeze()
    line = socket.socket(fileno=int(sys.argv[1]))
    while True:
        message, streams, _, _ = socket.recv_fds(line, ORDER_BYTES_MAX, 3)
        if not message:
            return
        result, told = os.pipe()
        if (between := os.fork()) == 0:
            if pid := os.fork():
                os.write(told, str(pid).encode())
                os._exit(0)
            for descriptor in (line.detach(), result, told):
                os.close(descriptor)
            _become(json.loads(message), streams)
            return
        os.waitpid(between, 0)
        for stream in streams:
            os.close(stream)
        line.send(os.read(result, 32))
        os.close(result)
        os.close(told)


def _become(order: dict, streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in {*streams}:
        os.close(stream)
    # Those that the interpreter made know whether the old ones could seek.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        old = getattr(sys, name)
        new = os.fdopen(old.fileno(), mode, encoding=old.encoding, errors=old.errors, closefd=False)
        new.reconfigure(line_buffering=name == "stderr")
        setattr(sys, name, new)
    os.chdir(order["place"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = order["words"]
    if sys.argv[0] == "p2pvaultd":
        daemon.main()
    else:
        _end_at_once(cli.main)


def _end_at_once(program: Callable[[], None]) -> None:
    """Run a program, and leave out the end of the interpreter, as its start was.

    It would take leave of all that was imported: as much time as most commands take.
    """
    try:
        program()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    _save_coverage()
    os._exit(code)


def _save_coverage() -> None:
    """Keep what was measured, if anything was: the end of an interpreter would."""
    measuring = sys.modules.get("coverage")
    measured = measuring.Coverage.current() if measuring is not None else None
    if measured is not None:
        measured.save()


if __name__ == "__main__":
    main()
