"""What peers tell each other of the membership: operations, epochs, and where they can be reached.

Everything here is idempotent and may be repeated on every link; a device that learns something
tells all its other links once it is durable.
"""

from collections.abc import Iterable

from p2pvault.core.book import Book
from p2pvault.core.io import Effect, Write
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Link
from p2pvault.core.members import Learned, Members
from p2pvault.limits import ADDRESSES_PER_PEER_MAX
from p2pvault.protocol.introduction import (
    Greeting,
    Known,
    decode_known,
    decode_operations,
    decode_secrets,
    encode,
    encode_operations,
    encode_secrets,
)
from p2pvault.types import Address, Instant, PeerRow, StoredOperation
from p2pvault.wire.addresses import is_near


class Introductions:
    """The first messages of a link, and membership news on all of them."""

    def __init__(self, members: Members, book: Book, run: bytes) -> None:
        self._members = members
        self._book = book
        self._run = run
        self.listening: tuple[Address, ...] = ()

    def ask(self, link: Link) -> list[Effect]:
        """Ask a peer that no operation admits yet for its operations, revealing none of ours."""
        return [_write(link, Kind.KNOWN, encode(Known((), ())))]

    def begin(self, now: Instant, link: Link) -> list[Effect]:
        """Greet a member and say how far we know the membership."""
        greeting = Greeting(now.wall_ms, self.listening[:ADDRESSES_PER_PEER_MAX], self._run)
        known = Known(self._members.heads, tuple(sorted(self._members.shared_secrets)))
        return [
            _write(link, Kind.GREETING, encode(greeting)),
            _write(link, Kind.KNOWN, encode(known)),
        ]

    def heard_greeting(self, now: Instant, link: Link, greeting: Greeting) -> PeerRow:
        """Note where the peer can be reached; return its page of the address book, to be kept."""
        assert link.device is not None, "only members are listened to"
        standing = self._book[link.device]
        standing.heard(now)
        self._book.greeted(link.device)
        standing.note_seen(filter(is_near, greeting.addresses))
        return standing.row

    def heard_known(self, link: Link, body: bytes) -> list[Effect]:
        """Send the peer the operations and epoch secrets that it lacks; news follow from now on."""
        known = decode_known(body)
        link.introduced = True
        assert link.device is not None, "only members are listened to"
        newest = self._members.newest
        if newest is not None and newest.id in known.epochs:
            self._book[link.device].aware = newest.id
        operations = self._members.durable.since(known.heads)
        link.abreast = known.heads == self._members.heads
        effects = self.tell(link, operations)
        held = set(known.epochs)
        secrets = tuple(
            (epoch, secret)
            for epoch, secret in sorted(self._members.shared_secrets.items())
            if epoch not in held
        )
        if secrets:
            effects.append(_write(link, Kind.SECRETS, encode_secrets(secrets)))
        return effects

    def heard_known_outside(self, link: Link, body: bytes) -> list[Effect]:
        """Tell a member that takes this device for one, too, what put it out.

        It may be the only one left that knows. A member is told no more than it may know anyway.
        And a device that was removed while it was away hears of that from any member, and no more.
        """
        operations = self._members.durable.since(decode_known(body).heads)
        membership = self._members.membership
        if not self._members.is_member:
            is_member = membership.member_by_static(link.static) is not None
            return self.tell(link, operations) if is_member else []
        removal = membership.removed_by_static(link.static)
        if removal is None:
            return []
        return self.tell(link, self._members.farewell(removal.device, operations))

    def tell(self, link: Link, operations: tuple[StoredOperation, ...]) -> list[Effect]:
        """Send operations to a peer."""
        bodies = encode_operations(operation.data for operation in operations)
        return [_write(link, Kind.OPERATIONS, body) for body in bodies]

    def tell_all(
        self, links: Iterable[Link], operations: tuple[StoredOperation, ...]
    ) -> list[Effect]:
        """Send operations to some peers."""
        return [effect for link in links for effect in self.tell(link, operations)]

    def say_farewell(self, links: Iterable[Link], learned: Learned) -> list[Effect]:
        """Tell linked devices of their removal: from now on nobody answers them any more."""
        effects: list[Effect] = []
        for link in links:
            assert link.device is not None, "only members are introduced"
            effects += self.tell(link, self._members.farewell(link.device, learned.operations))
        return effects

    def heard_operations(self, body: bytes) -> Learned:
        """Take in a peer's operations; raises `RemoteProtocolError` kinds."""
        return self._members.learn(decode_operations(body))

    def heard_secrets(self, body: bytes) -> Learned:
        """Take in epoch secrets; those that are not what they claim to be are refused."""
        return self._members.learn_secrets(decode_secrets(body))


def _write(link: Link, kind: Kind, body: bytes) -> Effect:
    return Write(link.id, link.seal(kind, body))
