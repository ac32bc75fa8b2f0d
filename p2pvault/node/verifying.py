"""`verify` on a running node: the audit beside everything else, and repair of what it finds."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import trio

from p2pvault.core.device import Device
from p2pvault.core.inquiries import RepairRequested
from p2pvault.crypto.schedule import fingerprint_key
from p2pvault.errors import VaultError
from p2pvault.limits import VERIFY_EVENTS_MAX
from p2pvault.node.audit import News, audit
from p2pvault.node.inquiring import UNREADABLE, is_sound, read_one, wrong_fingerprints
from p2pvault.node.port import Finding, Repaired, Verified, VerifyEnded, VerifyNews
from p2pvault.node.requests import Requests
from p2pvault.node.shell import Shell
from p2pvault.protocol.reconcile import Verdict
from p2pvault.store.port import Reader
from p2pvault.store.worker import StoreWorker, open_worker
from p2pvault.types import RecordId


class Verification:
    """One run. It has a connection to the store of its own, so nothing waits for it."""

    def __init__(self, shell: Shell, requests: Requests, status_moved: Callable[[], trio.Event]):
        self._shell = shell
        self._requests = requests
        self._status_moved = status_moved
        self._seen: dict[str, int] = {}
        self._corrections = shell.device.pipeline.durable.corrections

    @asynccontextmanager
    async def run(
        self, opener: Callable[[], Reader], *, repair: bool
    ) -> AsyncIterator[trio.MemoryReceiveChannel[VerifyNews]]:
        """Verify inside the block; leaving it ends the run.

        What keeps the run from its end is the last event; it never leaves the block.
        """
        send, events = trio.open_memory_channel[VerifyNews](VERIFY_EVENTS_MAX)
        async with open_worker(opener, name="verify") as worker, trio.open_nursery() as nursery:
            nursery.start_soon(self._run, worker, send, repair)
            with events:
                try:
                    yield events
                finally:
                    # First: a run that waits for room takes a closed channel for a bug.
                    nursery.cancel_scope.cancel()

    async def _run(
        self,
        worker: StoreWorker[Reader],
        send: trio.MemorySendChannel[VerifyNews],
        repair: bool,  # nurseries pass by position
    ) -> None:
        async with send:
            try:
                await self._verify(worker, send, repair=repair)
            except VaultError as error:
                await send.send(VerifyEnded(error))

    async def _verify(
        self,
        worker: StoreWorker[Reader],
        send: trio.MemorySendChannel[VerifyNews],
        *,
        repair: bool,
    ) -> None:
        findings: list[Finding] = []
        async with aclosing(self._audited(worker)) as audited:
            async for news in audited:
                if isinstance(news, Finding):
                    findings.append(news)
                else:
                    self._seen[news.part] = news.done
                await send.send(news)
        repaired = await self._repair(worker, findings) if repair and findings else []
        for finding in repaired:
            await send.send(Repaired(finding))
        records, entries = self._seen.get("records", 0), self._seen.get("entries", 0)
        await send.send(Verified(records, entries, len(findings), len(repaired)))

    async def _audited(self, worker: StoreWorker[Reader]) -> AsyncGenerator[News, None]:
        steps: list[object] = []

        def step(reader: Reader) -> News | None:
            if not steps:
                steps.append(audit(reader))
            return next(steps[0], None)  # type: ignore[call-overload,no-any-return]  # one iterator

        while (news := await worker.run(step)) is not None:
            yield news
        for finding in peers_that_differ(self._shell.device):
            yield finding

    # Repair ------------------------------------------------------------------------------

    async def _repair(
        self, worker: StoreWorker[Reader], findings: Sequence[Finding]
    ) -> list[Finding]:
        """Repair what can be repaired while running; return what is right now."""
        wrong = tuple(each.wrong for each in findings if each.wrong is not None)
        records = tuple(each.record for each in findings if each.record is not None)
        request = self._requests.begin()
        self._shell.feed(RepairRequested(request, records, wrong, self._corrections))
        await self._requests.wait(request)
        while self._is_mending():
            await self._status_moved().wait()
        key = fingerprint_key(self._shell.device.members.vault)
        still = await worker.run(lambda reader: _still_wrong(reader, records, key))
        return [finding for finding in findings if _is_right(finding, still)]

    def _is_mending(self) -> bool:
        return any(not link.mending.is_idle for link in self._shell.device.links.up())


@dataclass(frozen=True, slots=True)
class _Still:
    """What is wrong after a repair; `collections` is None where they cannot be counted."""

    records: frozenset[RecordId]
    collections: frozenset[str] | None


def _still_wrong(reader: Reader, records: Sequence[RecordId], key: bytes) -> _Still:
    found = (stored for record in records for stored in read_one(reader, record))
    sound = {stored.row.id for stored in found if stored is not None and is_sound(stored)}
    return _Still(frozenset(records) - sound, _miscounted(reader, key))


def _miscounted(reader: Reader, key: bytes) -> frozenset[str] | None:
    try:
        return frozenset(stored.collection for stored, _ in wrong_fingerprints(reader, key))
    except UNREADABLE:
        return None


def _is_right(finding: Finding, still: _Still) -> bool:
    if finding.record is not None:
        return finding.record not in still.records
    if finding.wrong is None or still.collections is None:
        return False
    return finding.what not in still.collections


def peers_that_differ(device: Device) -> list[Finding]:
    """Return the linked devices whose content is not ours although the journals are."""
    return [
        Finding("peer", device.members.name_of(peer), "it holds other content")
        for peer in device.members.others
        if device.book[peer].link is not None and device.book[peer].verdict is Verdict.CONTRADICTION
    ]
