"""What is learned of the membership: in force at once, durable next, and only then told.

To believe a removal too early is safe; to tell of what a crash takes back is not. Its number in the
log would be used again, for something else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from p2pvault.core.beacon import Beacon
from p2pvault.core.errands import Errand, Errands, Then
from p2pvault.core.introductions import Introductions
from p2pvault.core.io import Answer, Effect, StatusChanged
from p2pvault.core.keeping import Keeping
from p2pvault.core.links import Links
from p2pvault.core.members import Learned, Members
from p2pvault.core.recovering import Alarms
from p2pvault.crypto.entropy import Entropy
from p2pvault.types import Instant


@dataclass(frozen=True, slots=True)
class Learning:
    """Tells those whose business it is, in the right order.

    Attributes:
        members, links, introductions, keeping, errands, beacon, entropy: Parts of the device.
        recognise: Looks again who is at the links that are no member's yet.
        alarms: What the person is told of it.
    """

    members: Members
    links: Links
    introductions: Introductions
    keeping: Keeping
    errands: Errands
    beacon: Beacon
    entropy: Entropy
    recognise: Callable[[Instant], list[Effect]]
    alarms: Alarms = field(default_factory=Alarms)

    def take(
        self, now: Instant, learned: Learned, answer: Answer | None = None, then: Then | None = None
    ) -> list[Effect]:
        """Take what became known into force, and make it durable.

        Args:
            now: Both clocks.
            learned: What became known.
            answer: The local request that it comes from, if it does.
            then: What else follows once it is durable.
        """
        if learned.is_nothing and answer is None:
            return []
        errand = Errand(learned, self.members.log, answer, then)
        effects = self.errands.save(learned.batch, errand)
        effects += self.errands.settle(now, self.members, self.entropy)
        effects += self.alarms.news(self.members)
        if answer is None:
            # Its author has it durable, or it is an admission of ours, which removes nobody.
            effects += self._part(now, learned)
        return effects + self.recognise(now) + self.beacon.refresh(now)

    def durable(self, now: Instant, name: int) -> list[Effect]:
        """Go on with an errand that is durable, whether anything was learned by it or not."""
        errand = self.errands.done(name)
        self.members.durable = errand.log
        effects: list[Effect] = []
        if errand.answer is not None:
            effects += self._part(now, errand.learned)
        told = self.links.introduced() if errand.learned.operations else []
        effects += self.introductions.tell_all(told, errand.learned.operations)
        effects += self.keeping.learned(now, errand.learned)
        if errand.then is not None:
            effects += errand.then(now)
        if errand.answer is not None:
            effects.append(errand.answer)
        is_upkeep = errand.then is not None and errand.learned.is_nothing
        return effects if is_upkeep else [*effects, StatusChanged()]

    def _part(self, now: Instant, learned: Learned) -> list[Effect]:
        farewells = self.introductions.say_farewell(self.links.introduced(), learned)
        return farewells + self.links.end_removed(now)
