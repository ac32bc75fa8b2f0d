"""`verify` of a home whose daemon does not run, or cannot: blocking, and without trio."""

from collections.abc import Iterator
from contextlib import closing
from os import urandom
from pathlib import Path

from p2pvault.crypto.schedule import store_key
from p2pvault.errors import NoVault, StoreCorrupt
from p2pvault.node.audit import audit
from p2pvault.node.port import Finding, Progress, Repaired, Verified, VerifyEvent
from p2pvault.node.salvage import salvage
from p2pvault.store.home import HomeFiles
from p2pvault.store.lock import ExclusiveLock
from p2pvault.store.pages import mend_pages
from p2pvault.store.port import Reader, Store
from p2pvault.store.slots import load_master_key, mend_keys
from p2pvault.store.sqlite import open_reader, open_store
from p2pvault.types import Batch


def verify_home(state: Path, *, repair: bool) -> Iterator[VerifyEvent]:
    """Check everything that a home holds.

    Args:
        state: The home; nobody else may have it open.
        repair: Whether to put flipped bits back and to write wrong fingerprints right.

    Raises:
        NoVault: There is none.
        StoreInUse: A daemon has it open.
        KeyUnavailable: Its keys are missing or damaged beyond one bit.
        StoreUnwritable, StoreFull: It cannot be written to.
    """
    files = HomeFiles(state)
    if not files.database.exists():
        raise NoVault(f"there is no vault in {state}")
    run = _Run(files, repair=repair)
    yield from run.mend()
    yield from run.look()
    yield from run.salvage()
    yield Verified(run.records, run.entries, run.findings, run.repaired)


class _Run:
    """One run, and what it counts."""

    def __init__(self, files: HomeFiles, *, repair: bool) -> None:
        self._files = files
        self._does_repair = repair
        self.records = self.entries = self.findings = self.repaired = 0
        self._open: list[Finding] = []

    def mend(self) -> Iterator[VerifyEvent]:
        """Put flipped bits back, in the keys first."""
        if not self._does_repair:
            return
        with ExclusiveLock(self._files.lock):
            mended = mend_keys(self._files)
            if mended is not None:
                yield from self._mended("key", str(mended))
            pages = mend_pages(self._files, store_key(load_master_key(self._files)))
        for number in pages.mended:
            yield from self._mended("page", f"{self._files.database} page {number}")

    def _mended(self, kind: str, what: str) -> Iterator[VerifyEvent]:
        finding = Finding(kind, what, "a bit was flipped")
        yield from self._found(finding)
        yield self._right(finding)

    def _found(self, finding: Finding) -> Iterator[VerifyEvent]:
        self.findings += 1
        self._open.append(finding)
        yield finding

    def _right(self, finding: Finding) -> VerifyEvent:
        self.repaired += 1
        self._open.remove(finding)
        return Repaired(finding)

    def look(self) -> Iterator[VerifyEvent]:
        """Audit the store, and write wrong fingerprints right."""
        key = store_key(load_master_key(self._files))
        try:
            with (
                closing(open_store(self._files.home, key)) as store,
                closing(open_reader(self._files.home, key)) as reader,
            ):
                yield from self._audit(store, reader)
        except StoreCorrupt as error:
            yield from self._found(Finding("unreadable", str(self._files.database), str(error)))

    def salvage(self) -> Iterator[VerifyEvent]:
        """Make a new store of what can be read, where anything is still wrong."""
        if not self._open or not self._does_repair:
            return
        key = store_key(load_master_key(self._files))
        try:
            yield from salvage(self._files, key, urandom)
        except StoreCorrupt:
            return  # nothing to make it of; the findings stay
        with closing(open_store(self._files.home, key)) as store:
            damaged = [news for news in audit(store) if isinstance(news, Finding)]
        if not damaged:
            yield from [self._right(finding) for finding in list(self._open)]

    def _audit(self, store: Store, reader: Reader) -> Iterator[VerifyEvent]:
        wrong = []
        for news in audit(reader):
            if isinstance(news, Finding):
                wrong += [news] if news.wrong is not None else []
                yield from self._found(news)
            else:
                self._count(news)
                yield news
        if wrong and self._does_repair:
            counted = tuple(finding.wrong[1] for finding in wrong if finding.wrong is not None)
            store.persist(Batch(fingerprints=counted))
            yield from map(self._right, wrong)

    def _count(self, progress: Progress) -> None:
        if progress.part == "records":
            self.records = progress.done
        if progress.part == "entries":
            self.entries = progress.done
