"""How a log line looks and how it is written.

Lines go to standard error: to a terminal as text with the time of day, to the systemd journal as
text with the severity prefix of sd-daemon(3), to anything else as JSON. A line that cannot be
written is dropped: a full disk under a log file must not end the daemon.
"""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from structlog.typing import EventDict, WrappedLogger

Renderer = Callable[[WrappedLogger, str, EventDict], str]

STDERR: Final = 2

_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""syslog(3) severities."""


class StderrLogger:
    """Writes finished lines to file descriptor 2; structlog calls the method of the severity."""

    def write(self, line: str) -> None:
        """Write one line in one call, so that lines of threads do not mix."""
        with suppress(OSError):
            os.write(STDERR, line.encode() + b"\n")

    debug = info = warning = error = critical = write


def renderer(form: str, environment: Mapping[str, str]) -> Renderer:
    """Choose how lines look.

    Args:
        form: `json`, `text`, or `auto` for what suits standard error.
        environment: Where systemd says whether standard error is the journal.
    """
    if form == "json":
        return as_json
    if form == "text":
        return as_text
    if is_journal(environment.get("JOURNAL_STREAM", "")):
        return as_journal
    return as_text if os.isatty(STDERR) else as_json


def is_journal(stream: str) -> bool:
    """Whether `DEVICE:INODE` of systemd.exec(5)'s `JOURNAL_STREAM` is our standard error."""
    try:
        status = os.fstat(STDERR)
    except OSError:
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"


def as_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Render one JSON object, with the time in UTC."""
    timestamp = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"timestamp": timestamp, **event})


def as_text(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Render for a person: local time of day, severity, event, fields."""
    time = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
    return f"{time} {event['level']:<8} {_logfmt(event)}"


def as_journal(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Render for the journal, which adds the time and reads the severity from the prefix."""
    return f"<{_PRIORITIES[event['level']]}>{_logfmt(event)}"


def _logfmt(event: EventDict) -> str:
    fields = {name: value for name, value in event.items() if name not in {"event", "level"}}
    frames = fields.pop("trace", [])
    words = [event["event"], *(f"{name}={value}" for name, value in fields.items())]
    return " ".join(words) + "".join(f" < {frame}" for frame in frames)
