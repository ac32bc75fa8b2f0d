"""Logging as the daemon sets it up, for the length of a test."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from p2pvaultd.logging import configure_logging


@contextmanager
def json_logging() -> Iterator[None]:
    """Log as JSON to standard error, and put everything back in the end."""
    root = logging.getLogger()
    before, handlers, level = structlog.get_config(), root.handlers[:], root.level
    configure_logging("debug", "json")
    try:
        yield
    finally:
        structlog.configure(**before)
        root.handlers[:] = handlers
        root.setLevel(level)


def logged(text: str) -> list[dict[str, object]]:
    """Read what was written to standard error."""
    return [json.loads(line) for line in text.splitlines()]
