"""Which device is meant, as the daemon sees it, before a person is asked for anything about it."""

from collections.abc import Sequence
from typing import Final, cast

from p2pvault.cli.report import Report
from p2pvault.cli.wording import one_line
from p2pvault.control.messages import JsonObject
from p2pvault.errors import AmbiguousDevice, NoSuchDevice
from p2pvault.limits import DEVICE_PREFIX_DIGITS_MIN

ID_CHARACTERS: Final = 8
"""Of an id as it is shown; `--json` has all of it, and four select a device."""


def inside(report: Report, selector: str, answer: JsonObject) -> JsonObject:
    """Return the device of the vault, or the suspended one, that is meant.

    Args:
        report: How names are quoted.
        selector: A name, an id, or the beginning of one.
        answer: What `devices` answered.

    Raises:
        NoSuchDevice: None is, any more perhaps.
        AmbiguousDevice: Several are.
    """
    known = _listed(answer, "devices", "suspended")
    gone = matching(selector, _listed(answer, "removed"))
    if gone and not matching(selector, known):
        raise NoSuchDevice(f"{_quoted(report, gone[0])} was removed from the vault already")
    return _the_one(report, selector, known)


def outside(report: Report, selector: str, answer: JsonObject) -> JsonObject:
    """Return the device outside the vault that is meant; see `inside`."""
    known = _listed(answer, "suspended", "removed", "fallen")
    members = matching(selector, _listed(answer, "devices"))
    if members and not matching(selector, known):
        raise NoSuchDevice(f"{_quoted(report, members[0])} is in the vault, and need not be let in")
    return _the_one(report, selector, known)


def matching(selector: str, known: Sequence[JsonObject]) -> list[JsonObject]:
    """Return those of some devices that a name, an id, or the beginning of one may mean."""
    found = [one for one in known if selector in (one["name"], one["id"])]
    if not found and len(selector) >= DEVICE_PREFIX_DIGITS_MIN:
        found = [one for one in known if str(one["id"]).startswith(selector.lower())]
    return found


def _listed(answer: JsonObject, *keys: str) -> list[JsonObject]:
    return [one for key in keys for one in cast("Sequence[JsonObject]", answer[key])]


def _the_one(report: Report, selector: str, known: Sequence[JsonObject]) -> JsonObject:
    found, quoted = matching(selector, known), report.quote(selector)
    if not found:
        raise NoSuchDevice(f"no device of this vault is called {quoted}")
    if len(found) > 1:
        ids = ", ".join(str(one["id"])[:ID_CHARACTERS] for one in found)
        raise AmbiguousDevice(f"{quoted} means several devices: {ids}")
    return found[0]


def _quoted(report: Report, device: JsonObject) -> str:
    return report.quote(one_line(str(device["name"])))
