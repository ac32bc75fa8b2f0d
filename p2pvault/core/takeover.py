"""Taking a vault over on a new device, with the recovery key and the store of a lost one.

What the store holds of the vault is carried over; what made it that device's is not: its keys, its
journal, what peers said to hold of its journals, and the recovery key if it kept that. So nothing
is ever written in the name of the device whose store it was, whether that still lives or not.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from p2pvault.core.arrears import ARREARS
from p2pvault.core.book import expecting
from p2pvault.core.content import FETCHING, JOURNAL_OWNER, content_of
from p2pvault.core.interest import INTEREST
from p2pvault.core.members import Members, accepted
from p2pvault.core.quarantine import REFUSED
from p2pvault.core.start import identity_of, stored_members
from p2pvault.crypto.entropy import Entropy
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.errors import Refused
from p2pvault.protocol.membership import (
    Author,
    Decision,
    RecoveryKey,
    Successor,
    Written,
    check_key,
    evaluate,
    open_epochs,
    recover_anew,
)
from p2pvault.types import Batch, DeviceId, Instant, StoreState, VaultId

_CARRIED: Final = (ARREARS, JOURNAL_OWNER, FETCHING, REFUSED, INTEREST)
"""How the named values begin that are about the content of the vault."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """What the person wants.

    Attributes:
        seed: Of the recovery key, 32 bytes.
        name: What the new device is called.
        lost: Devices that are removed.
        all_others: Whether every other device is.
        restored: Devices that were removed or suspended, and come back as members.
        alive: Whether the device whose store it is still lives. It is removed otherwise.
    """

    seed: bytes = field(repr=False)
    name: str
    lost: tuple[str, ...] = ()
    all_others: bool = False
    restored: tuple[str, ...] = ()
    alive: bool = False


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A vault that is about to be on a new device.

    Attributes:
        batch: Everything but entries, records, fingerprints and quarantine, which stay as they are.
        removed: The names of the devices that were removed by it.
    """

    vault: VaultId
    vault_name: str
    device: DeviceId
    device_name: str
    batch: Batch
    removed: tuple[str, ...]


def take_over_store(
    state: StoreState, now: Instant, entropy: Entropy, kind: str, wanted: Takeover
) -> TakenOver:
    """Make a new device out of what a store holds.

    Args:
        state: Of the store, which belongs to another device.
        now: Both clocks.
        entropy: Where randomness comes from.
        kind: Such as `computer`.
        wanted: What the person wants.

    Raises:
        StoreCorrupt: The keys or the membership log are damaged or not there.
        MembershipError: It is not the recovery key of this vault, or there is no room.
        NoSuchDevice, AmbiguousDevice: A device that is not there, or not outside.
        Refused: A contradiction in what was asked.
        BadValue: A name that cannot be used.
    """
    members, content, key = stored_members(state), content_of(state), RecoveryKey(wanted.seed)
    check_key(members.membership, key)
    lost = _lost(members, wanted)
    seen = {device: accepted(content, device) for device in lost}
    decision = Decision(seen, _restored(members, wanted, lost))
    keys = DeviceKeys.generate(entropy)
    author = Author(keys, entropy, now.wall_ms)
    opened = open_epochs(members.log, members.membership, key.id, key.box, members.secrets)
    secrets = {**members.secrets, **opened}
    successor = Successor(wanted.name, kind, secrets)
    written = recover_anew(members.log, author, key, decision, successor)
    after, device = evaluate(written.log), author.device
    meta = {
        **{name: value for name, value in state.meta.items() if name.startswith(_CARRIED)},
        **identity_of(keys, {**secrets, **written.secrets}, entropy),
        **expecting(after.members.keys() - {device}),
    }
    removed = tuple(sorted(members.name_of(each) for each in lost))
    name = after.members[device].name
    return TakenOver(after.vault, after.name, device, name, _batch(state, written, meta), removed)


def _lost(members: Members, wanted: Takeover) -> set[DeviceId]:
    """Return who is removed: also the device whose store it is, unless it still lives."""
    inside = {*members.membership.members, *members.membership.suspended}
    if wanted.all_others and (wanted.lost or wanted.alive):
        raise Refused("either some devices are lost, or all others are")
    if wanted.all_others:
        return inside
    lost = {members.find_inside(name).device for name in wanted.lost}
    if wanted.alive and members.device in lost:
        raise Refused("the device of the backup is either lost, or it still lives")
    return lost if wanted.alive else lost | ({members.device} & inside)


def _restored(members: Members, wanted: Takeover, lost: set[DeviceId]) -> set[DeviceId]:
    restored = {members.find_outside(name).device for name in wanted.restored}
    if restored & lost:
        raise Refused("a device is either lost, or it comes back")
    return restored


def _batch(state: StoreState, written: Written, meta: dict[str, bytes | None]) -> Batch:
    # Who was seen when was for the lost device to say; where, helps this one as well.
    peers = tuple(replace(row, last_seen_ms=0) for row in state.peers)
    return Batch(
        operations=written.log.operations, meta=meta, peers=peers, adopted=tuple(state.bases)
    )
