"""Local watchers: who follows which changes, each with a queue of its own."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import trio

from p2pvault.core.io import Change
from p2pvault.core.selector import IdPrefix, Path, parse_selector
from p2pvault.crdt.schema import check_path_parts
from p2pvault.limits import SUBSCRIPTION_EVENTS_MAX
from p2pvault.node.port import ChangeEvent, MissedEvents
from p2pvault.types import DeviceId

Matches = Callable[[Change], bool]


@dataclass(slots=True, eq=False)
class _Watcher:
    matches: Matches
    send: trio.MemorySendChannel[ChangeEvent | MissedEvents]
    missed: int = 0

    def offer(self, event: ChangeEvent) -> None:
        """Queue an event; a watcher that is too slow misses it and is told how many."""
        try:
            if self.missed:
                self.send.send_nowait(MissedEvents(self.missed))
                self.missed = 0
            self.send.send_nowait(event)
        except trio.WouldBlock:
            self.missed += 1


class Watchers:
    """All watchers of a node.

    Args:
        changed: Called whenever there begins or ceases to be anybody who watches.
    """

    def __init__(self, changed: Callable[[bool], None]) -> None:
        self._changed = changed
        self._watchers: list[_Watcher] = []

    @contextmanager
    def watch(
        self, selector: str | None
    ) -> Iterator[trio.MemoryReceiveChannel[ChangeEvent | MissedEvents]]:
        """Follow changes inside the block.

        Raises:
            BadPath: The selector is no path, no collection and no id.
        """
        send, receive = trio.open_memory_channel[ChangeEvent | MissedEvents](
            SUBSCRIPTION_EVENTS_MAX
        )
        watcher = _Watcher(matcher(selector), send)
        self._watchers.append(watcher)
        self._changed(True)  # the callback's only argument
        try:
            with receive:
                yield receive
        finally:
            self._watchers.remove(watcher)
            self._changed(bool(self._watchers))

    def publish(self, changes: Iterable[Change], name_of: Callable[[DeviceId], str]) -> None:
        """Tell everybody whom a change concerns."""
        for change in changes:
            interested = [watcher for watcher in self._watchers if watcher.matches(change)]
            if not interested:
                continue
            event = ChangeEvent(
                id=change.id,
                path=change.path,
                kind=change.kind,
                device=change.device,
                device_name=name_of(change.device),
                fields=change.fields,
            )
            for watcher in interested:
                watcher.offer(event)


def matcher(selector: str | None) -> Matches:
    """Return what tells whether a change is one of those that a selector means.

    Raises:
        BadPath: It is no path, no collection and no id.
    """
    if selector is None:
        return lambda _: True
    if ":" not in selector and "/" not in selector:
        check_path_parts(selector, "any")
        return lambda change: change.path.startswith(f"{selector}/")
    parsed = parse_selector(selector)
    match parsed:
        case Path():
            return lambda change: change.path == str(parsed)
        case IdPrefix(digits):
            return lambda change: change.id.hex().startswith(digits)
