"""What `status` and `devices` say: values read off the device, nothing computed elsewhere."""

from p2pvault.core.book import Standing
from p2pvault.core.device import Device
from p2pvault.core.members import Members as DeviceMembers
from p2pvault.errors import SuspendedDevice
from p2pvault.node.port import (
    DeviceAddresses,
    Members,
    MemberView,
    PeerStatus,
    Problem,
)
from p2pvault.protocol.reconcile import Verdict, missing_here, missing_there
from p2pvault.types import DeviceId, Instant


def peer_status(device: Device, peer: DeviceId, now: Instant) -> PeerStatus:
    """Describe one peer."""
    standing, journals = device.book[peer], device.pipeline.durable.journals
    known = bool(standing.journals) or standing.verdict is not None
    return PeerStatus(
        device=peer,
        name=device.members.name_of(peer),
        up=standing.link is not None,
        address=standing.address,
        in_sync=in_sync(standing),
        proved_s=None if standing.proved_at is None else now.monotonic - standing.proved_at,
        behind=missing_here(journals, standing.journals) if known else None,
        ahead=missing_there(journals, standing.journals) if known else None,
        last_seen_ms=standing.last_seen_ms or None,
        fetching=device.fetch.source == peer,
    )


def in_sync(standing: Standing) -> bool | None:
    """Return what the last comparison on the present link said; None where there is none."""
    if standing.link is None or standing.verdict is None:
        return None
    return standing.verdict is Verdict.EQUAL


def members_view(device: Device) -> Members:
    """Describe all members, and those that were removed."""
    membership = device.members.membership
    members = tuple(
        MemberView(
            device=member.device,
            name=member.name,
            kind=member.kind,
            role=member.role,
            this=member.device == device.members.device,
            up=device.book[member.device].link is not None,
            added_by=None
            if member.added_by == member.device
            else device.members.name_of(member.added_by),
        )
        for member in membership.members.values()
    )
    removed = tuple((removal.device, removal.name) for removal in membership.removed.values())
    suspended = tuple((each.device, each.name) for each in membership.suspended.values())
    return Members(members, removed, suspended)


def addresses_of(device: Device, peer: DeviceId) -> DeviceAddresses:
    """Return the address book's page of one device."""
    standing = device.book[peer]
    return DeviceAddresses(peer, device.members.name_of(peer), standing.given, standing.seen)


def _of_membership(members: DeviceMembers) -> list[Problem]:
    found = []
    if members.is_suspended:
        found.append(
            Problem(
                "suspended",
                "this device is suspended: it, or a copy of it, signed two contradicting changes "
                "of the membership; what it holds can only be read",
                SuspendedDevice.hint,
            )
        )
    elif not members.is_member:
        found.append(
            Problem(
                "removed",
                "this device was removed from the vault; what it holds can only be read",
                "Pair it anew with another --home to use it again.",
            )
        )
    found += [
        Problem(
            "device_suspended",
            f"{each.name} signed two contradicting changes of the membership: somebody else has "
            "its keys, or it was restored from an old copy. It is outside until you decide.",
            "If you restored it: `p2pvault devices reinstate`. If not: `p2pvault devices revoke`.",
        )
        for each in members.membership.suspended.values()
        if each.device != members.device
    ]
    if members.membership.contested:
        found.append(
            Problem(
                "recovery_contested",
                "the recovery key was used in two places that did not know of each other; one "
                "of them counts",
                "If the other was not you, somebody has your words. Look at `p2pvault devices`, "
                "and decide again with `p2pvault recovery use`.",
            )
        )
    return found


def problems(device: Device) -> list[Problem]:
    """Return what the person should know, worst first."""
    found = _of_membership(device.members)
    for peer in device.members.others:
        if device.book[peer].verdict is Verdict.CONTRADICTION:
            name = device.members.name_of(peer)
            found.append(
                Problem(
                    "content_differs",
                    f"this device and {name} hold the same journals with different content",
                    "They repair it by themselves while they are linked; if this stays, make a "
                    "copy of each home and run `p2pvault verify`.",
                )
            )
        if repaired := device.book[peer].repaired:
            found.append(
                Problem(
                    "repaired",
                    f"{repaired} damaged or missing records were fetched again from "
                    f"{device.members.name_of(peer)} since the daemon started",
                    "Run `p2pvault verify`, and look at this disk if it comes again.",
                )
            )
    return [*found, *_quarantined(device)]


def _quarantined(device: Device) -> list[Problem]:
    rows = device.pipeline.durable.quarantine.rows.values()
    names = sorted({device.members.name_of(row.device) for row in rows})
    if not names:
        return []
    entries = "1 late entry" if len(rows) == 1 else f"{len(rows)} late entries"
    return [
        Problem(
            "quarantined",
            f"{entries} in quarantine, not in the vault, by {', '.join(names)}",
            "See `p2pvault quarantine list`.",
        )
    ]
