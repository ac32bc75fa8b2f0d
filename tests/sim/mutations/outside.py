"""Removed devices: what they wrote, what is stated about it, and the keys that they do not get."""

from collections.abc import Iterable, Mapping, Sequence

from p2pvault.core import members, sweep
from p2pvault.core.content import Content
from p2pvault.core.intake import Arrivals, Intake, inspected
from p2pvault.core.io import Effect
from p2pvault.core.links import Links
from p2pvault.core.members import Learned, Members
from p2pvault.crypto.entropy import Entropy
from p2pvault.protocol.journal import Entry
from p2pvault.protocol.membership import MembershipLog, write
from p2pvault.protocol.membership.epoch import seal_epoch
from p2pvault.protocol.membership.operation import MemberBox, Remove
from p2pvault.protocol.membership.state import Membership
from p2pvault.protocol.membership.write import Author, Written
from p2pvault.types import AuthorId, DeviceId, Instant, QuarantinedRow
from sim.mutations.mutation import Mutation
from sim.plan import draw_plan
from sim.replacing import replaced

# What they wrote -----------------------------------------------------------------------------


def _counts_always(self: Intake, entry: Entry) -> bool:
    return True


def _retries_all(self: Intake, entries: Sequence[Entry]) -> None:
    """Apply what waited in quarantine, whatever was stated."""
    arrived: Arrivals = {}
    for entry in entries:
        changes = inspected(entry)
        follows = entry.follows(self._staging.head(entry.author))
        if follows and not self._lacks(changes, arrived):
            self._accept(entry, changes, arrived)
    self._apply_all(arrived)


def _all_rows(rows: Iterable[QuarantinedRow], membership: Membership) -> tuple[QuarantinedRow, ...]:
    return tuple(rows)


def _starts_epochs_only(self: Members, now: Instant, entropy: Entropy, content: Content) -> Learned:
    if self.membership.needs_epoch and self.membership.is_admin(self.device):
        return self.adopt(write.start_epoch(self.log, self._author(now, entropy)))
    return Learned((), {})


def _nothing_accepted(self: Members, content: Content) -> dict[AuthorId, int]:
    return {}


# What they get -------------------------------------------------------------------------------


def _ends_nothing(self: Links, now: Instant) -> list[Effect]:
    return []


_boxes, _revoke = write._boxes, members.revoke


def _boxes_for_all(membership: Membership, secret: bytes) -> tuple[MemberBox, ...]:
    gone = [
        MemberBox(device, seal_epoch(membership.vault, secret, device, removal.public.box))
        for device, removal in membership.removed.items()
    ]
    return tuple(sorted((*_boxes(membership, secret), *gone), key=lambda box: box.device))


def _revokes_for_all(
    log: MembershipLog, author: Author, device: DeviceId, seen: Mapping[AuthorId, int]
) -> Written:
    with replaced(write, "_boxes", _boxes_for_all):
        return _revoke(log, author, device, seen)


def _revokes_only(
    log: MembershipLog, author: Author, device: DeviceId, seen: Mapping[AuthorId, int]
) -> Written:
    """Remove a device, and leave it the epoch."""
    return write.append(log, author, Remove(device, write.journal_bounds(seen), ""))


def _settles_nothing(self: Members, now: Instant, entropy: Entropy, content: Content) -> Learned:
    return Learned((), {})


_REMOVING = {"remove": 3, "part": 3, "mend": 2}

OUTSIDE = (
    Mutation(
        "entries of a removed device count, whoever relays them",
        20,
        ((Intake, "_counts", _counts_always),),
        {"lie": 10, **_REMOVING},
        draw_plan,
        first=1,
        oracle="beyond its end",
    ),
    Mutation(
        "the quarantine lets go what does not count",
        50,
        ((Intake, "retry", _retries_all), (sweep, "unblocked", _all_rows)),
        {"lie": 10, **_REMOVING},
        draw_plan,
        oracle="beyond its end",
    ),
    Mutation(
        "nobody states what was accepted",
        20,
        ((Members, "settle", _starts_epochs_only),),
        _REMOVING,
        draw_plan,
        first=7,
    ),
    Mutation(
        "statements name no entries",
        20,
        ((Members, "_bounds", _nothing_accepted),),
        _REMOVING,
        draw_plan,
        first=7,
    ),
    Mutation("a removal leaves links up", 40, ((Links, "end_removed", _ends_nothing),), _REMOVING),
    Mutation(
        "the key of an epoch is sent to a removed device",
        20,
        ((members, "revoke", _revokes_for_all),),
        _REMOVING,
        oracle="has a box for it",
    ),
    Mutation(
        "a removal starts no epoch",
        20,
        ((members, "revoke", _revokes_only), (Members, "settle", _settles_nothing)),
        _REMOVING,
        oracle="open to a removed device",
    ),
)
