"""What the person decides about collections: to keep one on this device, or to forget it.

Nobody may forget the last copy. Whoever is about to forget a collection says so to its peers, and
goes through with it once one that keeps all of it has taken that in and is proved equal: from then
on that peer does not count on this device, so it cannot forget the collection for the same reason.
Two that are about to at the same time see it of each other, and both keep it.
"""

from functools import partial

from p2pvault.core.asks import ForgetRequested, KeepRequested
from p2pvault.core.at_once import InterestJob
from p2pvault.core.book import Book
from p2pvault.core.interest import Interest
from p2pvault.core.io import Answer, Effect, Refuse, Report, StatusChanged
from p2pvault.core.link import Link
from p2pvault.core.links import Links
from p2pvault.core.members import Learned, Members
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.replication import Replication
from p2pvault.crdt.schema import check_path_parts
from p2pvault.errors import OnlyHere, Refused, VaultError
from p2pvault.limits import INTEREST_COLLECTIONS_MAX
from p2pvault.protocol.reconcile import UNSETTLED, Verdict
from p2pvault.types import DeviceId, Instant, LinkId


class Keeping:
    """Requests, and those that wait for a peer's word, by collection."""

    def __init__(
        self,
        links: Links,
        book: Book,
        members: Members,
        replication: Replication,
        pipeline: Pipeline,
    ) -> None:
        self._links = links
        self._book = book
        self._members = members
        self._replication = replication
        self._pipeline = pipeline
        self._leaving: dict[str, tuple[int, set[LinkId]]] = {}
        self._going: set[str] = set()

    # Requests ----------------------------------------------------------------------------

    def keep(self, asked: KeepRequested) -> list[Effect]:
        """Keep a collection from now on; what others hold of it is fetched."""
        check_path_parts(asked.collection, "any")
        self._check_settled(asked.collection)
        durable = self._pipeline.durable.interest
        if asked.collection not in self._interest.forgotten | durable.forgotten:
            return [Answer(asked.request, ())]
        alone = not self._members.others and not self._members.membership.suspended

        def change(interest: Interest) -> Interest:
            return interest.keep(asked.collection, alone=alone)

        return self._submit(InterestJob(change, asked.request))

    def forget(self, now: Instant, asked: ForgetRequested) -> list[Effect]:
        """Forget a collection, at once if the person insists, else when a peer vouches for it.

        One of which nothing was ever here can be lost to nobody, and needs no peer.

        Raises:
            OnlyHere: No linked device holds all of it.
            Refused: One does, and is not proved equal at this moment; or it is being forgotten
                already, or too many are.
        """
        collection = asked.collection
        check_path_parts(collection, "any")
        # What is not durable yet may fail, so it is no answer.
        self._check_settled(collection)
        if collection in self._interest.forgotten:
            return [Answer(asked.request, ())]
        if len(self._interest.forgotten) + len(self._leaving) >= INTEREST_COLLECTIONS_MAX:
            raise Refused(f"a device forgets at most {INTEREST_COLLECTIONS_MAX} collections")
        if asked.anyway or self._was_never_here(collection):
            # What others lack stays in the log, so that it still goes to them.
            return self._go(collection, asked.request, upto=0)
        holders = [link for link in self._links.up() if self._is_proved(link, collection)]
        if not holders:
            raise self._unproved(collection)
        self._leaving[collection] = asked.request, {link.id for link in holders}
        return self._tell(now)

    def _check_settled(self, collection: str) -> None:
        if collection in self._leaving or collection in self._going:
            why = f"{collection} is being forgotten just now"
            raise Refused(why, hint="Try again in a moment.")

    def _was_never_here(self, collection: str) -> bool:
        """Tell whether nothing can be lost here; what waits may bring something."""
        return self._pipeline.is_idle and collection not in self._pipeline.newest.fingerprints

    def _unproved(self, collection: str) -> Refused:
        """Tell a loss to fear from a peer that holds it all and is not compared at this moment."""
        if any(self._may_be_proved(link, collection) for link in self._links.up()):
            return Refused(
                f"no linked device is proved to hold all of {collection} at this moment",
                hint="Something is on its way between the devices. Wait with "
                "`p2pvault wait --synced`, and try again.",
            )
        return OnlyHere(
            f"no linked device is proved to hold all of {collection}, so it may be lost",
            hint="Wait with `p2pvault wait --synced` for a device that keeps it, and try again.",
        )

    def _may_be_proved(self, link: Link, collection: str) -> bool:
        assert link.device is not None, "only members are linked"
        differs = self._book[link.device].verdict is Verdict.CONTRADICTION
        return link.interests.theirs.vouches_for(collection) and not differs

    # What peers say ----------------------------------------------------------------------

    def heard(self, now: Instant, link: Link) -> list[Effect]:
        """Look at what a peer said of its collections, or of its content."""
        effects = self._proved(link)
        for collection, (_, waiting) in list(self._leaving.items()):
            if link.id in waiting and self._has_taken_in(link):
                effects += self._decide(now, link, collection)
        return effects

    def lost(self, now: Instant, link: LinkId) -> list[Effect]:
        """Take note that a link is gone; nobody waits for its word any more."""
        effects: list[Effect] = []
        for collection in list(self._leaving):
            effects += self._give_up(now, link, collection)
        return effects

    def _has_taken_in(self, link: Link) -> bool:
        return link.interests.heard == link.interests.our_serial

    def _decide(self, now: Instant, link: Link, collection: str) -> list[Effect]:
        if not link.interests.theirs.vouches_for(collection):
            return self._give_up(now, link.id, collection)
        if link.peer.content == UNSETTLED:
            # Its digest of the moment follows.
            return []
        if not (self._is_proved(link, collection) and self._pipeline.is_idle):
            return self._give_up(now, link.id, collection)
        request, _ = self._leaving.pop(collection)
        upto = self._pipeline.durable.last_arrival
        return self._go(collection, request, upto)

    def _give_up(self, now: Instant, link: LinkId, collection: str) -> list[Effect]:
        """Count on a peer no more; keep the collection after all when it was the last one."""
        request, waiting = self._leaving[collection]
        if link not in waiting:
            return []
        waiting.discard(link)
        if waiting:
            return []
        del self._leaving[collection]
        return [Refuse(request, self._unproved(collection)), *self._tell(now)]

    def _is_proved(self, link: Link, collection: str) -> bool:
        """Tell whether a peer keeps all of a collection, and is equal to this device just now."""
        assert link.device is not None, "only members are linked"
        standing = self._book[link.device]
        equal = standing.link == link.id and standing.verdict is Verdict.EQUAL
        vouched = link.interests.theirs.vouches_for(collection)
        return equal and vouched and collection not in link.interests.without

    def _is_everybody_equal(self, collection: str) -> bool:
        """Tell whether nobody has more of a collection; a suspended device may, and come back."""
        return not self._members.membership.suspended and all(
            self._has_no_more(self._book[device].link, device, collection)
            for device in self._members.others
        )

    def _has_no_more(self, link: LinkId | None, device: DeviceId, collection: str) -> bool:
        it = None if link is None else self._links[link]
        if it is None or self._book[device].verdict is not Verdict.EQUAL:
            return False
        forgotten = collection in it.interests.theirs.forgotten
        return forgotten or collection not in it.interests.without

    # What follows ------------------------------------------------------------------------

    def _proved(self, link: Link) -> list[Effect]:
        """Nothing is missing any more of what a peer holds all of, once both are equal.

        Nor where every other member is equal, for then nobody has more.
        """
        partial_here = self._pipeline.newest.interest.partial
        whole = frozenset(
            name
            for name in partial_here
            if self._is_proved(link, name) or self._is_everybody_equal(name)
        )
        # Idle, since what waits may bring something new that is missing.
        if not whole or not self._pipeline.is_idle:
            return []
        report = Report("info", "collections_whole", {"collections": len(whole)})
        return [report, *self._submit(InterestJob(partial(Interest.whole, collections=whole)))]

    def _go(self, collection: str, request: int, upto: int) -> list[Effect]:
        def change(interest: Interest) -> Interest:
            return interest.forget(collection, upto)

        self._going.add(collection)
        self._replication.leaving |= {collection}
        return self._submit(InterestJob(change, request, collection))

    def done(self, now: Instant) -> list[Effect]:
        """Take note that a change of what is kept is durable; tell everybody."""
        self._going -= self._pipeline.durable.interest.forgotten
        return [*self._tell(now), StatusChanged()]

    def learned(self, now: Instant, learned: Learned) -> list[Effect]:
        """Take note that it is durable who is a member; whoever is new may bring something.

        Peers have been told of the operations right before: who does not know of a new member
        vouches for what nobody is sure of any more.
        """
        is_in_doubt = learned.joined and self._pipeline.durable.interest.is_limited
        return self._tell(now) if is_in_doubt else []

    def failed(self, now: Instant, job: InterestJob, error: VaultError) -> list[Effect]:
        """Take note that what is kept could not be changed; a proof comes again."""
        self._going.discard(job.forgets or "")
        report = Report("error", "persist_failed", {"reason": error.code})
        answer: list[Effect] = [] if job.request is None else [Refuse(job.request, error)]
        return [report, *answer, *self._tell(now)]

    def _tell(self, now: Instant) -> list[Effect]:
        self._replication.leaving = frozenset(self._leaving) | self._going
        content = self._pipeline.durable
        told = (self._replication.state(now, link, content) for link in self._links.up())
        return [effect for effects in told for effect in effects]

    def _submit(self, job: InterestJob) -> list[Effect]:
        return self._pipeline.submit(job).effects

    @property
    def _interest(self) -> Interest:
        return self._pipeline.newest.interest
