"""What `status` and `devices` say: values read off the device, nothing computed elsewhere."""

from typing import Final

from p2pvault.core.book import Standing
from p2pvault.core.content import Content
from p2pvault.core.device import Device
from p2pvault.core.members import Members as DeviceMembers
from p2pvault.errors import RunsTwice, SuspendedDevice
from p2pvault.node.port import (
    CollectionView,
    DeviceAddresses,
    Members,
    MemberView,
    PeerStatus,
    Problem,
)
from p2pvault.protocol.reconcile import Verdict, missing_here, missing_there
from p2pvault.types import DeviceId, Doubt, Instant


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
        proved_s=None if standing.proved_at is None else now.since(standing.proved_at),
        behind=missing_here(journals, standing.journals) if known else None,
        ahead=missing_there(journals, standing.journals) if known else None,
        last_seen_ms=standing.last_seen(now),
        fetching=device.fetch.source == peer or standing.verdict is Verdict.INCOMPLETE,
        without=len(_unproved(device.pipeline.durable, standing)),
    )


def _unproved(content: Content, standing: Standing) -> list[str]:
    """Return the collections that a proof leaves out, but for those of which neither has a record.

    What the peer does not keep it has no record of; what is not kept here, it may have.
    """
    forgotten, fingerprints = content.interest.forgotten, content.fingerprints
    return [
        name
        for name in standing.without
        if name in forgotten or (name in fingerprints and fingerprints[name].total)
    ]


def in_sync(standing: Standing) -> bool | None:
    """Return what the last comparison on the present link said; None where there is none."""
    if standing.link is None or standing.verdict is None:
        return None
    return standing.verdict is Verdict.EQUAL


def collections_view(device: Device) -> list[CollectionView]:
    """Describe the collections that this device keeps, and those that it does not."""
    content = device.pipeline.durable
    interest = content.interest
    names = sorted(content.counts.keys() | interest.forgotten | interest.partial)
    return [collection_view(content, name) for name in names]


def collection_view(content: Content, name: str) -> CollectionView:
    """Describe one collection, which need not be known here."""
    interest = content.interest
    return CollectionView(
        name=name,
        records=None if name in interest.forgotten else content.counts.get(name, 0),
        whole=content.fetching is None and name not in interest.forgotten | interest.partial,
        # Fingerprints stay when the last record goes.
        seen=name in content.fingerprints,
    )


def members_view(device: Device) -> Members:
    """Describe all members, and those that were removed."""
    membership, here = device.members.membership, device.members.device
    members = tuple(
        MemberView(
            device=member.device,
            name=member.name,
            kind=member.kind,
            role=member.role,
            this=member.device == here,
            up=None if member.device == here else device.book[member.device].link is not None,
            added_by=None
            if member.added_by == member.device
            else device.members.name_of(member.added_by),
        )
        for member in membership.members.values()
    )
    removed = tuple((removal.device, removal.name) for removal in membership.removed.values())
    suspended = tuple((each.device, each.name) for each in membership.suspended.values())
    fallen = tuple((each.device, each.name) for each in membership.fallen.values())
    return Members(members, removed, suspended, fallen)


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
                "To use it again, stop the daemon, move its home aside or choose another with "
                "--home, and pair it anew.",
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
    others, book = device.members.others, device.book
    apart = [peer for peer in others if book[peer].verdict is Verdict.CONTRADICTION]
    found += [_contradiction(device, peer) for peer in apart]
    found += [_repaired(device, peer) for peer in others if book[peer].repaired]
    found += _expected(device)
    found += _stranded(device)
    return [*found, *_twins(device), *_renewal(device), *_quarantined(device)]


def _expected(device: Device) -> list[Problem]:
    """Name the devices of the vault that a device which took it over has not met yet."""
    missing = [peer for peer in device.members.others if peer in device.book.expected]
    if not missing:
        return []
    names = ", ".join(sorted(device.members.name_of(peer) for peer in missing))
    return [
        Problem(
            "not_met",
            f"since it took the vault over from a backup, this device has not met {names}",
            "Switch it on in this network, or say where it is with `p2pvault address add`. If it "
            "is lost, `p2pvault devices revoke` it. If it runs and stays away, look at `status` "
            "there: it has newer keys than the backup, or the key was used there too. Then one of "
            "both has to be paired again, with another --home.",
        )
    ]


def _stranded(device: Device) -> list[Problem]:
    if not device.fetch.is_stranded:
        return []
    return [
        Problem(
            "fetch_stranded",
            "records were being fetched from a device that is gone; until they are here, what is "
            "written here reaches only devices that hold them already",
            "Link that device again. Without it, this device goes on in ten minutes, and gets "
            "the rest when it comes back.",
        )
    ]


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


def _contradiction(device: Device, peer: DeviceId) -> Problem:
    name, author = device.members.name_of(peer), device.book[peer].contested
    if author is None:
        return Problem(
            "content_differs",
            f"this device and {name} hold the same journals with different content",
            "They repair it by themselves while they are linked; if this stays, make a copy of "
            "each home and run `p2pvault verify`.",
        )
    writer = device.members.name_of(author)
    return Problem(
        "journal_forked",
        f"this device and {name} hold two histories of {writer}: it wrote on after it was rolled "
        "back to an older state",
        f"It mends itself once {writer} is linked with both, or removed. If {writer} is lost, "
        "remove it; also if nobody rolled it back, since then somebody else has its keys.",
    )


def _repaired(device: Device, peer: DeviceId) -> Problem:
    return Problem(
        "repaired",
        f"{device.book[peer].repaired} damaged or missing records were fetched again from "
        f"{device.members.name_of(peer)} since the daemon started",
        "Run `p2pvault verify`, and look at this disk if it comes again.",
    )


def _twins(device: Device) -> list[Problem]:
    hint = RunsTwice.hint
    twice = [peer for peer in device.members.others if device.clones.runs_twice(peer)]
    names = [device.members.name_of(peer) for peer in twice]
    found = [Problem("runs_twice", f"{name} runs twice, from two copies", hint) for name in names]
    if device.clones.told_by is not None:
        name = device.members.name_of(device.clones.told_by)
        what = f"this device runs twice, from two copies of its store, says {name}"
        found.append(Problem("runs_twice", what, hint))
    return found


_WHY: Final = {
    Doubt.UNWITNESSED: "the file vault.witness was missing or unreadable",
    Doubt.ANOTHER_TIME: "its store is of another time than the file vault.witness",
    Doubt.COPIED: "its files were copied or put back",
    Doubt.MACHINE: "its store was written on another machine",
    Doubt.REPLACED: "its store changed while no daemon ran",
    Doubt.PEER: "another device knows entries of it that it had lost",
}


def _renewal(device: Device) -> list[Problem]:
    """Say that this device goes on from a state that may be an older one."""
    doubt = device.rollback.notice
    if doubt is None:
        return []
    return [
        Problem(
            "rolled_back",
            f"this device may have been restored or copied: {_WHY[doubt]}",
            "It writes in a new journal, and what it lost comes back from the other devices.",
        )
    ]
