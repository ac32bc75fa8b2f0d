"""People have devices keep some collections only, and change their minds.

What a device says to have done it has done, and nobody forgets what no other device holds: that is
looked at when it becomes durable. What is left of it all is judged by `judgement.judge`.
"""

from collections.abc import Callable
from random import Random

from p2pvault.core import asks
from p2pvault.errors import VaultError
from sim.disk import Disk
from sim.oracles import Violation
from sim.setbacks import Setbacks
from sim.simulation import Forgetting, SimParty, Simulation

_NAMES = ("notes", "contacts", "photos")

_KEPT_SHARE = 0.8
"""So often people write to what their device keeps; else to anything, which is refused at times."""

_AT_ONCE_SHARE = 0.3
"""So often two devices forget the same at the same moment, each of which has the other's word."""

_INSISTING_SHARE = 0.1

_ASKED_AGAIN_S = 60.0

Expect = Callable[[SimParty, int], None]


class Interests:
    """What people decide about collections, and what became of it.

    Attributes:
        homes: The collection of each field that somebody wrote.
    """

    def __init__(self, sim: Simulation, setbacks: Setbacks, expect: Expect) -> None:
        self.homes: dict[str, str] = {}
        self._sim = sim
        self._setbacks = setbacks
        self._expect = expect
        self._random = Random(f"interests/{sim.plan.seed}")
        self._names = _NAMES[: sim.plan.collections]
        self._asked: dict[tuple[str, str], dict[int, tuple[bool, Disk]]] = {}
        self._again_at = 0.0

    def path(self, party: SimParty, path: str, field: str | None = None) -> str:
        """Return where to write instead: in a collection that the device keeps, mostly."""
        collection, name = path.split("/", 1)
        if self._sim.plan.forget and collection in _NAMES:
            collection = self._choose(party)
        if field is not None:
            self.homes[field] = collection
        return f"{collection}/{name}"

    def _choose(self, party: SimParty) -> str:
        kept = [name for name in self._names if name not in party.disk.interest.forgotten]
        if kept and self._random.random() < _KEPT_SHARE:
            return self._random.choice(kept)
        return self._random.choice(self._names)

    @property
    def _all(self) -> list[str]:
        return [*self._names, "files"] if self._sim.plan.edit_bulky else [*self._names]

    # What people do ----------------------------------------------------------------------

    def forget(self, party: SimParty) -> None:
        """Let a device, or two at once, keep a collection no longer, if another one vouches for it.

        At times the person insists, whoever else has it.
        """
        collection = self._random.choice(self._all)
        self._forget(party, collection, anyway=self._random.random() < _INSISTING_SHARE)
        others = [p for p in self._sim.parties if p.counts and not p.switched_off]
        if self._random.random() < _AT_ONCE_SHARE and others:
            self._forget(self._random.choice(others), collection, anyway=False)

    def _forget(self, party: SimParty, collection: str, *, anyway: bool) -> None:
        if self._setbacks.holds_the_last(party):
            return
        self._sim.note(party, f"is to forget {collection}, {anyway=}")
        request, upheavals = next(self._sim._requests), self._sim.upheavals
        party.forgets[request] = Forgetting(collection, party.life, upheavals, anyway)
        asked = asks.ForgetRequested(request, collection, anyway)
        self._ask(party, collection, asked, keeps=False)

    def keep(self, party: SimParty) -> None:
        """Let a device keep a collection again, or all the same."""
        self._keep(party, self._random.choice(self._all))

    def _keep(self, party: SimParty, collection: str) -> None:
        self._sim.note(party, f"is to keep {collection}")
        request = next(self._sim._requests)
        self._ask(party, collection, asks.KeepRequested(request, collection), keeps=True)

    def _ask(
        self,
        party: SimParty,
        collection: str,
        asked: asks.KeepRequested | asks.ForgetRequested,
        *,
        keeps: bool,
    ) -> None:
        its = self._asked.setdefault((party.name, collection), {})
        its[asked.request] = keeps, party.disk
        self._sim.give(party, asked)
        self._expect(party, asked.request)

    def keep_again(self) -> bool:
        """Let all devices keep everything, where that was drawn; return whether any has to."""
        if not self._sim.plan.keep_all or self._sim.now.monotonic < self._again_at:
            return False
        self._again_at = self._sim.now.monotonic + _ASKED_AGAIN_S
        wanted = [
            (party, collection)
            for party in self._sim.parties
            if party.counts and not party.switched_off
            for collection in sorted(party.disk.interest.forgotten)
        ]
        for party, collection in wanted:
            self._keep(party, collection)
        return bool(wanted)

    # What has to be true of it -----------------------------------------------------------

    def check(self) -> None:
        """What a device was said to keep, or to have forgotten, it has done, up to the end.

        Raises:
            Violation: A device keeps what it said to have forgotten, or the other way around.
        """
        for party in self._sim.parties:
            for collection in self._all:
                keeps = self._told(party, collection)
                if keeps is not None and keeps == (collection in party.disk.interest.forgotten):
                    raise Violation(f"{party.name} forgets that it {keeps=} {collection}")

    def _told(self, party: SimParty, collection: str) -> bool | None:
        """Return whether a device keeps a collection, by its own words; None: nobody can tell.

        A store that was put back knows no more what was decided since; what was asked right before
        a crash may have been done, and what is asked last need not be done last.
        """
        asked = self._asked.get((party.name, collection), {})
        if any(each not in party.answers for each in asked):
            return None
        done = [each for each in party.answers if each in asked]
        done = [each for each in done if not isinstance(party.answers[each], VaultError)]
        keeps, disk = asked[done[-1]] if done else (None, None)
        return keeps if disk is party.disk else None
