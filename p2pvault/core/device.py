"""The device: one input in, an ordered list of effects out.

It composes the parts and decides nothing that one of them can decide: links carry conversations,
replication and introductions read and write them, the pipeline changes the vault, members know
who belongs to it, learning tells what becomes known of that, the dialer and the beacon find peers,
pairing admits new ones.

Whatever a peer does wrong ends its link here, in one place. Whatever the person asks that cannot
be done becomes a `Refuse`. Everything else is a bug and is not caught.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

from p2pvault.core import asks, io, loads
from p2pvault.core.at_once import EraseJob, InterestJob, PlainJob
from p2pvault.core.beacon import Beacon
from p2pvault.core.book import Book
from p2pvault.core.clones import Clones
from p2pvault.core.conversation import Conversation
from p2pvault.core.desk import Desk
from p2pvault.core.dialer import Dialer
from p2pvault.core.erasing import Erasing
from p2pvault.core.errands import NOTHING_LEARNED, Errand, Errands, Then
from p2pvault.core.fetch import Fetch
from p2pvault.core.folding import FoldJob
from p2pvault.core.forks import Forks
from p2pvault.core.inquiries import CountsLoaded, RangesLoaded, RepairRequested, WholeLoaded
from p2pvault.core.introductions import Introductions
from p2pvault.core.io import Effect, Input
from p2pvault.core.jobs import EditJob, EntriesJob, Job, RetractJob, paced
from p2pvault.core.keeping import Keeping
from p2pvault.core.learning import Learning
from p2pvault.core.link import Link, Phase
from p2pvault.core.links import Links
from p2pvault.core.members import Learned, Members
from p2pvault.core.pairing import AdmitDevice, Outcome, Pairing
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.quarantine import LiftJob, ReleaseJob, SettleJob
from p2pvault.core.reach import Reach
from p2pvault.core.recount import RecountJob
from p2pvault.core.recovering import Decided, decide
from p2pvault.core.repair import Repair, recount_failed
from p2pvault.core.replication import Replication
from p2pvault.core.restore import SnapshotsJob
from p2pvault.core.rollback import Memory, Rollback
from p2pvault.core.steps import Circumstances, Done, Failed, Step
from p2pvault.core.supply import loaded
from p2pvault.core.sweep import Sweep
from p2pvault.core.upkeep import Upkeep
from p2pvault.crypto.entropy import Entropy
from p2pvault.crypto.envelope import Message
from p2pvault.crypto.schedule import fingerprint_key
from p2pvault.errors import (
    AuthenticationError,
    CrdtError,
    CryptoError,
    RemoteProtocolError,
    VaultError,
)
from p2pvault.types import Address, Batch, DeviceId, Instant, LinkId, PeerRow

REMOTE_FAULTS = (RemoteProtocolError, AuthenticationError, CryptoError, CrdtError)
"""What a peer can make happen; it ends that peer's link and nothing else."""


class Device:
    """One device of the vault. See `handle`."""

    def __init__(
        self, members: Members, book: Book, pipeline: Pipeline, entropy: Entropy, memory: Memory
    ) -> None:
        self.members = members
        self.book = book
        self.pipeline = pipeline
        self._entropy = entropy
        self._dialer = Dialer(entropy)
        self.links = Links(members, book, self._dialer, entropy)
        self.clones = Clones(book, self.links, entropy)
        self._introductions = Introductions(members, book, self.clones.run)
        self._repair = Repair(members.device, fingerprint_key(members.vault), book)
        self._errands = Errands(pipeline)
        self._replication = Replication(members.vault, book, self._repair, self._errands)
        self.fetch = Fetch(self.links, members, self._replication, pipeline, self._save)
        self.rollback = rollback = Rollback(members, pipeline, self._errands, memory)
        self.forks = Forks(members, book, pipeline, rollback)
        self._keeping = keeping = Keeping(self.links, book, members, self._replication, pipeline)
        errands, forks, dialer = self._errands, self.forks, self._dialer
        self._desk = Desk(members, book, pipeline, errands, keeping, rollback, dialer)
        self._erasing = Erasing(pipeline)
        replication, repair, fetch = self._replication, self._repair, self.fetch
        talk = (self._introductions, replication, repair, fetch, forks, self.clones, keeping)
        self._conversation = Conversation(*talk, pipeline)
        self._sweep = Sweep(self.links, self._replication)
        self._beacon = Beacon(members, book, entropy)
        self._reach = Reach(self.links, self._dialer, self._beacon, self._conversation, entropy)
        told = (self.links, self._introductions, keeping, errands, self._beacon)
        self._learning = Learning(members, *told, entropy, self._recognise_all)
        self._pairing = Pairing(members, entropy)
        self._upkeep = Upkeep(members, pipeline, book.acknowledged, self._save)
        self._wake_at: float | None = None
        self._stopping = False

    def handle(self, now: Instant, given: Input) -> list[Effect]:
        """Take one input.

        Args:
            now: Both clocks.
            given: What happened.

        Returns:
            What to do, in this order.
        """
        effects = self._dispatch(now, given)
        if not self._stopping:
            self._upkeep.arm(now)
            self.fetch.arm(now)
            effects += self._try_again(now) + self._erasing.go_on(now)
            effects += self._dialer.plan(now.monotonic, self.links.unlinked())
            effects += self._schedule()
        return effects

    def _dispatch(self, now: Instant, given: Input) -> list[Effect]:  # noqa: C901, PLR0911, PLR0912
        # One line an input: the whole table of what a device reacts to, in one place.
        match given:
            case io.BytesReceived():
                return self._received(now, given)
            case io.Persisted(batch):
                return self._step(now, self.pipeline.persisted(batch))
            case io.RecordsLoaded():
                return self._step(now, self.pipeline.loaded(given, self._circumstances(now)))
            case loads.SnapshotsLoaded(link):
                return self._on(now, link, lambda it: loaded(it, given, self.pipeline.durable))
            case loads.SurplusLoaded() | loads.SurplusUnknown():
                return self._upkeep.answered(now, given)
            case loads.ForgottenLoaded() | loads.ForgottenUnknown():
                return self._erasing.loaded(now, given)
            case io.EntriesLoaded(link):
                return self._on(now, link, lambda it: self._conversation.loaded(it, given))
            case CountsLoaded(link) | RangesLoaded(link) | WholeLoaded(link):
                found = partial(self._repair.found, finding=given)
                return self._on(now, link, lambda it: self._heal(now, found(it)))
            case io.HashesLoaded(asked):
                looked_up = self._conversation.looked_up
                return self._on(now, asked.link, lambda it: looked_up(now, it, given))
            case io.BranchLoaded():
                return self._step(now, self.pipeline.branch_loaded(given))
            case io.Writable(link):
                return self._on(now, link, self._conversation.writable)
            case (
                asks.EditRequested()
                | asks.SettleQuarantine()
                | asks.KeepRequested()
                | asks.ForgetRequested()
                | asks.AddressGiven()
            ):
                return self._asked(given.request, lambda: self._desk.take(now, given))
            case io.LinkUp(link):
                return [io.Hangup(link)] if self._stopping else self.links.begin(now, given)
            case io.LinkDown(link):
                return self._down(now, link)
            case io.DialFailed(attempt):
                self._dialer.failed(attempt)
                return []
            case io.PeerSeen():
                return self._reach.seen(now, given)
            case io.Woken():
                return self._wake(now)
            case io.NetworkChanged(addresses):
                return self._network_changed(now, addresses)
            case io.AdvertiseFailed(instance):
                return self._beacon.taken(now, instance)
            case io.PersistFailed(batch, error):
                return self._step(now, self.pipeline.persist_failed(batch, error))
            case io.LoadFailed(error, link):
                return self._load_failed(now, error, link)
            case io.WatchersChanged(watched):
                self.pipeline.watched = watched
                return []
            case asks.RenameRequested() | asks.RevokeRequested():
                return self._asked(given.request, lambda: self._decide(now, given))
            case asks.ReinstateRequested() | asks.RecoveryRequested() | asks.RecoveryForgotten():
                return self._asked(given.request, lambda: self._decide(now, given), outside=True)
            case RepairRequested():
                return self._heal(now, self._repair.asked(self.links.up(), given))
            case asks.PairingRequested():
                return self._asked(given.request, lambda: self._pairing.open(now, given))
            case io.PairingStreamUp(link):
                return self._paired(now, self._pairing.stream_up(now, link))
            case asks.WordsTyped(request, words):
                return self._asked(
                    request,
                    lambda: self._paired(now, self._pairing.type_words(now, request, words)),
                )
            case asks.PairingCancelled(request):
                return self._paired(now, self._pairing.cancel(now, request))
            case io.Stop():
                return self._stop(now)
            case _:
                assert_never(given)

    # Links -------------------------------------------------------------------------------

    def _received(self, now: Instant, given: io.BytesReceived) -> list[Effect]:
        if self._pairing.owns(given.link):
            return self._paired(now, self._pairing.receive(now, given.data))
        return self._on(now, given.link, lambda link: self._hear_all(now, link, given.data))

    def _on(self, now: Instant, link: LinkId, act: Callable[[Link], list[Effect]]) -> list[Effect]:
        """Do something on a link, if it is still there; the one place where faults end links."""
        it = self.links[link]
        if it is None or it.phase is Phase.CLOSED:
            return []
        try:
            return act(it)
        except REMOTE_FAULTS as error:
            return self.links.fail(now, it, error)

    def _hear_all(self, now: Instant, link: Link, data: bytes) -> list[Effect]:
        """Take bytes; a fault in one message does not undo what those before it led to."""
        was = link.phase
        effects, messages = self.links.receive(now, link, data)
        if was is Phase.HANDSHAKE and link.phase is Phase.INTRODUCING:
            effects += self._recognise(now, link)
            if link.phase is Phase.INTRODUCING:
                effects += self._conversation.ask(link)
        effects += self._hear_each(now, link, messages)
        if link.phase is not Phase.CLOSED and link.peer_closed:
            effects += self.links.close(now, link)
        return effects

    def _hear_each(self, now: Instant, link: Link, messages: Sequence[Message]) -> list[Effect]:
        effects: list[Effect] = []
        for message in messages:
            effects += self._on(now, link.id, partial(self._hear, now, message))
        return effects

    def _hear(self, now: Instant, message: Message, link: Link) -> list[Effect]:
        if link.phase is Phase.INTRODUCING:
            told = self._conversation.hear_stranger(link, message)
            if isinstance(told, Learned) and not told.operations:
                self.links.refuse_outsider(link)
            return self._learning.take(now, told) if isinstance(told, Learned) else told
        heard = self._conversation.hear(now, link, message)
        match heard:
            case Learned():
                return self._learning.take(now, heard)
            case EntriesJob() | SnapshotsJob():
                jobs = paced(heard)
                return self.rollback.arrived(heard) + self._submit(now, jobs)
            case PeerRow():
                return self._remember(heard)
            case None:
                return []
            case _:
                return heard

    def _recognise(self, now: Instant, link: Link) -> list[Effect]:
        recognised = self.links.recognise(now, link)
        if recognised is None:
            return []
        effects, held = recognised
        if link.phase is Phase.UP:
            effects += self._conversation.begin(now, link)
        return effects + self._hear_each(now, link, held)

    def _recognise_all(self, now: Instant) -> list[Effect]:
        effects: list[Effect] = []
        for link in self.links:
            if link.phase is Phase.INTRODUCING:
                effects += self._on(now, link.id, lambda it: self._recognise(now, it))
        return effects

    def _heal(self, now: Instant, outcomes: Sequence[Effect | RecountJob]) -> list[Effect]:
        recounts = [each for each in outcomes if isinstance(each, RecountJob)]
        effects = [each for each in outcomes if not isinstance(each, RecountJob)]
        return effects + self._submit(now, recounts)

    def _down(self, now: Instant, link: LinkId) -> list[Effect]:
        if self._pairing.owns(link):
            return self._paired(now, self._pairing.stream_down(now))
        gone = self.links[link]
        device = gone.device if gone is not None else None
        effects = self.links.down(now, link) + self.fetch.lost(now, link)
        effects += self._keeping.lost(now, link)
        if device is not None:
            effects += self._remember(self.book[device].row)
        return effects

    # The pipeline ------------------------------------------------------------------------

    def _step(self, now: Instant, step: Step) -> list[Effect]:
        effects = list(step.effects)
        if step.done is not None:
            effects += self._done(now, step.done)
        for failed in step.failed:
            effects += self._failed(now, failed)
        return effects

    def _submit(self, now: Instant, jobs: Sequence[Job]) -> list[Effect]:
        return [e for job in jobs for e in self._step(now, self.pipeline.submit(job))]

    def _circumstances(self, now: Instant) -> Circumstances:
        # An entry must not name an operation that a crash could take back, nor count by one.
        members, log = self.members, self.pipeline.newest.log
        certain = members.as_of(log or members.durable)
        return Circumstances(now, members.membership, certain, members.durable.heads)

    def _done(self, now: Instant, done: Done) -> list[Effect]:
        effects: list[Effect] = []
        if done.staged.changes:
            effects.append(io.Publish(done.staged.changes))
        effects += [io.Answer(request, edited) for request, edited in done.answers]
        if done.link is not None:
            effects += self._on(now, done.link, lambda link: self._took_in(link, done))
        if done.retracted is not None:
            # What was said on links of our journals holds no more.
            effects += self.forks.ended(done.retracted, done.staged)
            effects += self.links.close_all(now)
        if done.staged.entries or done.staged.batch.fingerprints:
            effects += self._announce(now, done)
        effects += self._sweep.done(now, done, self.members.membership)
        if done.plain is not None:
            effects += self._learning.durable(now, done.plain)
        if done.interest:
            effects += self._keeping.done(now)
        self._erasing.done(done)
        return effects + self.fetch.done(now, done) + self._upkeep.done(now, done)

    def _took_in(self, link: Link, done: Done) -> list[Effect]:
        link.inbound.take_out(done.received_bytes)
        self._replication.took_in(link, done.arrived)
        return self._repair.took(link, done) + self.forks.examine(link)

    def _announce(self, now: Instant, done: Done) -> list[Effect]:
        effects: list[Effect] = []
        entries = done.staged.entries
        for link in self.links.up():
            link.schedule_beat(now, self._entropy)
            effects += self._replication.announce(now, link, done.staged.content, entries)
            effects += self.forks.proved(link)
            effects += self._keeping.heard(now, link)
            self.clones.proved(link)
        return effects

    def _failed(self, now: Instant, failed: Failed) -> list[Effect]:  # noqa: PLR0911
        # One line a kind of job: the whole table, in one place.
        match failed.job:
            case EditJob(request=request) | SettleJob(request=request):
                return [io.Refuse(request, failed.error)]
            case EntriesJob(link=link) | SnapshotsJob(link=link):
                return self._arrival_failed(now, link, failed)
            case RetractJob(author=author):
                return self.forks.ended(author) + self.links.contest_anew(now, failed.error)
            case ReleaseJob() | LiftJob():
                return self._sweep.failed(now, failed.error)
            case RecountJob():
                return recount_failed(failed.job, failed.error)
            case PlainJob():
                # A removal that has to wait for the disk is in force all the same.
                effects = self._errands.failed(now, failed.job, failed.error)
                return effects + self.links.end_removed(now)
            case InterestJob():
                self._erasing.rest(now)
                return self._keeping.failed(now, failed.job, failed.error)
            case EraseJob():
                return self._erasing.failed(now, failed.error)
            case FoldJob():
                return self._upkeep.failed(failed.job, failed.error)
            case _:
                assert_never(failed.job)

    def _arrival_failed(self, now: Instant, link: LinkId, failed: Failed) -> list[Effect]:
        it = self.links[link]
        if it is not None and isinstance(failed.job, EntriesJob):
            excused = self.forks.excuse(it, failed.job, failed.error)
            if excused is not None:
                return excused
        self.pipeline.abandon(link)
        return [] if it is None else self.links.fail(now, it, failed.error)

    def _load_failed(self, now: Instant, error: VaultError, link: LinkId | None) -> list[Effect]:
        report = io.Report("error", "load_failed", {"reason": error.code})
        if link is None:
            return [report, *self._step(now, self.pipeline.load_failed(error))]
        it = self.links[link]
        return [report, *(self.links.fail(now, it, error) if it is not None else [])]

    # Membership --------------------------------------------------------------------------

    def _remember(self, row: PeerRow) -> list[Effect]:
        acknowledged = self.book.acknowledged.take_unsaved()
        batch = Batch(peers=(row,), acknowledged=acknowledged, meta=self.book.take_unsaved())
        return self._errands.save(batch, Errand(NOTHING_LEARNED, self.members.log))

    def _save(self, batch: Batch, then: Then, lacks: frozenset[str] = frozenset()) -> list[Effect]:
        errand = Errand(NOTHING_LEARNED, self.members.log, then=then)
        return self._errands.save(batch, errand, lacks)

    def _decide(self, now: Instant, asked: Decided) -> list[Effect]:
        learned, about = decide(self.members, now, self._entropy, asked, self.pipeline.newest)
        answer = io.Answer(asked.request, (about, self.members.name_of(about)))
        return self._learning.take(now, learned, answer)

    def _paired(self, now: Instant, outcomes: Sequence[Outcome]) -> list[Effect]:
        effects: list[Effect] = []
        for outcome in outcomes:
            if isinstance(outcome, AdmitDevice):
                effects += self._admit(now, outcome)
            else:
                effects.append(outcome)
        return effects

    def _admit(self, now: Instant, asked: AdmitDevice) -> list[Effect]:
        try:
            learned = self.members.admit(now, self._entropy, asked.card, asked.role, asked.key)
        except VaultError as error:
            return self._paired(now, self._pairing.admission_failed(now, error))
        then = partial(self._admitted, device=asked.card.id)
        return self._learning.take(now, learned, then=then)

    def _admitted(self, now: Instant, device: DeviceId) -> list[Effect]:
        return self._paired(now, self._pairing.admitted(now, device))

    # Local requests ----------------------------------------------------------------------

    def _asked(
        self, request: int, act: Callable[[], list[Effect]], *, outside: bool = False
    ) -> list[Effect]:
        try:
            if not outside:
                self.members.check_inside()
            return act()
        except VaultError as error:
            return [io.Refuse(request, error)]

    def _try_again(self, now: Instant) -> list[Effect]:
        jobs = self._sweep.due(now, self.pipeline.durable, self.members.membership)
        effects = self._step(now, self.pipeline.submit(*jobs)) if jobs else []
        return effects + self.forks.look_again(self.links.up())

    # The network and time ----------------------------------------------------------------

    def _network_changed(self, now: Instant, addresses: tuple[Address, ...]) -> list[Effect]:
        self._introductions.listening = self._pairing.listening = addresses
        owed = self._errands.settle(now, self.members, self._entropy)
        return owed + self._reach.moved(now, addresses)

    def _wake(self, now: Instant) -> list[Effect]:
        self._wake_at = None
        effects = self._paired(now, self._pairing.wake(now)) + self._errands.retry(now)
        return effects + self._upkeep.wake(now) + self.fetch.wake(now) + self._reach.wake(now)

    def _schedule(self) -> list[Effect]:
        times = (self._pairing.deadline, self._beacon.next_slot_at, self._errands.retry_at)
        others = (self._sweep.retry_at, self._upkeep.wake_at, self.fetch.wake_at)
        last = self.links.deadline, self._dialer.deadline(), self._erasing.retry_at
        earliest = min(*times, *others, *last)
        at = None if earliest == float("inf") else earliest
        if at == self._wake_at:
            return []
        self._wake_at = at
        return [io.WakeAt(at)]

    def _stop(self, now: Instant) -> list[Effect]:
        self._stopping = True
        return self.links.close_all(now)
