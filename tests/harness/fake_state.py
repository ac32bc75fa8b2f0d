"""What the fake daemon knows: one vault in memory, and its peers."""

from dataclasses import dataclass, field

from p2pvault.control.messages import JsonObject, Request
from p2pvault.errors import VaultError


@dataclass
class FakeRecord:
    """One record; `path` may be that of another one too."""

    id: str
    path: str
    value: JsonObject


@dataclass
class FakeState:
    """What the fake daemon knows; tests fill it in before and look into it afterwards."""

    vault: JsonObject | None = None
    device: JsonObject | None = None
    records: list[FakeRecord] = field(default_factory=list)
    peers: list[JsonObject] = field(default_factory=list)
    seen: list = field(default_factory=lambda: ["127.0.0.1:4242"])
    given: dict[str, list[str]] = field(default_factory=dict)
    removed: list[JsonObject] = field(default_factory=list)
    quarantined: list[JsonObject] = field(default_factory=list)
    stays: int = 0
    forgotten: set[str] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)
    only_here: set[str] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)
    problems: list[JsonObject] = field(default_factory=list)
    discovery_problem: str | None = None
    findings: list[JsonObject] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    hidden: JsonObject = field(default_factory=dict)
    search: list[JsonObject] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    fault: VaultError | None = None
    fault_of: dict[str, VaultError] = field(default_factory=dict)
    commits: int = 0


def fake_id(name: str, characters: int = 64) -> str:
    """Return an id that is always the same for a name."""
    return (name.encode().hex() * characters)[:characters]


def with_vault(*peers: str) -> FakeState:
    """Return the state of a device `laptop` in a vault `home` with these peers, all in sync."""
    state = FakeState()
    state.vault = {"id": fake_id("home"), "name": "home"}
    state.device = {"id": fake_id("laptop"), "name": "laptop", "role": "admin"}
    state.peers = [peer(name) for name in peers]
    return state


def peer(name: str, **changes: object) -> JsonObject:
    """Return a peer of `status`: linked and proved equal, with `changes`."""
    standing = {
        "id": fake_id(name),
        "name": name,
        "link": "up",
        "address": "127.0.0.1:4242",
        "in_sync": True,
        "proved_s": 2.4,
        "without": 0,
        "fetching": False,
        "behind": 0,
        "ahead": 0,
        "last_seen": "2026-11-21T12:00:00Z",
    }
    return standing | changes  # type: ignore[return-value]  # tests pass JSON
