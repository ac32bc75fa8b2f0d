"""From a set of operations to what they mean: a pure function, the same under any order.

Ties are broken by ancestry, then by depth in the graph, then by hash or id: never by the order of
arrival, and never by a clock. docs/protocol/membership.md states the rules, `authority` the ones
about who may do what.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field

from p2pvault.errors import BadValue
from p2pvault.limits import DEVICES_MAX
from p2pvault.protocol.membership.authority import Authority
from p2pvault.protocol.membership.history import EMPTY, Mask, positions
from p2pvault.protocol.membership.ledger import Ledger
from p2pvault.protocol.membership.log import MembershipLog
from p2pvault.protocol.membership.operation import (
    Accepted,
    Add,
    DeviceCard,
    Genesis,
    NewEpoch,
    RecoveryKeys,
    Remove,
    Rename,
)
from p2pvault.protocol.membership.ranking import ranked_epochs
from p2pvault.protocol.membership.state import Fallen, Member, Membership, Removal, Suspension
from p2pvault.types import AuthorId, DeviceId, OperationHash
from p2pvault.wire.names import clean_name


def evaluate(log: MembershipLog) -> Membership:
    """Return what the operations of a log mean (about 5 ms for 1 000 of them)."""
    ledger = log.ledger
    authority = ledger.authority(ledger.history.everything)
    effects = _effects(ledger, authority)
    members = _members(ledger, authority, effects)
    suspended = _suspended(ledger, authority, effects)
    removed = _removed(ledger, effects)
    genesis = ledger.history[0]
    assert isinstance(genesis.content, Genesis), "the log admits nothing else first"
    return Membership(
        vault=genesis.vault,
        name=_shown(genesis.content.name, "vault", genesis.vault),
        made_ms=genesis.wall_ms,
        members=members,
        removed=removed,
        suspended=suspended,
        fallen=_fallen(ledger, effects, {*members, *suspended, *removed}),
        epochs=ranked_epochs(
            ledger,
            effects.epochs,
            effects.removals | _evidence(ledger, suspended),
            _boxed(authority, members),
        ),
        bounds=_bounds(ledger),
        owing=_owing(ledger, effects, members),
        statics=_statics([*members.values(), *suspended.values(), *removed.values()]),
        recovery=_recovery(ledger, authority),
        contested=bool(authority.reign.rivals),
    )


@dataclass(slots=True)
class _Effects:
    """The valid operations, by what they act on."""

    removed: dict[DeviceId, Mask]
    added: dict[DeviceId, Mask] = field(default_factory=dict)
    named: dict[DeviceId, Mask] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)

    @property
    def removals(self) -> Mask:
        """All removals that keep somebody out."""
        return sum(self.removed.values())


def _effects(ledger: Ledger, authority: Authority) -> _Effects:
    everything = ledger.history.everything
    removed = {
        device: standing
        for device in sorted(ledger.rulings.removals)
        if (standing := authority.removals(device, everything))
    }
    effects = _Effects(removed)
    for number in positions(ledger.history.everything):
        match ledger.history[number].content:
            case Genesis(first=card) | Add(device=card) if authority.valid >> number & 1:
                device = card.id
                effects.added[device] = effects.added.get(device, EMPTY) | 1 << number
                effects.named[device] = effects.named.get(device, EMPTY) | 1 << number
            case Rename(device=device) if authority.permits(number):
                effects.named[device] = effects.named.get(device, EMPTY) | 1 << number
            case NewEpoch() if authority.permits(number):
                effects.epochs.append(number)
            case _:
                pass
    return effects


def _members(ledger: Ledger, authority: Authority, effects: _Effects) -> dict[DeviceId, Member]:
    """The devices that have a role, earliest first, as many as there may be.

    Only admins that admit at the same time can go beyond `DEVICES_MAX`; who came later by the
    graph then waits outside, on every device alike, until there is room.
    """
    history = ledger.history
    aged = []
    for device in ledger.rulings.settings:
        role = authority.role(device, history.everything)
        if role is not None:
            first = _earliest(ledger, _admissions(ledger, effects, device))
            operation = history[first]
            card = _card(ledger, first)
            name = _name(ledger, device, effects)
            member = Member(
                device, card.public, name, card.kind, role, operation.author, operation.wall_ms
            )
            aged.append((history.depth(first), device, member))
    aged.sort(key=lambda entry: entry[:2])
    return {device: member for _, device, member in aged[:DEVICES_MAX]}


def _suspended(
    ledger: Ledger, authority: Authority, effects: _Effects
) -> dict[DeviceId, Suspension]:
    """The devices that would be members if they had not signed two operations with one number."""
    everything = ledger.history.everything
    found = {}
    for device in sorted(ledger.rulings.forks):
        evidence, role = authority.forked(device, everything), authority.rank(device, everything)
        if evidence and role is not None:
            card = _card(ledger, _earliest(ledger, _admissions(ledger, effects, device)))
            hashes = sorted(ledger.history[number].hash for number in positions(evidence))
            name = _name(ledger, device, effects)
            found[device] = Suspension(device, name, card.public, role, tuple(hashes))
    return found


def _evidence(ledger: Ledger, suspended: Mapping[DeviceId, Suspension]) -> Mask:
    history, found = ledger.history, EMPTY
    for suspension in suspended.values():
        for hash_ in suspension.evidence:
            found |= 1 << history.number(hash_)
    return found


def _admissions(ledger: Ledger, effects: _Effects, device: DeviceId) -> Mask:
    """The valid admissions of a device, or all if the recovery key had to let it in without any."""
    return effects.added.get(device) or ledger.introduced[device]


def _boxed(authority: Authority, members: Container[DeviceId]) -> Callable[[DeviceId], bool]:
    """Return who may open the boxes of an epoch: members, and the recovery key."""
    return lambda holder: holder in members or holder == authority.reign.key


def _recovery(ledger: Ledger, authority: Authority) -> RecoveryKeys | None:
    key = authority.reign.key
    return None if key is None else ledger.recovery_keys[key]


def _removed(ledger: Ledger, effects: _Effects) -> dict[DeviceId, Removal]:
    return {
        device: _removal(ledger, effects, device, removals)
        for device, removals in effects.removed.items()
    }


def _removal(ledger: Ledger, effects: _Effects, device: DeviceId, removals: Mask) -> Removal:
    history = ledger.history
    card = _card(ledger, _earliest(ledger, ledger.introduced[device]))
    first = history[_earliest(ledger, removals)]
    assert isinstance(first.content, Remove), "only removals are recorded as such"
    return Removal(
        device=device,
        name=_name(ledger, device, effects),
        public=card.public,
        removed_by=first.author,
        removed_ms=first.wall_ms,
        reason=_shown(first.content.reason, "", b""),
        operations=tuple(sorted(history[number].hash for number in positions(removals))),
    )


def _fallen(
    ledger: Ledger, effects: _Effects, others: Container[DeviceId]
) -> dict[DeviceId, Fallen]:
    """Every device that was introduced and is none of the others."""
    found = {}
    for device in sorted(ledger.rulings.settings):
        if device not in others:
            card = _card(ledger, _earliest(ledger, ledger.introduced[device]))
            found[device] = Fallen(device, _name(ledger, device, effects), card.public)
    return found


def _bounds(ledger: Ledger) -> dict[AuthorId, int]:
    """For each journal, the highest `n` in removals that applied and statements that count.

    Both are settled by their own past, whatever the recovery key said later. So a bound never
    sinks: an entry that one device applied because of it stays good on all of them.
    """
    bounds: dict[AuthorId, int] = {}
    removals = EMPTY
    for removal in ledger.rulings.removals.values():
        removals |= removal
    for number in positions(removals | ledger.statements):
        content = ledger.history[number].content
        assert isinstance(content, Remove | Accepted), "nothing else states bounds"
        for bound in content.seen if isinstance(content, Remove) else content.bounds:
            bounds[bound.author] = max(bounds.get(bound.author, 0), bound.n)
    return bounds


def _owing(
    ledger: Ledger, effects: _Effects, members: Mapping[DeviceId, Member]
) -> dict[DeviceId, tuple[OperationHash, ...]]:
    """For each member, the removals that it neither made, nor spoke about, nor came after."""
    history = ledger.history
    spoken: set[tuple[DeviceId, OperationHash]] = set()
    for number in positions(ledger.statements):
        content = history[number].content
        assert isinstance(content, Accepted), "only statements are recorded as such"
        spoken.add((history[number].author, content.removal))
    removals = list(positions(effects.removals))
    owing: dict[DeviceId, tuple[OperationHash, ...]] = {}
    for device in members:
        added = _admissions(ledger, effects, device)
        silent = (
            history[number].hash
            for number in removals
            if history[number].author != device
            and (device, history[number].hash) not in spoken
            and not any(history.past(add) >> number & 1 for add in positions(added))
        )
        owing[device] = tuple(sorted(silent))
    return owing


def _statics(devices: Iterable[Member | Suspension | Removal]) -> dict[bytes, DeviceId]:
    """Static keys to devices; where two claim one key, the earlier and the member have it."""
    statics: dict[bytes, DeviceId] = {}
    for device in devices:
        statics.setdefault(device.public.static, device.device)
    return statics


def _earliest(ledger: Ledger, mask: Mask) -> int:
    history = ledger.history
    return min(positions(mask), key=lambda number: (history.depth(number), history[number].hash))


def _card(ledger: Ledger, number: int) -> DeviceCard:
    content = ledger.history[number].content
    assert isinstance(content, Genesis | Add), "nothing else introduces a device"
    return content.first if isinstance(content, Genesis) else content.device


def _name(ledger: Ledger, device: DeviceId, effects: _Effects) -> str:
    """The last name given; of several given at the same time, the one with the lowest hash."""
    named = effects.named.get(device) or ledger.introduced[device]
    last = min(ledger.history.latest(named), key=lambda number: ledger.history[number].hash)
    match ledger.history[last].content:
        case Rename(name=name):
            return _shown(name, "device", device)
        case _:
            return _shown(_card(ledger, last).name, "device", device)


def _shown(name: str, what: str, id_: bytes) -> str:
    """Return a name if this device can show it, otherwise a plain one that tells them apart."""
    try:
        clean = clean_name(name)
    except BadValue:
        clean = ""
    return name if clean == name and name else f"{what} {id_[:4].hex()}".strip()
