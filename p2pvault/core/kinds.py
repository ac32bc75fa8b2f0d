"""The kinds of messages on a link between members; docs/protocol/link.md lists their bodies."""

from enum import IntEnum


class Kind(IntEnum):
    """The number that a channel carries with each message."""

    GREETING = 1
    KNOWN = 2
    OPERATIONS = 3
    SECRETS = 4
    HAVE = 5
    ENTRIES = 6
    BEHIND = 7
    SNAPSHOTS_WANTED = 8
    SNAPSHOTS = 9
    SNAPSHOTS_END = 10
    RANGES = 11
    RECORDS_WANTED = 12
    RECORDS = 13
    REFUSED = 14
    FORK = 15
    RUNS_TWICE = 16
    INTEREST = 17
