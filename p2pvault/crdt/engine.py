"""The CRDT engine behind a shield: automerge's binding, typed, with its traps closed.

What the binding does that its callers must never see (each has a test in test_crdt_engine.py):

- A panic arrives as a `BaseException` and would end the whole daemon: it becomes a `CrdtError`.
- A transaction that is dropped open frees its document twice and aborts the process: every one
  is committed or rolled back. One whose call panicked can no longer be either, so it is leaked.
- A fork and a loaded document get a random actor: it is set at once.
- Applying in place may stop half-way: changes go into a fork, which costs 2 us because a fork
  shares its columns with the original, and replaces the original only when all went well.

This module must not know what a record looks like.
"""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Protocol, TypeAlias, cast

from automerge import core

from p2pvault.crdt.chunk import encode_unsigned
from p2pvault.errors import CrdtError
from p2pvault.types import AuthorId, ChangeHash, Heads

ObjectId: TypeAlias = bytes
Scalar: TypeAlias = tuple[core.ScalarType, core.ScalarValue]
Entry: TypeAlias = tuple[core.ObjType | Scalar, ObjectId]

ROOT: Final[ObjectId] = core.ROOT
MAP: Final = core.ObjType.Map
LIST: Final = core.ObjType.List
TEXT: Final = core.ObjType.Text

# Automerge's message of the first protocol version: its type byte, then heads, needs and Bloom
# filters (none of each), then the changes (rust/automerge/src/sync.rs, `Message::encode`).
_MESSAGE_OF_CHANGES: Final = b"\x42\x00\x00\x00"


# The three protocols type what the binding's own stub leaves out; the methods are the binding's.
# ruff: noqa: D102


class LocalChange(Protocol):
    """A change as the engine hands it out: as it is, and deflated where that is shorter."""

    hash: bytes
    max_op: int
    raw_bytes: bytes
    bytes: bytes


class View(Protocol):
    """What can be read from a document and from an open transaction alike."""

    def keys(self, obj_id: ObjectId, heads: list[bytes] | None = None, /) -> list[str]: ...
    def values(self, obj_id: ObjectId, heads: list[bytes] | None = None, /) -> list[Entry]: ...
    def text(self, obj_id: ObjectId, heads: list[bytes] | None = None, /) -> str: ...
    def get(
        self, obj_id: ObjectId, prop: str | int, heads: list[bytes] | None = None, /
    ) -> Entry | None: ...


class Transaction(View, Protocol):
    """What a transaction can write; the binding's own stub leaves half of it out."""

    def put(
        self, obj_id: ObjectId, prop: str | int, kind: core.ScalarType, value: core.ScalarValue, /
    ) -> None: ...
    def put_object(self, obj_id: ObjectId, prop: str | int, kind: core.ObjType, /) -> ObjectId: ...
    def insert(
        self, obj_id: ObjectId, index: int, kind: core.ScalarType, value: core.ScalarValue, /
    ) -> None: ...
    def insert_object(self, obj_id: ObjectId, index: int, kind: core.ObjType, /) -> ObjectId: ...
    def delete(self, obj_id: ObjectId, prop: str | int, /) -> None: ...
    def splice_text(self, obj_id: ObjectId, position: int, deleted: int, text: str, /) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...


class Document(View, Protocol):
    """What a document can do."""

    def set_actor(self, actor_id: bytes, /) -> None: ...
    def transaction(self) -> Transaction: ...
    def save(self) -> bytes: ...
    def fork(self) -> "Document": ...
    def get_heads(self) -> list[bytes]: ...
    def get_changes(self, have_deps: list[bytes], /) -> list[LocalChange]: ...
    def get_last_local_change(self) -> LocalChange | None: ...
    def receive_sync_message(self, state: core.SyncState, message: core.Message, /) -> None: ...


_new = cast("Callable[[bytes], Document]", core.Document)
_load = cast("Callable[[bytes], Document]", core.Document.load)


class _Shield:
    """A context in which every failure of the engine becomes a `CrdtError`."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        # The binding raises bare `Exception`, and panics by a class that cannot be imported.
        # Everything else passes: cancellation, KeyboardInterrupt, our own errors, and bugs.
        if kind is Exception or (kind is not None and is_panic(kind)):
            raise CrdtError(f"the CRDT engine refused: {_reason(error)}") from error


shield: Final = _Shield()
"""Use as `with shield:` around calls of the engine."""


def is_panic(kind: type[BaseException]) -> bool:
    """Tell whether an exception is a Rust panic that crossed the border."""
    return (kind.__module__, kind.__qualname__) == ("pyo3_runtime", "PanicException")


def _reason(error: BaseException | None) -> str:
    """Return the engine's own words, shortened: a panic may quote what it choked on."""
    return str(error).partition("\n")[0][:120]


def new(actor: AuthorId) -> Document:
    """Return an empty document for one author."""
    return _new(actor)


def load(actor: AuthorId, chunks: bytes) -> Document:
    """Return the document that concatenated chunks make up, in one call of the engine.

    Raises:
        CrdtError: The engine refused, or panicked.
    """
    with shield:
        document = _load(chunks)
        document.set_actor(actor)
    return document


def fork(actor: AuthorId, document: Document) -> Document:
    """Return a copy that shares nothing that can be written."""
    with shield:
        copy = document.fork()
        copy.set_actor(actor)
    return copy


def receive(document: Document, chunks: Sequence[bytes]) -> None:
    """Apply change chunks, all at once.

    There is no call for it; a message that we make ourselves does it in place, 340 times faster
    than saving and loading a text of 50 000 characters. The document may be half changed when
    this raises, so call it on a fork.

    Raises:
        CrdtError: The engine refused, or panicked.
    """
    body = b"".join(encode_unsigned(len(chunk)) + chunk for chunk in chunks)
    with shield:
        message = core.Message.decode(_MESSAGE_OF_CHANGES + encode_unsigned(len(chunks)) + body)
        document.receive_sync_message(core.SyncState(), message)


def heads(document: Document) -> Heads:
    """Return the heads, sorted."""
    return tuple(sorted(map(ChangeHash, document.get_heads())))


def history(document: Document, known: Heads) -> dict[ChangeHash, int]:
    """Return all changes that some heads do not cover, as the engine encodes them.

    Returns:
        The hash of each change, and the number of its last operation.

    Raises:
        CrdtError: The engine cannot give a change back.
    """
    with shield:
        changes = document.get_changes(list(known))
        return {ChangeHash(change.hash): change.max_op for change in changes}


def chunks(document: Document) -> dict[ChangeHash, bytes]:
    """Return every change of a document by its hash, in a causal order.

    Raises:
        CrdtError: The engine cannot give a change back.
    """
    with shield:
        return {ChangeHash(each.hash): each.raw_bytes for each in document.get_changes([])}


@contextmanager
def transaction(document: Document) -> Iterator[Transaction]:
    """Commit what happens inside, or roll it back when anything is raised.

    Raises:
        CrdtError: The engine refused, or panicked.
    """
    with shield:
        handle = document.transaction()
        try:
            yield handle
            handle.commit()
        except BaseException:  # a cancellation, too, may not leave a transaction open
            _roll_back(handle)
            raise


def _roll_back(handle: Transaction) -> None:
    try:
        handle.rollback()
    except Exception:  # noqa: BLE001  # the binding raises nothing narrower
        # A panic left its lock poisoned. Dropping it would abort the process, so it stays for
        # ever: one reference that nobody holds.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(handle))
