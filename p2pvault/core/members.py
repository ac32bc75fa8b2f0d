"""Who belongs to the vault, as this device knows it, and the keys that follow from it.

The newest log is used for decisions at once, durable or not: to believe a removal too early is
safe. It is told to others only when durable. Whatever is learned comes back as a batch to persist.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from p2pvault.core.content import Content
from p2pvault.crypto.entropy import Entropy
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.crypto.schedule import discovery_key, gate_key
from p2pvault.errors import (
    AmbiguousDevice,
    LimitExceeded,
    MalformedMessage,
    NoSuchDevice,
    RevokedDevice,
    SuspendedDevice,
)
from p2pvault.limits import (
    DEVICE_PREFIX_DIGITS_MIN,
    EPOCHS_MAX,
    GATE_EPOCHS_MAX,
    MEMBERSHIP_HEADS_MAX,
)
from p2pvault.protocol.membership import (
    Author,
    DeviceCard,
    Epoch,
    Fallen,
    Member,
    Membership,
    MembershipLog,
    RecoveryKey,
    Removal,
    Suspension,
    Written,
    admit,
    admit_by_key,
    epoch_id,
    evaluate,
    open_epochs,
    reinstate,
    rename,
    revoke,
    start_epoch,
    state_accepted,
)
from p2pvault.types import (
    AuthorId,
    Batch,
    DeviceId,
    EpochId,
    Instant,
    OperationHash,
    Role,
    StoredOperation,
    VaultId,
)

Outsider = Suspension | Removal | Fallen
"""A device that was in the vault, or was taken to be."""

Holder = TypeVar("Holder", bound=Member | Outsider)

EPOCH_SECRET = "epoch/"  # noqa: S105  # a prefix of names, not a secret
"""Prefix of the store's named values that hold epoch secrets; the epoch in hex follows."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What became known: operations to pass on, and everything to persist.

    Attributes:
        operations: New ones, in a causal order.
        secrets: New epoch secrets.
        meta: Other named values of this device's store that change with it.
        joined: Whether it makes somebody a member.
    """

    operations: tuple[StoredOperation, ...]
    secrets: Mapping[EpochId, bytes]
    meta: Mapping[str, bytes | None] = field(default_factory=dict)
    joined: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether all of it was known before."""
        return not self.operations and not self.secrets and not self.meta

    @property
    def batch(self) -> Batch:
        """What makes it durable."""
        meta = {EPOCH_SECRET + epoch.hex(): secret for epoch, secret in self.secrets.items()}
        return Batch(operations=self.operations, meta={**meta, **self.meta})


class Members:
    """The membership log, what it means, and this device's part in it.

    Attributes:
        keys: This device's.
        device: This device's id.
        log: Every operation known here.
        durable: The log as far as the store holds it; only this is told to others.
        membership: What they mean.
        secrets: The epoch secrets that this device holds.
    """

    def __init__(self, keys: DeviceKeys, log: MembershipLog, secrets: dict[EpochId, bytes]) -> None:
        self.keys = keys
        self.device = device_id(keys.public)
        self.log = self.durable = log
        self.membership: Membership = evaluate(log)
        self._earlier = log, self.membership
        self.secrets = secrets

    # What is known -----------------------------------------------------------------------

    @property
    def vault(self) -> VaultId:
        """The vault's id."""
        return self.membership.vault

    @property
    def heads(self) -> tuple[OperationHash, ...]:
        """The newest operations, as many as a message names."""
        return self.log.heads[:MEMBERSHIP_HEADS_MAX]

    def as_of(self, log: MembershipLog) -> Membership:
        """Return what a log means that was in force here."""
        if log is self.log:
            return self.membership
        if log is not self._earlier[0]:
            self._earlier = log, evaluate(log)
        return self._earlier[1]

    @property
    def is_member(self) -> bool:
        """Whether this device still belongs to the vault."""
        return self.membership.is_member(self.device)

    @property
    def is_suspended(self) -> bool:
        """Whether this device contradicted itself, or somebody else did in its name."""
        return self.device in self.membership.suspended

    def check_inside(self) -> None:
        """Check that this device may write.

        Raises:
            SuspendedDevice, RevokedDevice: It may not.
        """
        if self.is_suspended:
            raise SuspendedDevice("this device is suspended, and the vault is read-only here")
        if not self.is_member:
            raise RevokedDevice("this device was removed from the vault, which is read-only here")

    @property
    def may_return(self) -> bool:
        """Whether a device that is outside can be let in again: then it has to be heard out."""
        return self.membership.recovery is not None or self.is_suspended

    @property
    def others(self) -> tuple[DeviceId, ...]:
        """Every member but this device."""
        return tuple(device for device in self.membership.members if device != self.device)

    @property
    def shared_secrets(self) -> dict[EpochId, bytes]:
        """The secrets of the newest epochs, as many as a message holds."""
        known = [epoch.id for epoch in self.membership.epochs if epoch.id in self.secrets]
        return {epoch: self.secrets[epoch] for epoch in known[:EPOCHS_MAX]}

    def gates(self) -> list[bytes]:
        """Return the gate keys of the epochs that open here, newest first."""
        return [gate_key(self.secrets[epoch]) for epoch in self.membership.gates(self.secrets)]

    def gate_for(self, turn: int, met: EpochId | None) -> bytes:
        """Return the gate key to dial with, which is the newest epoch's on every even turn.

        Whoever accepts tries a few only (`Membership.gates`). A member that slept through more
        epochs knows none of them, so whoever dials it comes down to an older one on every odd turn.

        Args:
            turn: How many rounds of dials failed before this one.
            met: The epoch by which the device was met last. If that is an older one, every second
                odd turn is for it, and no more: whoever was removed can show names of it, too.
        """
        known = self._known_epochs()
        if met not in known[1:]:
            back = epochs_back(turn, len(known))
        elif turn % 4 == 1:
            back = known.index(met)
        else:
            back = epochs_back((turn - 1) // 2 if turn % 2 else 0, len(known))
        return gate_key(self.secrets[known[back]])

    def epoch_of(self, gate: bytes) -> EpochId | None:
        """Return the epoch of a gate key, if its secret is still known here."""
        known = self._known_epochs()
        return next((epoch for epoch in known if gate_key(self.secrets[epoch]) == gate), None)

    def _known_epochs(self) -> list[EpochId]:
        return [epoch.id for epoch in self.membership.epochs if epoch.id in self.secrets]

    def discovery_keys(self) -> dict[EpochId, bytes]:
        """Return the discovery keys of the epochs whose gates open here, newest first."""
        gates = self.membership.gates(self.secrets)
        return {epoch: discovery_key(self.secrets[epoch]) for epoch in gates}

    @property
    def newest(self) -> Epoch | None:
        """The newest epoch whose secret is known here."""
        return next((each for each in self.membership.epochs if each.id in self.secrets), None)

    def unaware(self, epoch: Epoch) -> frozenset[DeviceId]:
        """Return the other members that may not know an epoch, as far as the log shows it."""
        return frozenset(self.others) - self.log.aware_of(epoch.operation)

    def name_of(self, device: DeviceId) -> str:
        """Return a device's name, also if it was removed."""
        known = self.membership.holder(device)
        return known.name if known else self._nameless(device)

    def _nameless(self, device: DeviceId) -> str:
        recovery = self.membership.recovery
        is_key = recovery is not None and recovery.id == device
        return "the recovery key" if is_key else device.hex()[:8]

    def find(self, selector: str) -> Member:
        """Return the member that a person means: by name, id, or the beginning of the id.

        Raises:
            NoSuchDevice: Nobody goes by that, any more perhaps.
            AmbiguousDevice: Several do.
        """
        return self._the_one_inside(selector, self.membership.members.values())

    def find_inside(self, selector: str) -> Member | Suspension:
        """Return the member or suspended device that a person means; raises as `find`."""
        inside: list[Member | Suspension] = [*self.membership.members.values()]
        return self._the_one_inside(selector, [*inside, *self.membership.suspended.values()])

    def _the_one_inside(self, selector: str, inside: Iterable[Holder]) -> Holder:
        known = list(inside)
        gone = _matching(selector, self.membership.removed.values())
        if gone and not _matching(selector, known):
            raise NoSuchDevice(f"“{gone[0].name}” was removed from the vault already")
        return _the_one(selector, known)

    def find_outside(self, selector: str) -> Outsider:
        """Return the device outside the vault that a person means.

        Raises:
            NoSuchDevice: None outside goes by that.
            AmbiguousDevice: Several do; or one does of which nobody knows who introduced it, and
                a member has its name too.
        """
        outside: list[Outsider] = [*self.membership.suspended.values()]
        outside += [*self.membership.removed.values(), *self.membership.fallen.values()]
        try:
            found = _the_one(selector, outside)
        except NoSuchDevice:
            inside = self.find(selector)
            raise NoSuchDevice(f"“{inside.name}” is in the vault, and need not be let in") from None
        namesakes = [one for one in self.membership.members.values() if one.name == selector]
        if isinstance(found, Fallen) and namesakes:
            raise _ambiguous(selector, [found, *namesakes])
        return found

    def farewell(
        self, device: DeviceId, operations: tuple[StoredOperation, ...]
    ) -> tuple[StoredOperation, ...]:
        """Return the part of operations that tells a device of its removal, and no more.

        Args:
            device: Which was perhaps removed.
            operations: What it lacks, in a causal order.
        """
        removal = self.membership.removed.get(device)
        if removal is None:
            return ()
        removals = [i for i, op in enumerate(operations) if op.hash in removal.operations]
        return operations[: removals[-1] + 1] if removals else ()

    # What is learned ---------------------------------------------------------------------

    def learn(self, operations: Iterable[bytes]) -> Learned:
        """Take in operations from elsewhere; raises `RemoteProtocolError` kinds."""
        addition = self.log.add(operations)
        return self._adopt(addition.log, addition.added, {})

    def learn_secrets(self, secrets: Sequence[tuple[bytes, bytes]]) -> Learned:
        """Take in epoch secrets that a member handed over.

        Raises:
            MalformedMessage: A secret that is not the one of its epoch.
        """
        epochs = {epoch.id for epoch in self.membership.epochs}
        new: dict[EpochId, bytes] = {}
        for epoch, secret in secrets:
            if epoch_id(self.vault, secret) != epoch:
                raise MalformedMessage("an epoch secret that is not the one of its epoch")
            if epoch in epochs and epoch not in self.secrets:
                new[EpochId(epoch)] = secret
        self.secrets |= new
        return Learned((), new)

    # What this device writes -------------------------------------------------------------

    def admit(
        self,
        now: Instant,
        entropy: Entropy,
        card: DeviceCard,
        role: Role,
        key: RecoveryKey | None = None,
    ) -> Learned:
        """Admit a device, as an admin or with the recovery key; raises as `membership.admit`."""
        if key is not None:
            return self.adopt(admit_by_key(self.log, key, now.wall_ms, card, self.secrets))
        author = self._author(now, entropy)
        return self.adopt(admit(self.log, author, card, role, self.secrets))

    def reinstate(self, now: Instant, entropy: Entropy, device: DeviceId) -> Learned:
        """Let a suspended device in; raises what `membership.reinstate` raises."""
        return self.adopt(reinstate(self.log, self._author(now, entropy), device))

    def rename(self, now: Instant, entropy: Entropy, device: DeviceId, name: str) -> Learned:
        """Rename a device; raises what `membership.rename` raises."""
        return self.adopt(rename(self.log, self._author(now, entropy), device, name))

    def revoke(self, now: Instant, entropy: Entropy, device: DeviceId, content: Content) -> Learned:
        """Remove a device and start an epoch without it; raises what `membership.revoke` does."""
        seen = accepted(content, device)
        return self.adopt(revoke(self.log, self._author(now, entropy), device, seen))

    def settle(self, now: Instant, entropy: Entropy, content: Content) -> Learned:
        """Write what this device owes after something was learned.

        That is a statement about each removal, of how far it had accepted the removed device's
        journals, and an epoch where the present one is open to a removed device.
        """
        learned, author = Learned((), {}), self._author(now, entropy)
        try:
            for removal in self.membership.owing.get(self.device, ()):
                written = state_accepted(self.log, author, removal, self._bounds(content))
                learned = _both(learned, self.adopt(written))
            if self.membership.needs_epoch and self.membership.is_admin(self.device):
                learned = _both(learned, self.adopt(start_epoch(self.log, author)))
        except LimitExceeded:
            # The log has no room for more by this device. What it owes stays unsaid: the removal
            # holds all the same, and other members speak for themselves.
            pass
        return learned

    def _bounds(self, content: Content) -> dict[AuthorId, int]:
        gone = {*self.membership.removed, *self.membership.fallen}
        return {author: n for device in gone for author, n in accepted(content, device).items()}

    def _author(self, now: Instant, entropy: Entropy) -> Author:
        return Author(self.keys, entropy, now.wall_ms)

    def adopt(self, written: Written, opened: Mapping[EpochId, bytes] | None = None) -> Learned:
        """Take into force what was written here, and secrets that were opened on the way."""
        secrets = {**(opened or {}), **written.secrets}
        return self._adopt(written.log, written.added, secrets)

    def _adopt(
        self,
        log: MembershipLog,
        added: tuple[StoredOperation, ...],
        secrets: Mapping[EpochId, bytes],
    ) -> Learned:
        if not added:
            return Learned((), {})
        before = self.membership.members.keys()
        self.log = log
        self.membership = evaluate(log)
        self.secrets |= secrets
        opened = open_epochs(log, self.membership, self.device, self.keys.box, self.secrets)
        self.secrets |= opened
        joined = bool(self.membership.members.keys() - before)
        return Learned(added, {**secrets, **opened}, joined=joined)


def epochs_back(turn: int, known: int) -> int:
    """Return how many epochs a turn goes back.

    The ways that are taken first are as far apart as an accepting device tries epochs, and the
    oldest epoch is among them: one of them is known wherever the device fell asleep, unless epochs
    were started beside each other. The ways between them come later.
    """
    oldest = known - 1
    if turn % 2 == 0 or oldest == 0:
        return 0
    order = sorted(range(1, known), key=lambda back: ((oldest - back) % GATE_EPOCHS_MAX, back))
    return order[turn // 2 % oldest]


def _matching(selector: str, devices: Iterable[Holder]) -> list[Holder]:
    known = list(devices)
    found = [one for one in known if selector in (one.name, one.device.hex())]
    if not found and len(selector) >= DEVICE_PREFIX_DIGITS_MIN:
        found = [one for one in known if one.device.hex().startswith(selector.lower())]
    return found


def _the_one(selector: str, devices: Iterable[Holder]) -> Holder:
    found = _matching(selector, devices)
    if not found:
        raise NoSuchDevice(f"no device of this vault is called “{selector}”")
    if len(found) > 1:
        raise _ambiguous(selector, found)
    return found[0]


def _ambiguous(selector: str, found: Sequence[Member | Outsider]) -> AmbiguousDevice:
    ids = ", ".join(one.device.hex()[:8] for one in found)
    return AmbiguousDevice(f"“{selector}” means several devices: {ids}")


def accepted(content: Content, device: DeviceId) -> dict[AuthorId, int]:
    """Return the last entry of each journal of a device that this device holds, or may hold.

    While snapshots are fetched, records hold changes of entries that the journals do not name yet.
    They stay, so they have to count: a cut beyond what counts is taken by nobody.
    """
    held = {head.author: head.n for head in content.journals_of(device)}
    for head in content.fetching.heads if content.fetching is not None else ():
        if head.device == device:
            held[head.author] = max(head.n, held.get(head.author, 0))
    return held


def _both(first: Learned, second: Learned) -> Learned:
    operations, secrets = first.operations + second.operations, {**first.secrets, **second.secrets}
    return Learned(operations, secrets, joined=first.joined or second.joined)


def members_of(
    keys: DeviceKeys, operations: Iterable[StoredOperation], meta: Mapping[str, bytes]
) -> Members:
    """Return the membership as a store holds it.

    Raises:
        RemoteProtocolError: The stored operations do not make a log; the store is corrupt.
    """
    secrets = {
        EpochId(bytes.fromhex(name.removeprefix(EPOCH_SECRET))): secret
        for name, secret in meta.items()
        if name.startswith(EPOCH_SECRET)
    }
    return Members(keys, MembershipLog.load(each.data for each in operations), secrets)
