"""Links of devices in a world, and what is known of peers, that note their transitions.

The events are those of docs/protocol/link.md and docs/protocol/journal.md.
"""

from collections.abc import Callable
from typing import Any

import pytest

from harness.diagrams import Arrow
from p2pvault.core import book, links
from p2pvault.core.book import Standing
from p2pvault.core.forks import Forks
from p2pvault.core.link import Link, Phase
from p2pvault.core.reach import Reach
from p2pvault.core.replication import Replication
from p2pvault.errors import RevokedDevice, RunsTwice, StoreError, SuspendedDevice, VaultError
from p2pvault.protocol.reconcile import Verdict

GONE = "[*]"


class LinkRecorder:
    """Watches every link of every device that is made while it is installed.

    Attributes:
        seen: The transitions.
    """

    def __init__(self) -> None:
        self.seen: set[Arrow] = set()
        self._why = ""
        self._late = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        recorder = self

        class Watched(Link):
            def __setattr__(self, name: str, value: Any) -> None:
                if name == "phase":
                    recorder.phase(getattr(self, "phase", None), value)
                super().__setattr__(name, value)

        monkeypatch.setattr(links, "Link", Watched)
        self._wrap(monkeypatch, links.Links, "fail", self._failing)
        self._wrap(monkeypatch, links.Links, "close", self._closing)
        self._wrap(monkeypatch, links.Links, "down", self._going_down)
        self._wrap(monkeypatch, Reach, "_tend", self._tending)

    def phase(self, before: Phase | None, after: Phase) -> None:
        """Note that a link goes from one phase to another."""
        if before is None:
            self.seen.add((GONE, "", after.name))
        elif after is Phase.INTRODUCING:
            self.seen.add((before.name, "the handshake is over", after.name))
        elif after is Phase.UP:
            self.seen.add((before.name, "the peer is a member", after.name))
        elif self._why != GONE:
            assert self._why, "nothing else ends links"
            self.seen.add((before.name, self._why, after.name))

    def _wrap(
        self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, why: Callable[..., str]
    ) -> None:
        original = getattr(owner, name)

        def wrapped(*args: Any, **options: Any) -> Any:
            before, late = self._why, self._late
            self._why = why(*args)
            try:
                return original(*args, **options)
            finally:
                self._why, self._late = before, late

        monkeypatch.setattr(owner, name, wrapped)

    def _failing(self, _: object, __: object, link: Link, error: VaultError) -> str:
        if self._late:
            return "time runs out"
        match error:
            case RevokedDevice() | SuspendedDevice():
                return "the peer is outside"
            case RunsTwice():
                return "a device runs twice"
            case StoreError():
                return "the store fails"
            case _:
                return "a rule is broken"

    def _closing(self, _: object, __: object, link: Link) -> str:
        return "the peer closes" if link.peer_closed else "this device closes"

    def _going_down(self, table: links.Links, _: object, number: Any) -> str:
        link = table[number]
        if link is not None:
            self.seen.add((link.phase.name, "the stream ends", GONE))
        return GONE

    def _tending(self, *_: object) -> str:
        self._late = True
        return self._why


class VerdictRecorder:
    """Watches what every device believes of every peer's content.

    Attributes:
        seen: The changes of what is believed.
    """

    def __init__(self) -> None:
        self.seen: set[Arrow] = set()
        self._why = ""

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        recorder = self

        class Watched(Standing):
            def __setattr__(self, name: str, value: Any) -> None:
                if name == "verdict":
                    before = getattr(self, "verdict", GONE)
                    recorder.verdict(before, value)
                super().__setattr__(name, value)

        monkeypatch.setattr(book, "Standing", Watched)
        for owner, name, why in (
            (Replication, "heard_have", "HAVE"),
            (Replication, "announce", "something is durable here"),
            (Replication, "restate", "the journals here are others"),
            (Forks, "_tell", "a fork shows"),
            (links.Links, "_note_up", "a new link"),
        ):
            self._wrap(monkeypatch, owner, name, why)

    def verdict(self, before: Verdict | str | None, after: Verdict | None) -> None:
        """Note that another verdict takes the place of one."""
        names = [
            each if isinstance(each, str) else each.name if each else "UNKNOWN"
            for each in (before, after)
        ]
        if names[0] != names[1]:
            self.seen.add((names[0], self._why, names[1]))

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, why: str) -> None:
        original = getattr(owner, name)

        def wrapped(*args: Any, **options: Any) -> Any:
            before, self._why = self._why, why
            try:
                return original(*args, **options)
            finally:
                self._why = before

        monkeypatch.setattr(owner, name, wrapped)
