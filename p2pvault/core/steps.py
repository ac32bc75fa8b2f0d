"""What the pipeline is told and what it says: under which circumstances, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from p2pvault.core.io import Effect, Result
from p2pvault.core.jobs import Job
from p2pvault.core.staging import Staged
from p2pvault.errors import VaultError
from p2pvault.protocol.membership.state import Membership
from p2pvault.types import AuthorId, Instant, LinkId, OperationHash, StoredEntry


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a staging needs to know besides the vault's content.

    Attributes:
        now: Both clocks.
        membership: Who belongs to the vault, as far as anything is known.
        certain: The same without operations that would become durable behind the staging.
        heads: The newest operations that are durable.
    """

    now: Instant
    membership: Membership
    certain: Membership
    heads: tuple[OperationHash, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """A durable batch and what it was for.

    Attributes:
        staged: The batch and what it leads to.
        answers: The local requests in it, each with what came of it.
        link: The link whose entries or snapshots are in it.
        arrived: The entries in it that came over that link.
        received_bytes: Size of those, passed-over ones included.
        restored: Number of snapshots in it that a repair asked for.
        fetched_bytes: The part of the received bytes that is snapshots of a cut.
        recounted: Number of fingerprints that it corrects; None where it was for something else.
        plain: The name of the plain job in it.
        retried: How many jobs of the quarantine's own are in it.
        judged_by: What entries were judged by, if there were any.
        retracted: The journal whose end it took away.
        interest: Whether it changes what this device keeps.
        erased: Whether it is a step of erasing what is not kept.
    """

    staged: Staged
    answers: tuple[tuple[int, Result], ...] = ()
    link: LinkId | None = None
    arrived: tuple[StoredEntry, ...] = ()
    received_bytes: int = 0
    restored: int = 0
    fetched_bytes: int = 0
    recounted: int | None = None
    plain: int | None = None
    retried: int = 0
    judged_by: tuple[Membership, ...] = ()
    retracted: AuthorId | None = None
    interest: bool = False
    erased: bool = False

    def saving(self, meta: Mapping[str, bytes | None]) -> "Done":
        """Return the same with more named values in the batch."""
        if not meta:
            return self
        batch = replace(self.staged.batch, meta={**self.staged.batch.meta, **meta})
        return replace(self, staged=replace(self.staged, batch=batch))


@dataclass(frozen=True, slots=True)
class Failed:
    """A job that came to nothing, and why."""

    job: Job
    error: VaultError


@dataclass(slots=True)
class Step:
    """What one input to the pipeline led to."""

    effects: list[Effect] = field(default_factory=list)
    done: Done | None = None
    failed: list[Failed] = field(default_factory=list)
