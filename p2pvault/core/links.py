"""All links of a device: how they begin, whom they turn out to lead to, and how they end.

A link that breaks a rule, falls silent or leads to a removed device ends alone. What members say
to each other on a link is the business of `conversation`.
"""

from collections.abc import Iterator, Sequence

from p2pvault.core.book import Book, Standing
from p2pvault.core.dialer import Attempt, Dialer
from p2pvault.core.io import Effect, Hangup, LinkUp, Report, StatusChanged, Write
from p2pvault.core.link import Link, Origin, Phase, survivor
from p2pvault.core.members import Members
from p2pvault.crypto.entropy import Entropy
from p2pvault.crypto.envelope import Message
from p2pvault.errors import RevokedDevice, StoreError, SuspendedDevice, VaultError
from p2pvault.limits import LINKS_MAX
from p2pvault.protocol.handshake import Initiator, Responder
from p2pvault.types import Address, DeviceId, Instant, LinkId


class Links:
    """The table of links, by stream and by peer."""

    def __init__(self, members: Members, book: Book, dialer: Dialer, entropy: Entropy) -> None:
        self._members = members
        self._book = book
        self._dialer = dialer
        self._entropy = entropy
        self._links: dict[LinkId, Link] = {}

    def __getitem__(self, link: LinkId) -> Link | None:
        return self._links.get(link)

    def __iter__(self) -> Iterator[Link]:
        return iter(list(self._links.values()))

    def up(self) -> list[Link]:
        """Return the links to members, in the order in which they began."""
        return [link for link in self._links.values() if link.phase is Phase.UP]

    def introduced(self) -> list[Link]:
        """Return the links to members that have said how far they know the membership."""
        return [link for link in self.up() if link.introduced]

    @property
    def deadline(self) -> float:
        """When to look at any of them again, on the monotonic clock."""
        return min([link.deadline for link in self._links.values()], default=float("inf"))

    def unlinked(self) -> dict[DeviceId, tuple[Address, ...]]:
        """Return every member without a link, and where it may be; nobody once we are removed."""
        if not self._members.is_member:
            return {}
        here = {self._members.device, *(link.device for link in self.up())}
        members = self._members.membership.members
        return {d: self._book[d].addresses for d in members if d not in here}

    def ways(self) -> list[tuple[DeviceId, Address]]:
        """Return where to dial each linked device: as its link was dialled, or where it may be."""
        ways = {link.device: self._ways(link) for link in self.up() if link.device is not None}
        return [(device, addresses[0]) for device, addresses in ways.items() if addresses]

    def _ways(self, link: Link) -> tuple[Address, ...]:
        assert link.device is not None, "only links that are up lead to somebody"
        dialled = link.origin.dialled is not None
        return (link.origin.remote,) if dialled else self._book[link.device].addresses

    def is_astray(self, device: DeviceId, addresses: Sequence[Address]) -> bool:
        """Tell whether the link to a device leads to a host where the device is no longer."""
        hosts = {address.host for address in addresses}
        remotes = {link.origin.remote.host for link in self.up() if link.device == device}
        return bool(hosts and remotes) and hosts.isdisjoint(remotes)

    # Beginning ---------------------------------------------------------------------------

    def begin(self, now: Instant, stream: LinkUp) -> list[Effect]:
        """Start the handshake on a new stream."""
        attempt = None
        if stream.attempt is not None:
            attempt = self._dialer.taken(stream.attempt)
        secret = self._members.keys.static
        gates = self._members.gates()
        if not gates or not self._may_link(attempt) or len(self._links) >= LINKS_MAX:
            return [Hangup(stream.link)]
        handshake: Initiator | Responder
        if attempt is None:
            handshake = Responder(secret, gates, self._entropy)
        else:
            gate = self._members.gate_for(attempt.turn, self._book[attempt.device].met)
            handshake = Initiator(secret, gate, self._entropy, self._is_of_a_member)
        origin = Origin(stream.remote, attempt.device if attempt is not None else None)
        link = Link(stream.link, origin, now.monotonic, handshake)
        self._links[link.id] = link
        opening = link.begin()
        return [Write(link.id, opening)] if opening else []

    def _is_of_a_member(self, static: bytes) -> bool:
        return self._members.membership.member_by_static(static) is not None

    def receive(self, now: Instant, link: Link, data: bytes) -> tuple[list[Effect], list[Message]]:
        """Take bytes of a link; raises what ends it."""
        was = link.phase
        send, messages = link.receive(now, data)
        effects: list[Effect] = [Write(link.id, send)] if send else []
        established = was is Phase.HANDSHAKE and link.phase is Phase.INTRODUCING
        if established and not self._members.may_return:
            self.refuse_outsider(link)
        return effects, messages

    def recognise(self, now: Instant, link: Link) -> tuple[list[Effect], list[Message]] | None:
        """Bring a link up if its peer is a member; return the messages that waited, else None.

        A device that is outside itself only listens, until somebody says that it is let in.
        """
        member = self._members.membership.member_by_static(link.static)
        if member is None or not self._members.is_member:
            return None
        held = link.come_up(now, member.device, self._entropy)
        effects = self._end_rival(now, link, member.device)
        self._dialer.reached(now.monotonic, member.device)
        self._note_whereabouts(link.origin, member.device)
        if link.phase is Phase.UP:
            self._note_up(now, link, self._book[member.device])
        fields: dict[str, str | bool] = {
            "device": member.device.hex(),
            "dialled": link.origin.dialled is not None,
        }
        return [*effects, Report("info", "link_up", fields), StatusChanged()], held

    def _end_rival(self, now: Instant, link: Link, device: DeviceId) -> list[Effect]:
        rivals = [other for other in self.up() if other.device == device and other is not link]
        effects: list[Effect] = []
        for rival in rivals:
            stays = survivor(self._members.device, [rival, link])
            effects += self.close(now, rival if stays is link else link)
        return effects

    def _note_up(self, now: Instant, link: Link, standing: Standing) -> None:
        standing.link, standing.verdict = link.id, None
        standing.address, standing.met = link.origin.remote, self._members.epoch_of(link.gate)
        link.unforked = standing.unforked
        standing.heard(now)
        if link.origin.dialled is not None:
            standing.note_seen([link.origin.remote])

    def _note_whereabouts(self, origin: Origin, device: DeviceId) -> None:
        if origin.dialled is None or origin.dialled == device:
            return
        self._book[origin.dialled].note_not_at(origin.remote)
        self._dialer.misled(origin.dialled, origin.remote)

    def _may_link(self, attempt: Attempt | None) -> bool:
        """A device that is outside dials nobody, and listens to who may bring it back."""
        members = self._members
        return members.is_member or (attempt is None and members.may_return)

    def refuse_outsider(self, link: Link) -> None:
        """Refuse a peer that was removed or is suspended.

        In a vault with a recovery key that happens once the peer had nothing new to tell: it may
        have been let in again by an operation that only it knows.

        Raises:
            RevokedDevice, SuspendedDevice: It is outside, and this device is not.
        """
        membership = self._members.membership
        if not self._members.is_member:
            return
        if membership.removed_by_static(link.static) is not None:
            raise RevokedDevice("a device that was removed from the vault")
        if membership.suspended_by_static(link.static) is not None:
            raise SuspendedDevice("a device that contradicted itself")

    # Ending ------------------------------------------------------------------------------

    def close(self, now: Instant, link: Link) -> list[Effect]:
        """End a link properly."""
        effects: list[Effect] = []
        if link.phase is not Phase.CLOSED:
            last = link.close()
            effects += [Write(link.id, last)] if last else []
            effects.append(Hangup(link.id))
        return effects + self._forget_standing(now, link, orderly=True)

    def close_all(self, now: Instant) -> list[Effect]:
        """End every link properly."""
        return [effect for link in self for effect in self.close(now, link)]

    def contest_anew(self, now: Instant, error: VaultError) -> list[Effect]:
        """Begin anew with whoever holds another branch of a journal, if the store failed us."""
        if not isinstance(error, StoreError):
            return []
        links = [link for link in self.up() if link.peer.contested]
        return [effect for link in links for effect in self.fail(now, link, error)]

    def fail(self, now: Instant, link: Link, error: VaultError) -> list[Effect]:
        """End a link that broke a rule: no word to the peer, one line in the log."""
        if link.phase is Phase.CLOSED:
            return []
        fields = {"reason": error.code, "phase": link.phase.name.lower()}
        if link.device is not None:
            fields["device"] = link.device.hex()
        report = Report(
            "debug" if link.phase is Phase.HANDSHAKE else "warning", "link_failed", fields
        )
        link.phase = Phase.CLOSED
        return [report, Hangup(link.id), *self._forget_standing(now, link, orderly=False)]

    def down(self, now: Instant, link: LinkId) -> list[Effect]:
        """Take note that a stream is gone."""
        gone = self._links.pop(link, None)
        if gone is None:
            return []
        effects = self._forget_standing(now, gone, orderly=gone.peer_closed)
        gone.phase = Phase.CLOSED
        return effects

    def end_removed(self, now: Instant) -> list[Effect]:
        """End every link to a device that is no member any more; all, if this one is not.

        What is still being introduced may go on, if it may bring somebody back.
        """
        gone = [link for link in self if not self._may_stay(link)]
        return [effect for link in gone for effect in self.close(now, link)]

    def _may_stay(self, link: Link) -> bool:
        membership = self._members.membership
        if link.device is None and self._members.may_return:
            return True
        if not self._members.is_member:
            return False
        if link.device is not None:
            # Not all of these were removed: an admission is void when its author's authority is.
            return membership.is_member(link.device)
        return membership.removed_by_static(link.static) is None

    def _forget_standing(self, now: Instant, link: Link, *, orderly: bool) -> list[Effect]:
        if link.device is None:
            return []
        standing = self._book[link.device]
        if standing.link != link.id:
            return []
        self._dialer.lost(now.monotonic, link.device, orderly=orderly)
        standing.link = standing.address = None
        fields = {"device": link.device.hex()}
        return [Report("info", "link_down", fields), StatusChanged()]
