"""Bounds of the control socket."""

from typing import Final

from p2pvault.limits.records import VALUE_DEPTH_MAX
from p2pvault.limits.units import MIB

CONTROL_LINE_BYTES_MAX: Final = 8 * MIB
"""One request or answer: a record at its largest as JSON."""

CONTROL_CALLERS_MAX: Final = 32
"""Programs on the control socket at once."""

CONTROL_DEPTH_MAX: Final = VALUE_DEPTH_MAX + 8
"""Nesting of one control message: a value, and the request around it (at most 5 levels)."""

CONTROL_ANSWER_S: Final = 60.0
"""The command line's patience with one answer: a bulk commit behind others on a slow disk."""

CONTROL_START_S: Final = 2.0
"""The command line's patience with a daemon that was just started: it needs well under a second."""

CONTROL_JOIN_START_S: Final = 5.0
"""The same for `join`, which people type right behind `p2pvaultd &`, on a machine of any speed."""

CONTROL_WAIT_S_MAX: Final = 86_400.0
"""Longest `wait`: a day; a script that waits longer asks again."""

CONTROL_IDLE_S: Final = 30.0
"""A caller that sends nothing and waits for nothing is let go."""

SUBSCRIPTION_EVENTS_MAX: Final = 4_096
"""Events that wait for one watcher; beyond it the watcher is told that it missed some."""

LIST_ROWS_MAX: Final = 10_000
"""Rows in one answer to `ls`; the caller pages on."""

CONTROL_QUEUED_MAX: Final = 16
"""Requests of one caller that wait for their turn; then the daemon stops reading from it."""

CONTROL_STREAMS_MAX: Final = 8
"""Open streams of one caller: a pairing and a few watches."""
