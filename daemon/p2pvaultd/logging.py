"""Sets up what the daemon says about itself: structlog through the allow-list of `fields`.

Crashes are logged as types and places (see `outline`). What libraries log through the standard
module becomes its place and severity only, since their messages quote what came from the network.
"""

import logging
import os
import sys
import threading
import time
from types import TracebackType

import structlog
from structlog.typing import FilteringBoundLogger

from p2pvaultd.fields import allow_only
from p2pvaultd.rendering import StderrLogger, renderer
from p2pvaultd.repeats import Repeats

LOG_FORMATS = ("auto", "json", "text")


def configure_logging(level: str, form: str) -> None:
    """Set up logging for the whole process; calling it again replaces the set-up.

    Args:
        level: Least severity, one of `config.LOG_LEVELS`.
        form: One of LOG_FORMATS.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            allow_only,
            Repeats(time.monotonic),
            renderer(form, os.environ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=StderrLogger,
        # A reload must reach loggers that exist already.
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_LibraryHandler()], level=logging.WARNING, force=True)


def install_crash_hooks() -> None:
    """Log what nobody caught, in any thread, instead of printing it with its values."""
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed
    sys.unraisablehook = _unraisable


class _LibraryHandler(logging.Handler):
    """Forwards where library_complained, and what kind of error it had."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        _log().log(
            min(record.levelno, logging.CRITICAL),
            "library_complained",
            place=f"{record.name}.{record.funcName}:{record.lineno}",
            **({"exc_info": error} if error is not None else {}),
        )


def _log() -> FilteringBoundLogger:
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def _crashed(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    _log().critical("crashed", exc_info=error)


def _thread_crashed(arguments: threading.ExceptHookArgs) -> None:
    _log().critical("thread_crashed", exc_info=arguments.exc_value)


def _unraisable(arguments: "sys.UnraisableHookArgs") -> None:
    _log().error("error_ignored", exc_info=arguments.exc_value)
