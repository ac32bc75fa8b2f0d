"""Links in a world that note their transitions, by the events of docs/protocol/link.md."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.diagrams import Arrow
from p2pvault.core import links
from p2pvault.core.link import Link, Phase
from p2pvault.core.reach import Reach
from p2pvault.errors import RevokedDevice, RunsTwice, StoreError, SuspendedDevice, VaultError

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

        # A phase is set in a dozen places, and nothing but the object itself sees all of them.
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
