"""How far a repair on one link is."""

from collections import deque
from dataclasses import dataclass, field

from p2pvault.limits import REPAIR_RECORDS_MAX
from p2pvault.protocol.ranges import Part, Search
from p2pvault.protocol.snapshot import Assembly
from p2pvault.types import RecordId


@dataclass(slots=True)
class Mending:
    """The state of repair on one link, in both directions.

    Attributes:
        checked: Our own fingerprints were counted anew since the content differed.
        counting: The store does that now.
        fetching: What differs is known to be missing on one side, so nothing is damaged.
        rounds: Searches that we began.
        search: Our side of the present one.
        inbox: Ranges that the peer sent and that are not compared yet.
        comparing: The store works out what we hold in the first of them.
        wanted: Records to ask for; at most REPAIR_RECORDS_MAX.
        quiet: Those asked for last are fetched and not repaired.
        asked: Records asked for that did not come yet.
        awaiting: The peer owes an answer to that.
        came: Whether a record came with this answer.
        assembly: Puts the pieces together.
        staged: Records that came and are not durable yet.
        to_serve: Records that the peer asked for.
        serving: The store reads them now.
        messages: What the peer sent for repair on this link.
    """

    checked: bool = False
    counting: bool = False
    fetching: bool = False
    rounds: int = 0
    search: Search = field(default_factory=Search)
    inbox: deque[tuple[Part, ...]] = field(default_factory=deque)
    comparing: bool = False
    wanted: dict[RecordId, None] = field(default_factory=dict)
    quiet: bool = False
    asked: set[RecordId] = field(default_factory=set)
    awaiting: bool = False
    came: bool = False
    assembly: Assembly = field(default_factory=Assembly)
    staged: int = 0
    to_serve: tuple[RecordId, ...] = ()
    serving: bool = False
    messages: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way that could still make the content equal."""
        searching = self.counting or self.search.running or bool(self.inbox)
        return not (searching or self.wanted or self.awaiting or self.staged)

    def want(self, records: list[RecordId]) -> None:
        """Note records to ask for, as many as there is room for."""
        for record in records:
            if len(self.wanted) < REPAIR_RECORDS_MAX:
                self.wanted[record] = None
