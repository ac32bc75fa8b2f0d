"""How a device begins: from what its store holds, or with the first batch of a new store."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from p2pvault.core.book import Book, expected_of
from p2pvault.core.content import JOURNAL, JOURNAL_BYTES, closing, content_of
from p2pvault.core.device import Device
from p2pvault.core.members import EPOCH_SECRET, Members, members_of
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.recovering import RECOVERY_SEED
from p2pvault.core.rollback import memory_of
from p2pvault.crypto.entropy import Entropy
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.crypto.schedule import fingerprint_key
from p2pvault.errors import CryptoError, MalformedMessage, RemoteProtocolError, StoreCorrupt
from p2pvault.protocol.handover import decode_handover
from p2pvault.protocol.journal import Journal, Writer
from p2pvault.protocol.membership import (
    Author,
    MembershipLog,
    RecoveryKey,
    epoch_id,
    evaluate,
    found,
)
from p2pvault.protocol.pairing import Received
from p2pvault.types import (
    Batch,
    DeviceId,
    Doubt,
    EpochId,
    Instant,
    JournalId,
    PeerRow,
    StoreState,
    VaultId,
)

_KEYS = "device-keys"


@dataclass(frozen=True, slots=True)
class NewVault:
    """A vault that is about to be on this device, and the batch that puts it there.

    Attributes:
        recovery: The recovery key of a vault that was just made; None for one that was joined.
    """

    vault: VaultId
    vault_name: str
    device: DeviceId
    device_name: str
    batch: Batch
    recovery: RecoveryKey | None = None


def found_vault(
    now: Instant, entropy: Entropy, vault_name: str, device_name: str, kind: str
) -> NewVault:
    """Make a vault with this device as its first.

    Raises:
        BadValue: A name that cannot be used.
    """
    keys = DeviceKeys.generate(entropy)
    author = Author(keys, entropy, now.wall_ms)
    recovery = RecoveryKey.draw(entropy)
    written = found(author, vault_name, device_name, kind, recovery.public)
    made = _new_vault(keys, entropy, written.log, written.secrets, ())
    meta = {**made.batch.meta, RECOVERY_SEED: recovery.seed}
    return replace(made, batch=replace(made.batch, meta=meta), recovery=recovery)


def join_vault(keys: DeviceKeys, entropy: Entropy, received: Received) -> NewVault:
    """Take over a vault that a sponsor handed to this device.

    Args:
        keys: The keys under which this device was admitted.
        entropy: Where randomness comes from.
        received: What came out of the pairing: the package, and what the person agreed to.

    Raises:
        MalformedMessage: The package is of another vault than the person agreed to, or does not
            make this device and the sponsor members of it, or holds a wrong secret.
        RemoteProtocolError: It is no package, or its operations make no log.
    """
    handover = decode_handover(received.package)
    log = MembershipLog.load(handover.operations)
    membership, sponsor = evaluate(log), device_id(received.sponsor)
    if log.vault != received.vault.id:
        raise MalformedMessage("another vault was handed over than the one that was offered")
    if not membership.is_member(device_id(keys.public)) or not membership.is_member(sponsor):
        raise MalformedMessage("the vault that was handed over does not know these devices")
    secrets = {EpochId(epoch): secret for epoch, secret in handover.secrets}
    if any(epoch_id(log.vault, secret) != epoch for epoch, secret in secrets.items()):
        raise MalformedMessage("an epoch secret that is not the one of its epoch")
    peers = (PeerRow(sponsor, seen=handover.addresses),)
    return _new_vault(keys, entropy, log, secrets, peers)


def _new_vault(
    keys: DeviceKeys,
    entropy: Entropy,
    log: MembershipLog,
    secrets: Mapping[EpochId, bytes],
    peers: tuple[PeerRow, ...],
) -> NewVault:
    membership, device = evaluate(log), device_id(keys.public)
    meta = identity_of(keys, secrets, entropy)
    batch = Batch(operations=log.operations, meta=meta, peers=peers)
    name = membership.members[device].name
    return NewVault(log.vault, membership.name, device, name, batch)


def identity_of(
    keys: DeviceKeys, secrets: Mapping[EpochId, bytes], entropy: Entropy
) -> dict[str, bytes | None]:
    """Return the named values of a new device: its keys, its first journal, and epoch secrets."""
    return {
        _KEYS: keys.to_bytes(),
        JOURNAL: entropy(JOURNAL_BYTES),
        **{EPOCH_SECRET + epoch.hex(): secret for epoch, secret in secrets.items()},
    }


def stored_members(state: StoreState) -> Members:
    """Return who belongs to the vault, with this device's keys, as a store holds it.

    Raises:
        StoreCorrupt: The keys or the membership log are damaged or not there.
    """
    try:
        keys = DeviceKeys.from_bytes(state.meta[_KEYS])
        members = members_of(keys, state.operations, state.meta)
    except (KeyError, CryptoError, RemoteProtocolError) as error:
        raise StoreCorrupt("the store lacks the device's keys or its membership") from error
    log = members.log
    if [each.hash for each in state.operations] != [each.hash for each in log.operations]:
        raise StoreCorrupt("the membership log of the store is not the one that its rows name")
    return members


def salvaged(meta: Mapping[str, bytes], entropy: Entropy) -> Mapping[str, bytes | None]:
    """Return the named values of a store that is made from what is left of another.

    The device writes in a new journal: entries of the old one may be lost that others have seen.
    """
    return {**meta, JOURNAL: entropy(JOURNAL_BYTES)}


def renewed(state: StoreState, entropy: Entropy, doubt: Doubt) -> Batch:
    """Return what has to be durable first in a store that may have been rolled back or copied.

    From then on this device writes in a journal that no other state of the store knows, so no
    number of the old one is used twice.

    Raises:
        StoreCorrupt: What it holds does not make a device.
    """
    device = device_of(state, entropy)
    author, journals = device.pipeline.author, device.pipeline.durable.journals
    meta = closing(doubt, author, journals.get(author))
    return Batch(meta={JOURNAL: entropy(JOURNAL_BYTES), **meta})


def device_of(state: StoreState, entropy: Entropy) -> Device:
    """Return the device whose store holds `state`.

    Raises:
        StoreCorrupt: What it holds does not make a device.
    """
    members = stored_members(state)
    try:
        journal = Journal(members.vault, members.device, JournalId(state.meta[JOURNAL]))
    except KeyError as error:
        raise StoreCorrupt("the store lacks the journal that this device writes") from error
    pipeline = Pipeline(
        content_of(state), Writer(journal, members.keys), fingerprint_key(members.vault), entropy
    )
    book = Book(state.peers, state.acknowledged, expected_of(state.meta))
    return Device(members, book, pipeline, entropy, memory_of(state.meta))
