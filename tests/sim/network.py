"""Streams as they are: first in, first out, at a pace of their own, and ending in every way.

Nothing is lost in the middle of a stream. What goes wrong is its end: one side learns of it late,
after all that was under way, or never; a direction stands still and goes on later, or does not;
somebody on the way changes bytes.
"""

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from p2pvault.core import io
from p2pvault.limits import DIAL_S, WRITE_STALL_S
from p2pvault.types import Address, LinkId

if TYPE_CHECKING:
    from sim.simulation import End, Simulation

_SOCKET_BYTES = 256 * 1024
"""What the operating systems on both ends take in although nobody reads it."""

_PIECES_MAX = 30
"""Of one write that dribbles in."""


@dataclass(eq=False, slots=True)
class Way:
    """One direction of a stream.

    Attributes:
        free_at: When all that was written has left.
        arrived_at: When the last of it arrives.
        dead: Nothing arrives any more, and nobody is told.
        held: What waits while the direction stands still; None while it does not.
        stuck_bytes: Bytes written while nothing moved.
        taken_at: When the writer is told that everything was taken; None if it was.
    """

    free_at: float = 0.0
    arrived_at: float = 0.0
    dead: bool = False
    held: list[bytes | None] | None = None
    stuck_bytes: int = 0
    taken_at: float | None = None

    @property
    def stands(self) -> bool:
        """Whether nothing moves now."""
        return self.dead or self.held is not None


@dataclass(eq=False, slots=True)
class Cable:
    """One stream.

    Attributes:
        links: What each end calls it.
        lives: In which life each end opened it.
        ways: The direction in which each end writes.
        up: The ends that have not been told that it is over.
    """

    links: dict["End", LinkId]
    lives: dict["End", int]
    ways: dict["End", Way]
    up: list["End"] = field(default_factory=list)

    def other(self, party: "End") -> "End":
        first, second = self.links
        return second if party is first else first


class Network:
    """All streams of one world, and what stands between its devices."""

    def __init__(self, sim: "Simulation", random: Random) -> None:
        self._sim = sim
        self._random = random
        self._plan = sim.plan
        self._cables: dict[LinkId, Cable] = {}
        self._barriers: dict[tuple[str, str], bool] = {}
        self._strangers: list[LinkId] = []

    # What devices do ---------------------------------------------------------------------

    def dial(self, party: "End", attempt: int, address: Address) -> None:
        """Open a stream, or say after a while that it cannot be."""
        target = self._sim.party_at(address)
        failed = io.DialFailed(attempt)
        if target is None or target is party or self.is_silent(party, target):
            self._sim.feed_at(self._now + DIAL_S, party, failed)
        elif self.is_parted(party, target) or target.switched_off:
            self._sim.feed_at(self._now + self._latency(), party, failed)
        else:
            links = self._connect(party, target).links
            remote = Address(party.address.host, 30_000 + links[party] % 30_000)
            accepted = io.LinkUp(links[target], None, remote)
            self._tell(party, target, accepted, io.LinkUp(links[party], attempt, address))

    def _connect(self, party: "End", target: "End") -> Cable:
        links = {party: self._sim.next_link(), target: self._sim.next_link()}
        cable = Cable(
            links, {party: party.life, target: target.life}, {party: Way(), target: Way()}
        )
        cable.up = [party, target]
        self._cables |= dict.fromkeys(links.values(), cable)
        return cable

    def _tell(self, party: "End", target: "End", there: io.Input, back: io.Input) -> None:
        """Let both ends learn of a new stream, before anything that is sent on it."""
        cable = self._cables[there.link]
        for end, other, given in ((target, party, there), (party, target, back)):
            due = self._now + self._latency() * (1 if end is target else 2)
            cable.ways[other].arrived_at = due
            self._sim.feed_at(due, end, given)

    def pair(self, guest: "End", sponsor: "End") -> None:
        """Open a stream to the pairing listener of a device, if it can be reached."""
        if sponsor.switched_off or self.is_parted(guest, sponsor):
            return
        cable = self._connect(guest, sponsor)
        links = cable.links
        up = io.LinkUp(links[guest], 0, sponsor.address)
        self._tell(guest, sponsor, io.PairingStreamUp(links[sponsor]), up)

    def write(self, party: "End", link: LinkId, data: bytes) -> None:
        """Send bytes; on a stream that is over they go nowhere."""
        cable = self._cables.get(link)
        if cable is None or party not in cable.up:
            return
        way = cable.ways[party]
        if not way.stands:
            way.free_at = max(way.free_at, self._now) + len(data) / self._plan.bytes_per_s
            self._say_taken(cable, party, way.free_at)
            self._carry(cable, party, data)
            return
        way.stuck_bytes += len(data)
        if way.held is not None:
            way.held.append(data)
        if way.stuck_bytes <= _SOCKET_BYTES:
            self._say_taken(cable, party, self._now)
        else:
            self._sim.post(
                self._now + WRITE_STALL_S, party, lambda: self._give_up(cable, party, way)
            )

    def hang_up(self, party: "End", link: LinkId) -> None:
        """End a stream from one side, after what was written."""
        if link in self._strangers:
            self._strangers.remove(link)
            self._sim.feed_at(self._now, party, io.LinkDown(link))
        cable = self._cables.get(link)
        if cable is None or party not in cable.up:
            return
        way = cable.ways[party]
        patience = WRITE_STALL_S if way.stuck_bytes > _SOCKET_BYTES else 0.0
        self._end(cable, party, max(self._now, way.free_at) + patience)
        self._end_after(cable, party)

    # What goes wrong ---------------------------------------------------------------------

    def part(self, one: "End", other: "End", *, silent: bool) -> None:
        """Let nothing pass from one device to another; with `silent`, nobody is told."""
        self._barriers[one.name, other.name] = silent
        for cable in self._between(one, other):
            if not silent:
                self.cut(cable)
            elif self._random.random() < 0.5:
                cable.ways[one].dead = True
            elif cable.ways[one].held is None:
                cable.ways[one].held = []

    def mend(self, *, wholly: bool) -> None:
        """Take one barrier away, or all; what stood still goes on."""
        gone = list(self._barriers)
        if not wholly and gone:
            gone = [self._random.choice(gone)]
        for pair in gone:
            del self._barriers[pair]
        for cable in self._all():
            for party in cable.links:
                if (party.name, cable.other(party).name) in gone:
                    self._go_on(cable, party)

    def cut(self, cable: Cable) -> None:
        """End a stream for both; what is under way still arrives."""
        for party in list(cable.up):
            self._end_after(cable, party)

    def break_off(self, cable: Cable) -> None:
        """Let a stream die in one direction or both, and tell nobody."""
        for party in self._random.choice([list(cable.links)[:1], list(cable.links)]):
            cable.ways[party].dead = True

    def lose(self, party: "End", *, power: bool) -> None:
        """A device is gone, by a crash (its system ends its streams) or without its power."""
        for cable in self.cables_of(party):
            cable.up.remove(party)
            if power:
                cable.ways[party].dead = True
            else:
                self._end_after(cable, party)

    def cables_of(self, party: "End") -> list[Cable]:
        """Return the streams of a device, oldest first."""
        return [cable for cable in self._all() if party in cable.up]

    def link_to(self, party: "End", link: LinkId) -> "End | None":
        """Return who is at the other end of a stream."""
        cable = self._cables.get(link)
        return cable.other(party) if cable is not None and party in cable.up else None

    @property
    def is_divided(self) -> bool:
        """Whether anything stands between any two devices."""
        return bool(self._barriers)

    def is_parted(self, one: "End", other: "End") -> bool:
        """Tell whether something stands between two devices, in either direction."""
        names = one.name, other.name
        return names in self._barriers or names[::-1] in self._barriers

    def is_silent(self, one: "End", other: "End") -> bool:
        """Tell whether what stands between them gives no answer."""
        names = one.name, other.name
        return self._barriers.get(names, False) or self._barriers.get(names[::-1], False)

    def knock(self, party: "End", *pieces: bytes) -> None:
        """Let a stranger connect and send something."""
        link, due = self._sim.next_link(), self._now
        self._strangers.append(link)
        self._sim.feed_at(due, party, io.LinkUp(link, None, Address("10.9.9.9", 5_555)))
        for piece in pieces:
            due += self._latency()
            given = io.BytesReceived(link, piece)
            self._sim.post(due, party, lambda given=given: self._from_stranger(party, given))

    def _from_stranger(self, party: "End", given: io.BytesReceived) -> None:
        if given.link in self._strangers:
            self._sim.handle(party, given)

    # Carrying ----------------------------------------------------------------------------

    @property
    def _now(self) -> float:
        return self._sim.now.monotonic

    def _latency(self) -> float:
        return self._plan.latency_s * (0.5 + self._random.random())

    def _all(self) -> list[Cable]:
        return list(dict.fromkeys(self._cables.values()))

    def _between(self, one: "End", other: "End") -> list[Cable]:
        return [cable for cable in self._all() if one in cable.links and other in cable.links]

    def _carry(self, cable: Cable, sender: "End", data: bytes) -> None:
        way, receiver = cable.ways[sender], cable.other(sender)
        for piece in self._pieces(data):
            due = max(way.arrived_at, way.free_at + self._latency())
            way.arrived_at = due
            self._sim.post(
                due, receiver, lambda piece=piece: self._deliver(cable, receiver, piece), life=None
            )

    def _pieces(self, data: bytes) -> list[bytes]:
        if self._sim.faults and self._random.random() < self._plan.garble_rate:
            data = self._garbled(data)
        if len(data) < 2 or self._random.random() >= self._plan.dribble_rate:
            return [data]
        marks = range(1, len(data))
        cuts = sorted(
            self._random.sample(marks, min(len(marks), self._random.randint(1, _PIECES_MAX)))
        )
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    def _garbled(self, data: bytes) -> bytes:
        at = self._random.randrange(len(data))
        match self._random.randrange(3):
            case 0:
                return (
                    data[:at]
                    + bytes([data[at] ^ (1 << self._random.randrange(8))])
                    + data[at + 1 :]
                )
            case 1:
                return data + data
            case _:
                return data[at:]

    def _deliver(self, cable: Cable, receiver: "End", piece: bytes) -> None:
        if receiver in cable.up and cable.lives[receiver] == receiver.life:
            self._sim.handle(receiver, io.BytesReceived(cable.links[receiver], piece))
        elif not receiver.switched_off and not cable.ways[receiver].stands:
            self._end(cable, cable.other(receiver), self._now + self._latency())

    def _say_taken(self, cable: Cable, party: "End", due: float) -> None:
        way = cable.ways[party]
        if way.taken_at is None:
            self._sim.post(due, party, lambda: self._taken(cable, party))
        way.taken_at = due

    def _taken(self, cable: Cable, party: "End") -> None:
        way = cable.ways[party]
        due, way.taken_at = way.taken_at, None
        assert due is not None, "it was asked for"
        if due > self._now:
            self._say_taken(cable, party, due)
        elif party in cable.up:
            self._sim.handle(party, io.Writable(cable.links[party]))

    def _go_on(self, cable: Cable, party: "End") -> None:
        way = cable.ways[party]
        held, way.held, way.stuck_bytes = way.held, None, 0
        way.free_at = max(way.free_at, self._now)
        if held is None or way.dead:
            return
        for data in held:
            if data is None:
                self._end_after(cable, party)
            else:
                self._carry(cable, party, data)
        self._say_taken(cable, party, self._now)

    # Ending ------------------------------------------------------------------------------

    def _end_after(self, cable: Cable, party: "End") -> None:
        """Tell the other end that nothing more comes, behind all that is under way."""
        way = cable.ways[party]
        if way.held is not None:
            way.held.append(None)
        if not way.stands:
            way.arrived_at = max(way.arrived_at, self._now + self._latency())
            self._end(cable, cable.other(party), way.arrived_at)

    def _end(self, cable: Cable, party: "End", due: float) -> None:
        life = cable.lives[party]
        self._sim.post(due, party, lambda: self._down(cable, party), life=life)

    def _down(self, cable: Cable, party: "End") -> None:
        if party not in cable.up:
            return
        cable.up.remove(party)
        if not cable.up:
            for link in cable.links.values():
                self._cables.pop(link, None)
        self._sim.handle(party, io.LinkDown(cable.links[party]))

    def _give_up(self, cable: Cable, party: "End", way: Way) -> None:
        if way.stands:
            self._down(cable, party)
