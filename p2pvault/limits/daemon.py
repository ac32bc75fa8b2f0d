"""Bounds of the daemon: its configuration, its end, its log."""

from typing import Final

from p2pvault.limits.units import KIB

CONFIG_BYTES_MAX: Final = 16 * KIB
"""config.toml: half a dozen settings, with room for comments."""

INTERFACES_MAX: Final = 16
"""Interfaces that discovery may be told to use."""

STOP_S: Final = 5.0
"""From the first signal to the end of the process, whatever hangs; systemd's patience is longer."""

STOP_ORDERLY_S: Final = 4.0
"""The part of it in which links are closed and names withdrawn; then everything is cancelled."""

NOTIFY_STATUS_CHARACTERS_MAX: Final = 200
"""One line in `systemctl status`."""

THREAD_SWITCH_S: Final = 0.0005
"""After which a thread that computes lets another one on. For CPython's own 5 ms the store would
wait at each statement while the event loop is busy: a batch of 1 000 records took 170 ms instead of
40 while others came in."""

LOG_FIELD_CHARACTERS_MAX: Final = 64
"""One value in a log line; what is allowed there are words, numbers and addresses."""

LOG_DEVICE_CHARACTERS: Final = 8
"""Digits of a device's id in a log line: enough to tell 64 devices apart, too few for a key."""

LOG_FRAMES_MAX: Final = 48
"""Stack frames in a logged crash: deeper than our calls nest, short enough for a journal."""

LOG_REPEAT_S: Final = 60.0
"""How long a warning that was written is not written again: a peer that fails as often as it can
costs 1 440 lines a day, about 300 KB."""

LOG_REPEATS_MAX: Final = 256
"""Different warnings that are remembered: every reason for a link to fail, for a few devices."""
