"""What is said on links: messages in, and what they lead to.

Every message is handled by what its kind says, on a link whose peer is a member; before that a
peer may only introduce itself. Whatever breaks a rule raises, and the device ends that link.
"""

from dataclasses import dataclass

from p2pvault.core.clones import Clones
from p2pvault.core.fetch import Fetch
from p2pvault.core.forks import Forks
from p2pvault.core.introductions import Introductions
from p2pvault.core.io import Effect, EntriesLoaded, HashesLoaded
from p2pvault.core.jobs import EntriesJob
from p2pvault.core.keeping import Keeping
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Link, Phase
from p2pvault.core.members import Learned
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.repair import Repair
from p2pvault.core.replication import Replication
from p2pvault.core.restore import SnapshotsJob
from p2pvault.core.supply import heard_wanted
from p2pvault.crypto.envelope import Message
from p2pvault.errors import UnexpectedMessage
from p2pvault.protocol.introduction import decode_greeting
from p2pvault.types import Instant, PeerRow


@dataclass(frozen=True, slots=True)
class Conversation:
    """Reads messages and tells those whose business they are."""

    introductions: Introductions
    replication: Replication
    repair: Repair
    fetch: Fetch
    forks: Forks
    clones: Clones
    keeping: Keeping
    pipeline: Pipeline

    def begin(self, now: Instant, link: Link) -> list[Effect]:
        """Open the conversation with a member: greeting, membership, journals, all at once."""
        effects = self.introductions.begin(now, link)
        return effects + self.replication.begin(link, self.pipeline.durable)

    def ask(self, link: Link) -> list[Effect]:
        """Open the conversation with a peer that may be a new member."""
        return self.introductions.ask(link)

    def loaded(self, link: Link, answer: EntriesLoaded) -> list[Effect]:
        """Send entries that the store has read for a link."""
        return self.replication.loaded(link, answer, self.pipeline.durable)

    def looked_up(self, now: Instant, link: Link, answer: HashesLoaded) -> list[Effect]:
        """Take hashes from the store; records that waited for them may go out, or be asked for."""
        effects = self.forks.loaded(link, answer)
        effects += self.replication.feed(link, self.pipeline.durable)
        return effects + self.fetch.ask_next(now)

    def writable(self, link: Link) -> list[Effect]:
        """Go on sending, since the stream has taken all that was written."""
        link.feed.untaken_bytes = 0
        if link.phase is not Phase.UP:
            return []
        return self.replication.feed(link, self.pipeline.durable) + self.repair.serve(link)

    def beat(self, link: Link) -> list[Effect]:
        """Give a sign of life."""
        return self.replication.beat(link, self.pipeline.durable)

    def hear_stranger(self, link: Link, message: Message) -> Learned | list[Effect]:
        """Take a message where one of the two is no member yet; most of what there is waits."""
        if message.kind == Kind.OPERATIONS:
            return self.introductions.heard_operations(message.body)
        link.hold(message)
        if message.kind == Kind.KNOWN:
            return self.introductions.heard_known_outside(link, message.body)
        return []

    def hear(  # noqa: C901, PLR0911, PLR0912  # one line a kind: the whole table, in one place
        self, now: Instant, link: Link, message: Message
    ) -> list[Effect] | Learned | EntriesJob | SnapshotsJob | PeerRow | None:
        """Take a message of a member.

        Returns:
            Effects to perform, or something learned or received that has to be made durable; None
            where nothing follows.
        """
        assert link.phase is Phase.UP, "strangers are heard elsewhere"
        content = self.pipeline.durable
        match message.kind:
            case Kind.GREETING:
                link.count_introduction(Kind.GREETING)
                greeting = decode_greeting(message.body)
                refused = self.clones.greeted(now, link, greeting.run)
                return refused or self.introductions.heard_greeting(now, link, greeting)
            case Kind.KNOWN:
                link.count_introduction(Kind.KNOWN)
                return self.introductions.heard_known(link, message.body)
            case Kind.OPERATIONS:
                return self.introductions.heard_operations(message.body)
            case Kind.SECRETS:
                return self.introductions.heard_secrets(message.body)
            case Kind.HAVE:
                effects = self.replication.heard_have(now, link, message.body, content)
                self.clones.proved(link)
                effects += self.forks.examine(link) + self.forks.proved(link)
                effects += self.replication.feed(link, content) + self.fetch.ask_next(now)
                return effects + self.keeping.heard(now, link)
            case Kind.INTEREST:
                effects = self.replication.heard_interest(link, message.body, content)
                self.fetch.heard_interest(link)
                return effects + self.keeping.heard(now, link)
            case Kind.ENTRIES:
                return self.replication.heard_entries(link, message.body, content)
            case Kind.BEHIND:
                return self.fetch.heard_behind(now, link, message.body)
            case Kind.SNAPSHOTS_WANTED:
                return heard_wanted(link, message.body, content)
            case Kind.SNAPSHOTS:
                return self.fetch.heard_snapshots(link, message.body)
            case Kind.SNAPSHOTS_END:
                return self.fetch.heard_end(link, message.body)
            case Kind.REFUSED:
                return self.replication.heard_refused(link, message.body, content)
            case Kind.RANGES | Kind.RECORDS_WANTED | Kind.RECORDS:
                return self.repair.heard(link, message, content)
            case Kind.FORK:
                return self.forks.heard(link, message.body)
            case Kind.RUNS_TWICE:
                return self.clones.heard(now, link, message.body)
            case _:
                raise UnexpectedMessage(f"a message of the unknown kind {message.kind}")
