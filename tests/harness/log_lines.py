"""The lines that a device writes into its log, each with its level and fields.

Whoever looks for a line, or counts them, goes by these names. A field holds an id, a number or one
of a few words, and nothing that a person has written.
"""

import re
from collections.abc import Callable, Mapping

from p2pvault.core.io import Report
from p2pvault.core.link import Phase
from p2pvault.errors import VaultError
from p2pvault.types import Doubt

Check = Callable[[object], bool]


def _hex(digits: int) -> Check:
    pattern = re.compile(f"[0-9a-f]{{{digits}}}")
    return lambda found: isinstance(found, str) and pattern.fullmatch(found) is not None


def _count(found: object) -> bool:
    return type(found) is int and found >= 0


def _codes(kind: type[VaultError]) -> set[str]:
    return {kind.code}.union(*map(_codes, kind.__subclasses__()))


_CODES = _codes(VaultError)
_PHASES = {phase.name.lower() for phase in Phase} - {"closed"}
_DEVICE: Mapping[str, Check] = {"device": _hex(64)}
_JOURNAL: Mapping[str, Check] = {"journal": _hex(32)}
_REASON: Mapping[str, Check] = {"reason": _CODES.__contains__}

LINES: Mapping[tuple[str, str], Mapping[str, Check]] = {
    ("debug", "link_failed"): {**_REASON, "phase": {"handshake"}.__contains__},
    ("debug", "sighting_ignored"): {},
    ("error", "content_differs"): _DEVICE,
    ("error", "device_runs_twice"): _DEVICE,
    ("error", "device_suspended"): _DEVICE,
    ("error", "erasing_failed"): _REASON,
    ("error", "fold_failed"): {"record": _hex(32), **_REASON},
    ("error", "fork_not_mended"): _JOURNAL,
    ("error", "journal_forked"): {**_DEVICE, **_JOURNAL},
    ("error", "load_failed"): _REASON,
    ("error", "persist_failed"): _REASON,
    ("error", "record_damaged"): {"record": _hex(32)},
    ("error", "record_diminished"): {"record": _hex(32)},
    ("error", "recovery_contested"): {},
    ("error", "release_failed"): _REASON,
    ("info", "collections_whole"): {"collections": _count},
    ("info", "link_down"): _DEVICE,
    ("info", "link_up"): {**_DEVICE, "dialled": {True, False}.__contains__},
    ("info", "peer_behind"): _DEVICE,
    ("info", "snapshots_fetched"): {"records": _count},
    ("info", "snapshots_wanted"): _DEVICE,
    ("warning", "entries_quarantined"): {"entries": _count},
    ("warning", "fingerprints_corrected"): {"collections": _count},
    ("warning", "fork_mended"): _JOURNAL,
    ("warning", "journal_renewed"): {"reason": {doubt.value for doubt in Doubt}.__contains__},
    ("warning", "link_failed"): {**_REASON, "phase": _PHASES.__contains__},
    ("warning", "pairing_failed"): _REASON,
    ("warning", "repair_begun"): _DEVICE,
    ("warning", "repair_done"): {**_DEVICE, "records": _count},
    ("warning", "snapshots_given_up"): {"journals": _count},
}


def check_line(report: Report) -> None:
    """Insist that a line is one of these, and holds what it should."""
    checks = dict(LINES[report.level, report.event])
    if report.event == "link_failed" and "device" in report.fields:
        checks |= _DEVICE
    assert report.fields.keys() == checks.keys(), report
    assert all(check(report.fields[name]) for name, check in checks.items()), report
