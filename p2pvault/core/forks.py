"""Two branches of one journal: noticed, told, and made one again.

One of them has to go; docs/protocol/journal.md, "Forks", has the rules. In short: the author gives
way as long as it has not taken up another device's branch of that journal; after that its branch
stands, and it tells whoever holds another one to give way. Where the author is out for good, the
branch with the smaller hash where they part stands. Whoever gives way finds the last shared entry,
and retracts what comes after it.
"""

from collections.abc import Iterable
from typing import Literal, assert_never

from p2pvault.core.book import Book
from p2pvault.core.io import Effect, HashesLoaded, LoadHashes, Report, StatusChanged, Write
from p2pvault.core.jobs import EntriesJob, RetractJob
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Link
from p2pvault.core.members import Members
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.proof import Signer
from p2pvault.core.repair import report_damaged
from p2pvault.core.rollback import Rollback
from p2pvault.core.staging import Staged
from p2pvault.errors import CrdtError, UnexpectedMessage, VaultError
from p2pvault.protocol.fork import Fork, Narrowing, Word, decode_fork, encode_fork
from p2pvault.protocol.membership.state import Membership
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import AuthorId, DeviceId, JournalHead


class Forks:
    """Watches what peers hold of journals, and mends those that forked."""

    def __init__(
        self, members: Members, book: Book, pipeline: Pipeline, rollback: Rollback
    ) -> None:
        self._members = members
        self._book = book
        self._pipeline = pipeline
        self._rollback = rollback
        self._retracting: set[AuthorId] = set()
        self._looked_at: Membership | None = None

    # Noticing ----------------------------------------------------------------------------

    def examine(self, link: Link) -> list[Effect]:
        """Look at what a peer holds; call it whenever it has said so or sent entries."""
        durable, peer = self._pipeline.durable.journals, link.peer
        for author, head in peer.journals.items():
            ours = durable.get(author)
            if ours is not None and ours.n == head.n and ours.hash != head.hash:
                peer.contested.add(author)
        effects = self._rollback.examine(link) + self._check(link)
        for author in sorted(peer.contested - link.talk.told - link.talk.doubtful):
            effects += self._tell(link, author)
        return effects + self._decide(link)

    def _check(self, link: Link) -> list[Effect]:
        """Look up, once a link, what we hold where journals end that we hold more of.

        The peer's branch may be the shorter one. It cannot tell before we send it ours, and its
        other entries may build on it.
        """
        if link.talk.checks is not None:
            return []
        durable = self._pipeline.durable.journals
        link.talk.checks = {
            author: head
            for author, head in link.peer.journals.items()
            if author in durable and 0 < head.n < durable[author].n
        }
        return [
            LoadHashes(link.id, author, (head.n,), "check")
            for author, head in sorted(link.talk.checks.items())
        ]

    def _checked(self, link: Link, author: AuthorId, ours: bytes) -> list[Effect]:
        assert link.talk.checks is not None, "it was asked for"
        head = link.talk.checks.pop(author)
        if ours and ours != head.hash:
            link.peer.contested.add(author)
        else:
            # What we keep no more was acknowledged by all, so by this peer too.
            self._agreed(link, head)
        if (
            link.talk.doubtful
            and not link.talk.checks
            and link.peer.contested <= link.talk.doubtful
        ):
            assert link.device is not None, "only members are listened to"
            self._book[link.device].unforked = True
            raise UnexpectedMessage("entries that build on what was never sent")
        return self.examine(link)

    def _agreed(self, link: Link, head: JournalHead) -> None:
        assert link.device is not None, "only members are listened to"
        link.peer.agree(head)
        self._book.acknowledged.heard(link.device, link.peer.agreed)

    def excuse(self, link: Link, job: EntriesJob, error: VaultError) -> list[Effect] | None:
        """Take note that an entry could not be taken; None where the peer is to blame.

        It may build on a branch that is not here. Then nothing more is taken of its journal on
        this link. Where it only might have when it came, it is taken on the next link.
        """
        if not isinstance(error, CrdtError):
            return None
        if not (link.peer.contested or link.talk.checks):
            assert link.device is not None, "only members are listened to"
            self._book[link.device].unforked |= job.whole
            return None
        link.inbound.take_out(sum(len(entry.data) for entry in job.entries))
        authors = {entry.author for entry in job.entries}
        link.talk.doubtful |= authors
        link.peer.contested |= authors
        return []

    def _tell(self, link: Link, author: AuthorId) -> list[Effect]:
        assert link.device is not None, "only members are listened to"
        link.talk.told.add(author)
        standing = self._book[link.device]
        standing.verdict, standing.contested = Verdict.CONTRADICTION, self._owner(author)
        fields = {"device": link.device.hex(), "journal": author.hex()}
        effects: list[Effect] = [Report("error", "journal_forked", fields), StatusChanged()]
        return [*effects, _say(link, Fork(Word.CONTESTED, author)), *self._resolve(link, author)]

    def proved(self, link: Link) -> list[Effect]:
        """Take note of what a peer was last compared to; equal means that all is well again."""
        assert link.device is not None, "only members are listened to"
        standing = self._book[link.device]
        if standing.verdict is not Verdict.EQUAL:
            return []
        standing.contested = None
        return self._rollback.proved()

    def _owner(self, author: AuthorId) -> DeviceId | None:
        return self._pipeline.newest.devices.get(author)

    def look_again(self, links: Iterable[Link]) -> list[Effect]:
        """Do what a change of the membership asks for; call it at any time."""
        if self._members.membership is self._looked_at:
            return []
        self._looked_at = self._members.membership
        return [*self._shed(), *(each for link in links for each in self._decide(link))]

    def _shed(self) -> list[Effect]:
        """Take out what is held of an outsider's journal and counts nowhere, and repeat it as ours.

        A device states how much it has accepted before it can come to this. Where a copy of it has
        spoken in its name it may hold more than was stated, and can say so no more.
        """
        membership, content = self._members.membership, self._pipeline.newest
        if not self._members.is_member or membership.owing.get(self._members.device):
            return []
        effects: list[Effect] = []
        for author, head in content.journals.items():
            last = membership.acceptance(content.devices[author], author)
            if last is not None and head.n > last and author not in self._retracting:
                self._retracting.add(author)
                effects += self._retraction(author, last + 1)
        return effects

    # Making one of two -------------------------------------------------------------------

    def _resolve(self, link: Link, author: AuthorId) -> list[Effect]:
        """Give way, or tell the peer to, if one of us is the author; others wait for it."""
        if self._is_orphan(author):
            return self._narrow(link, author)
        if self._owner(author) != self._members.device:
            return []
        effects = self._rollback.believe(link, author) if author == self._pipeline.author else []
        if self._may_give_way(author):
            return effects + self._narrow(link, author)
        return [*effects, _say(link, Fork(Word.GIVE_WAY, author))]

    def _is_orphan(self, author: AuthorId) -> bool:
        """Tell whether the device of a journal is out for good, so that nobody speaks for it."""
        owner = self._owner(author)
        return owner is not None and self._members.membership.acceptance(owner, author) is not None

    def _decide(self, link: Link) -> list[Effect]:
        """Begin what has to be searched, and could not before: a HAVE missed, or a search ran."""
        told = {a for a in link.peer.contested & link.talk.told if self._is_for_us(a)}
        ours, theirs = self._pipeline.newest.journals, link.peer.journals
        due = (a for a in sorted(told | link.talk.ordered) if ours.get(a) != theirs.get(a))
        return [each for author in due for each in self._narrow(link, author)]

    def _is_for_us(self, author: AuthorId) -> bool:
        """Tell whether it is for us to see which branch goes, without a word of the author's."""
        is_ours = self._owner(author) == self._members.device
        return self._may_give_way(author) if is_ours else self._is_orphan(author)

    def _may_give_way(self, author: AuthorId) -> bool:
        """Tell whether what we hold of our own journal is still what we wrote ourselves."""
        return self._rollback.is_untouched(author, self._pipeline.newest.journals.get(author))

    def heard(self, link: Link, body: bytes) -> list[Effect]:
        """Take a FORK message.

        Raises:
            RemoteProtocolError: One that makes no sense here.
        """
        fork = decode_fork(body)
        if fork.author not in self._pipeline.newest.devices:
            raise UnexpectedMessage("a fork of a journal that is not known here")
        match word := Word(fork.word):
            case Word.CONTESTED:
                link.peer.contested.add(fork.author)
                return self.examine(link) or self._resolve(link, fork.author)
            case Word.ASK:
                return self._ask_store(link, fork, "answer")
            case Word.ANSWER:
                return self._answered(link, fork)
            case Word.GIVE_WAY:
                return self._told_to_give_way(link, fork.author)
            case Word.PROVE:
                return self._asked_to_prove(link, fork)
            case Word.PROOF:
                return self._proved(link, fork)
            case _:
                assert_never(word)

    def _ask_store(
        self, link: Link, fork: Fork, purpose: Literal["answer", "prove"]
    ) -> list[Effect]:
        if link.talk.answering:
            raise UnexpectedMessage("a second question about a fork before the first was answered")
        link.talk.answering = True
        return [LoadHashes(link.id, fork.author, fork.numbers, purpose)]

    def _asked_to_prove(self, link: Link, fork: Fork) -> list[Effect]:
        if fork.author in link.talk.proved:
            raise UnexpectedMessage("a second proof of one journal")
        link.talk.proved.add(fork.author)
        return self._ask_store(link, fork, "prove")

    def _answered(self, link: Link, fork: Fork) -> list[Effect]:
        talk = link.talk
        if (
            talk.narrowing is None
            or talk.theirs is not None
            or (fork.author, fork.numbers) != (talk.author, talk.narrowing.asked)
        ):
            raise UnexpectedMessage("an answer about a fork that was not asked for")
        talk.theirs = fork.hashes
        return [LoadHashes(link.id, fork.author, fork.numbers, "compare")]

    def _told_to_give_way(self, link: Link, author: AuthorId) -> list[Effect]:
        if self._owner(author) != link.device:
            raise UnexpectedMessage("only its author decides about a journal")
        link.talk.ordered.add(author)
        return self._narrow(link, author)

    def _narrow(self, link: Link, author: AuthorId) -> list[Effect]:
        ours = self._pipeline.newest.journals.get(author)
        theirs = link.peer.journals.get(author)
        busy = link.talk.narrowing is not None or author in self._retracting
        if ours is None or theirs is None or busy or author in link.talk.searched:
            return []
        link.talk.searched.add(author)
        link.talk.author, link.talk.narrowing = author, Narrowing(ours.n, theirs.n)
        link.talk.by_hash = self._is_orphan(author)
        return self._go_on(link, link.talk.narrowing, author)

    def loaded(self, link: Link, answer: HashesLoaded) -> list[Effect]:
        """Take hashes from the store, for whatever they were asked."""
        talk, asked = link.talk, answer.asked
        if asked.purpose == "check":
            return self._checked(link, asked.author, answer.hashes[0])
        if asked.purpose == "answer":
            talk.answering = False
            return [_say(link, Fork(Word.ANSWER, asked.author, asked.numbers, answer.hashes))]
        if asked.purpose == "prove":
            talk.answering = False
            return [_say(link, Fork(Word.PROOF, asked.author, asked.numbers, entry=answer.entry))]
        assert talk.narrowing is not None, "there is something to compare for"
        theirs, talk.theirs = talk.theirs, None
        assert theirs is not None, "one answer at a time"
        talk.narrowing.learn(answer.hashes, theirs)
        return self._go_on(link, talk.narrowing, asked.author)

    def _go_on(self, link: Link, narrowing: Narrowing, author: AuthorId) -> list[Effect]:
        common = narrowing.common
        if common is None:
            return [_say(link, Fork(Word.ASK, author, narrowing.ask()))]
        if link.talk.by_hash:
            return self._compare(link, narrowing, author)
        ours = self._pipeline.newest.journals.get(author)
        if ours is None or common >= min(ours.n, narrowing.ours):
            raise UnexpectedMessage("a fork in a journal that is the same on both sides")
        if self._owner(author) == self._members.device:
            # Others may say anything about it; only what we signed ourselves proves it.
            return _ask_to_prove(link, narrowing, narrowing.theirs)
        return self._retract(link, author, common)

    def _compare(self, link: Link, narrowing: Narrowing, author: AuthorId) -> list[Effect]:
        """Give way to the branch with the smaller hash where they part, once that is proved."""
        ours, theirs = narrowing.apart
        if theirs and theirs < ours:
            assert narrowing.common is not None, "the search is over"
            return _ask_to_prove(link, narrowing, narrowing.common + 1)
        link.talk.narrowing = link.talk.author = None
        return self._decide(link)

    def _retract(self, link: Link, author: AuthorId, common: int) -> list[Effect]:
        link.talk.narrowing = link.talk.author = None
        self._retracting.add(author)
        return self._retraction(author, common + 1)

    def _retraction(self, author: AuthorId, n: int) -> list[Effect]:
        reached, others = self._book.acknowledged.reached, self._members.others
        held = {
            each: max((reached(device, each) for device in others), default=0)
            for each in self._pipeline.newest.journals
        }
        return self._pipeline.submit(RetractJob(author, n, held)).effects

    def _proved(self, link: Link, fork: Fork) -> list[Effect]:
        """Give way, now that the peer has shown that we wrote another branch ourselves."""
        narrowing, author = link.talk.narrowing, fork.author
        if (
            narrowing is None
            or narrowing.common is None
            or (author, fork.numbers) != (link.talk.author, (narrowing.shown,))
        ):
            raise UnexpectedMessage("a proof of a fork that was not asked for")
        link.talk.narrowing = link.talk.author = None
        ours = self._pipeline.newest.journals.get(author)
        if ours is None or narrowing.common >= ours.n or author in self._retracting:
            # Meanwhile another retraction took what was in question.
            return []
        is_proven = self._is_proven(link, narrowing, ours, fork.entry)
        if link.talk.by_hash:
            outcome = (
                self._retract(link, author, narrowing.common) if is_proven else self.ended(author)
            )
            return [*outcome, *self._decide(link)]
        if not (is_proven or self._is_harmless(link, author, narrowing.common)):
            # What it holds of its branch may be headers, which it can do without.
            return [*self.ended(author), _say(link, Fork(Word.GIVE_WAY, author))]
        if not self._may_give_way(author):
            return []
        effects = self._rollback.renew(author) if author == self._pipeline.author else []
        return effects + self._retract(link, author, narrowing.common)

    def _is_harmless(self, link: Link, author: AuthorId, common: int) -> bool:
        """Tell whether what would go is known to be with nobody else, so nothing appears twice.

        A peer that keeps its entry no more can prove nothing, and may be right all the same.
        """
        others = [device for device in self._members.others if device != link.device]
        return author != self._pipeline.author and all(
            self._book.acknowledged.reached(device, author) <= common for device in others
        )

    def _is_proven(self, link: Link, narrowing: Narrowing, ours: JournalHead, data: bytes) -> bool:
        owner = self._owner(ours.author)
        assert owner is not None, "journals that are held have owners"
        public = self._members.membership.keys_of(owner)
        assert public is not None, "entries of devices that nobody knows are not held"
        signer = Signer(self._members.vault, public.signing)
        if link.talk.by_hash:
            return signer.has_signed_apart(narrowing, ours, data)
        return signer.has_signed_last(narrowing, ours, data)

    def ended(self, author: AuthorId, staged: Staged | None = None) -> list[Effect]:
        """Take note that a retraction is durable, or (None) came to nothing."""
        self._retracting.discard(author)
        fields = {"journal": author.hex()}
        if staged is None:
            return [Report("error", "fork_not_mended", fields), StatusChanged()]
        self._rollback.retracted(author)
        self._book.acknowledged.cut(staged.batch.cuts)
        damaged: list[Effect] = [report_damaged(record) for record in staged.damaged]
        return [*damaged, Report("warning", "fork_mended", fields), StatusChanged()]


def _say(link: Link, fork: Fork) -> Effect:
    return Write(link.id, link.seal(Kind.FORK, encode_fork(fork)))


def _ask_to_prove(link: Link, narrowing: Narrowing, n: int) -> list[Effect]:
    assert link.talk.author is not None, "there is a journal to ask about"
    narrowing.asked, narrowing.shown = (), n
    return [_say(link, Fork(Word.PROVE, link.talk.author, (n,)))]
