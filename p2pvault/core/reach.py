"""Where peers are, and whether the links to them still live.

What discovery sees and what the clock says leads to dials, to heartbeats, and to the end of links
that fell silent.
"""

from p2pvault.core.asks import AddressGiven
from p2pvault.core.beacon import Beacon
from p2pvault.core.book import Book
from p2pvault.core.conversation import Conversation
from p2pvault.core.dialer import Dialer
from p2pvault.core.io import Effect, PeerSeen, Report
from p2pvault.core.link import Link, Phase
from p2pvault.core.links import Links
from p2pvault.core.members import Members
from p2pvault.crypto.entropy import Entropy
from p2pvault.errors import Refused, RemoteProtocolError, UnknownDevice
from p2pvault.protocol.membership import Member
from p2pvault.types import Address, Instant, PeerRow


class Reach:
    """Finds peers and tends the links to them."""

    def __init__(
        self,
        links: Links,
        dialer: Dialer,
        beacon: Beacon,
        conversation: Conversation,
        entropy: Entropy,
    ) -> None:
        self._links = links
        self._dialer = dialer
        self._beacon = beacon
        self._conversation = conversation
        self._entropy = entropy

    def seen(self, now: Instant, seen: PeerSeen) -> list[Effect]:
        """Take note of where a peer is, if that is what discovery saw."""
        recognised = self._beacon.recognise(seen)
        if recognised is None:
            return [Report("debug", "sighting_ignored")]
        device, addresses = recognised
        self._dialer.sighted(now.monotonic, device, addresses)
        if self._links.is_astray(device, addresses):
            return list(self._dialer.again(device, addresses[0]))
        return []

    def moved(self, now: Instant, addresses: tuple[Address, ...]) -> list[Effect]:
        """Go on from another place, where a link may be dead without either side knowing."""
        self._dialer.hurry(now.monotonic)
        effects = self._beacon.listen_on(now, addresses)
        for device, address in self._links.ways():
            effects += self._dialer.again(device, address)
        return effects

    def wake(self, now: Instant) -> list[Effect]:
        """Do what it is time for: another name, heartbeats, renewals, the end of dead links."""
        effects: list[Effect] = []
        if now.monotonic >= self._beacon.next_slot_at:
            effects += self._beacon.rotate(now)
        for link in self._links:
            effects += self._tend(now, link)
        return effects

    def _tend(self, now: Instant, link: Link) -> list[Effect]:
        if now.monotonic < link.deadline:
            return []
        if link.is_dead(now):
            error = UnknownDevice("nobody admits this peer")
            silent = RemoteProtocolError("the peer fell silent")
            return self._links.fail(now, link, error if link.phase is Phase.INTRODUCING else silent)
        if now.monotonic >= link.renew_at:
            return self._renew(now, link)
        link.schedule_beat(now, self._entropy)
        return self._conversation.beat(link)

    def _renew(self, now: Instant, link: Link) -> list[Effect]:
        assert link.device is not None, "only links that are up grow old"
        link.schedule_renewal(now, self._entropy)
        return list(self._dialer.again(link.device, link.origin.remote))


def note_address(members: Members, book: Book, asked: AddressGiven) -> tuple[Member, PeerRow]:
    """Note an address that a person gave, or forget it; return whose, and the row to be kept.

    Raises:
        NoSuchDevice, AmbiguousDevice: A device that is not there.
        Refused: It is the device itself, or what `Standing.note_given` refuses.
    """
    member = members.find(asked.device)
    if member.device == members.device:
        raise Refused("this is the device itself, which needs no address to reach itself")
    standing = book[member.device]
    standing.note_given(member.name, asked.address, forget=asked.forget)
    return member, standing.row
