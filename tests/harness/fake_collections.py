"""Which collections the fake daemon keeps: a test says which of them nobody else holds."""

from collections import Counter
from typing import Protocol

from harness.fake_state import FakeRecord
from p2pvault.control.messages import Json, JsonObject
from p2pvault.crdt.schema import check_path_parts
from p2pvault.errors import OnlyHere


class CollectionState(Protocol):
    """The part of the fake daemon's state that this is about."""

    records: list[FakeRecord]
    forgotten: set[str]
    incomplete: set[str]
    only_here: set[str]
    unseen: set[str]


class FakeCollections:
    """The methods `collections`, `collection_keep` and `collection_forget`."""

    state: CollectionState

    def do_collections(self, _: object, after: str = "") -> JsonObject:
        counts = Counter(record.path.split("/")[0] for record in self.state.records)
        known = counts.keys() | self.state.forgotten | self.state.incomplete
        names = sorted(name for name in known if name > after)
        rows: list[Json] = [self._row(name, counts[name]) for name in names[:2]]
        return {"collections": rows, "next": names[1] if len(names) > 2 else None}

    def do_collection_keep(self, _: object, collection: str) -> JsonObject:
        check_path_parts(collection, "any")
        self.state.forgotten.discard(collection)
        return {"collection": self._row(collection)}

    def do_collection_forget(self, _: object, collection: str, *, anyway: bool) -> JsonObject:
        check_path_parts(collection, "any")
        counts = {record.path.split("/")[0] for record in self.state.records}
        if collection in self.state.only_here | counts and not anyway:
            raise OnlyHere(f"no linked device is proved to hold all of {collection}")
        self.state.forgotten.add(collection)
        return {"collection": self._row(collection)}

    def _row(self, name: str, records: int = 0) -> JsonObject:
        return {
            "name": name,
            "records": None if name in self.state.forgotten else records,
            "whole": name not in self.state.forgotten | self.state.incomplete,
            "seen": name not in self.state.unseen,
        }
