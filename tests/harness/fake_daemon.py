"""A daemon that speaks the control protocol over a real unix socket and keeps one vault in memory.

It checks every request against the schema, as the real one does, and passes the same contract
suite. Pairing is played: the right words are `WORDS`, the right code is `CODE`.
"""

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Self

from harness.fake_collections import FakeCollections
from harness.fake_quarantine import FakeQuarantine
from harness.fake_recovery import RECOVERY_WORDS, FakeKey, FakeRecovery
from harness.fake_state import FakeRecord, FakeState, fake_id
from p2pvault import __version__
from p2pvault.control.home import Home, private_directory, short_path
from p2pvault.control.lines import Lines
from p2pvault.control.messages import (
    Answer,
    Failure,
    JsonObject,
    Notification,
    Request,
    decode_request,
    encode,
    fault_from,
    fault_members,
)
from p2pvault.control.schema import SCHEMA_VERSION, check_request
from p2pvault.errors import (
    AmbiguousPath,
    BadPath,
    LimitExceeded,
    NoSuchDevice,
    NoSuchRecord,
    NoVault,
    PairingRefused,
    Unreachable,
    VaultError,
    VaultExists,
    WrongCode,
)

CODE = "42-acid-bird-cave"
WORDS = "acme adviser"
URI = "p2pvault:1?c=abcdefghijklmnopqrstuvwx&f=0123456789abcdef&a=127.0.0.1:47474&x=1790000000"
_WITHOUT_VAULT = {"hello", "init", "join", "join_accept", "recovery_from", "wait", "status"}


class _Connection:
    """One caller: its socket, its streams, and what it was asked for."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._lock = threading.Lock()
        self.watches: dict[int, str | None] = {}
        self.ceremony = 0
        self.streams = 0

    def send(self, message: Answer | Failure | Notification) -> None:
        with self._lock:
            self.socket.sendall(encode(message))

    def open_stream(self) -> int:
        self.streams += 1
        return self.streams


class FakeDaemon(FakeCollections, FakeQuarantine, FakeRecovery):
    """Serves one home until the context ends."""

    def __init__(self, home: Home, state: FakeState) -> None:
        self.state = state
        self.key = FakeKey()
        self.watched = threading.Event()
        self._home = home
        self._lock = threading.RLock()
        self._connections: list[_Connection] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._after: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        private_directory(self._home.socket.parent)
        with short_path(self._home.socket) as path:
            self._listener.bind(path)
        self._listener.listen(64)
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self.let_go()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._home.socket.unlink()

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            connection = _Connection(accepted)
            self._connections.append(connection)
            self._start(lambda one=connection: self._converse(one))

    def _converse(self, connection: _Connection) -> None:
        lines = Lines()
        with connection.socket:
            try:
                while data := connection.socket.recv(65_536):
                    for line in lines.feed(data):
                        self._serve(connection, line)
            except (OSError, LimitExceeded):
                pass
            with self._lock:
                connection.watches.clear()

    def _serve(self, connection: _Connection, line: bytes) -> None:
        request = decode_request(line)
        if isinstance(request, Failure):
            connection.send(request)
            return
        if fault := check_request(request):
            connection.send(Failure(request.id, fault))
            return
        with self._lock:
            self.state.requests.append(request)
            try:
                self._require_vault(request)
                result = getattr(self, f"do_{request.method}")(connection, **request.params)
                connection.send(Answer(request.id, result))
            except VaultError as error:
                connection.send(Failure(request.id, fault_from(error)))
            after, self._after = self._after, []
            for step in after:
                step()

    def _require_vault(self, request: Request) -> None:
        fault = self.state.fault_of.get(request.method, self.state.fault)
        if fault is not None:
            raise fault
        if self.state.vault is None and request.method not in _WITHOUT_VAULT:
            raise NoVault("this device has no vault yet")

    def _emit(self, connection: _Connection, stream: int, *events: JsonObject) -> None:
        self._after.extend(
            lambda event=event: connection.send(Notification(stream, event)) for event in events
        )

    # The vault ------------------------------------------------------------------------------

    def do_hello(self, _: _Connection) -> JsonObject:
        return {
            "v": SCHEMA_VERSION,
            "version": __version__,
            "pid": os.getpid(),
            "vault": self.state.vault is not None,
            "uptime_s": 3_700.5,
        }

    def do_init(self, _: _Connection, name: str, vault_name: str = "home") -> JsonObject:
        if self.state.vault is not None:
            raise VaultExists("this device has a vault already")
        self.state.vault = {"id": fake_id(vault_name), "name": vault_name}
        self.state.device = {"id": fake_id(name), "name": name, "role": "admin"}
        device: JsonObject = {"id": fake_id(name), "name": name}
        vault = dict(self.state.vault)
        return {"vault": vault, "device": device, "recovery_words": RECOVERY_WORDS}

    def do_status(self, _: _Connection) -> JsonObject:
        vault = self.state.vault
        return {
            "vault": None if vault is None else {**vault, **self._numbers()},
            "device": self.state.device,
            "peers": list(self.state.peers),
            "listening": ["127.0.0.1:4141"],
            "discovery": {"mode": "off", "problem": self.state.discovery_problem},
            "problems": list(self.state.problems),
        }

    def _numbers(self) -> JsonObject:
        return {
            "records": len(self.state.records),
            "not_kept": sorted(self.state.forgotten),
            "incomplete": sorted(self.state.incomplete),
        }

    def do_get(self, _: _Connection, path: str, field: str | None = None) -> JsonObject:
        record = self._find(path)
        value: object = record.value
        for step in [] if field is None else field.split("."):
            if not isinstance(value, dict) or step not in value:
                raise NoSuchRecord(f"{path} has no field {field}")
            value = value[step]
        return {"path": record.path, "id": record.id, "value": value}  # type: ignore[dict-item]

    def do_set(self, _: _Connection, path: str, puts: list, deletes: list) -> JsonObject:
        record, created = self._find_or_make(path)
        before = deepcopy(record.value)
        for steps, value in puts:
            self._put(record.value, steps, value)
        for steps in deletes:
            record.value.pop(steps[0], None)
        touched = [".".join(steps) for steps, _ in puts] + [".".join(steps) for steps in deletes]
        fields = touched if created or record.value != before else []
        self._publish(record, fields, "new" if created else "edit")
        self.state.commits += 1
        return {"path": record.path, "id": record.id, "created": created, "fields": fields}

    def do_set_many(self, _: _Connection, records: list) -> JsonObject:
        changed = 0
        for wanted in records:
            record, created = self._find_or_make(wanted["path"])
            different = created or any(
                record.value.get(name) != value for name, value in wanted["value"].items()
            )
            record.value.update(wanted["value"])
            changed += different
        self.state.commits += 1
        return {"records": len(records), "changed": changed}

    def do_ls(
        self,
        _: _Connection,
        collection: str | None = None,
        limit: int = 2,
        after: str | None = None,
    ) -> JsonObject:
        rows = sorted(
            (record.path, record.id)
            for record in self.state.records
            if collection is None or record.path.startswith(collection + "/")
        )
        rows = [row for row in rows if after is None or "/".join(row) > after]
        page = rows[: min(limit, 2)]  # short pages, so that paging is exercised
        more = len(rows) > len(page)
        return {
            "rows": [{"path": path, "id": number} for path, number in page],
            "next": "/".join(page[-1]) if more else None,
        }

    def do_rm(self, _: _Connection, path: str) -> JsonObject:
        record = self._find(path)
        self.state.records.remove(record)
        self._publish(record, [], "delete")
        return {"path": record.path, "id": record.id}

    def do_verify(self, connection: _Connection, repair: bool) -> JsonObject:
        stream = connection.open_stream()
        found = [{"event": "finding", **one} for one in self.state.findings]
        told = [{"event": "repaired", "kind": f["kind"], "what": f["what"]} for f in found]
        repaired = [one for one in told if repair and one["kind"] == "record"]
        records = len(self.state.records)
        counts = {"records": records, "entries": self.state.commits}
        end = {"event": "verified", **counts, "findings": len(found), "repaired": len(repaired)}
        begin = {"event": "progress", "part": "records", "done": records, "total": records}
        self._emit(connection, stream, begin, *found, *repaired, end, {"event": "end"})
        return {"stream": stream}

    def do_watch(self, connection: _Connection, path: str | None = None) -> JsonObject:
        stream = connection.open_stream()
        connection.watches[stream] = path
        self.watched.set()
        return {"stream": stream}

    def publish(self, event: JsonObject) -> None:
        """Send an event to every watcher."""
        with self._lock:
            for connection in self._connections:
                for stream in connection.watches:
                    connection.send(Notification(stream, event))

    def _publish(self, record: FakeRecord, fields: list[str], kind: str) -> None:
        assert self.state.device is not None, "only a vault has records"
        device = {"id": self.state.device["id"], "name": self.state.device["name"]}
        if fields or kind != "edit":
            event = {"event": "change", "path": record.path, "id": record.id, "device": device}
            self._after.append(lambda: self.publish({**event, "fields": fields, "kind": kind}))

    def _find(self, path: str) -> FakeRecord:
        collection, _, name = path.partition("/")
        if path.startswith("id:"):
            found = [record for record in self.state.records if record.id.startswith(path[3:])]
        elif not collection or not name:
            raise BadPath(f"“{path}” is not a path")
        else:
            found = [record for record in self.state.records if record.path == path]
        if not found:
            raise NoSuchRecord(f"there is no record {path}")
        if len(found) > 1:
            ids = " and ".join(f"id:{record.id}" for record in found)
            raise AmbiguousPath(f"two records are called {path}: {ids}")
        return found[0]

    def _find_or_make(self, path: str) -> tuple[FakeRecord, bool]:
        try:
            return self._find(path), False
        except NoSuchRecord:
            if path.startswith("id:"):
                raise
        record = FakeRecord(uuid.uuid4().hex, path, {})
        self.state.records.append(record)
        return record, True

    def _put(self, value: JsonObject, steps: list[str], put: object) -> None:
        for step in steps[:-1]:
            inner = value.setdefault(step, {})
            assert isinstance(inner, dict), "the tests nest maps only"
            value = inner
        value[steps[-1]] = put  # type: ignore[assignment]  # it came as JSON

    # Devices --------------------------------------------------------------------------------

    def do_devices(self, _: _Connection) -> JsonObject:
        this = self.state.device
        assert this is not None, "only a vault has devices"
        rows: list = [
            {**this, "kind": "computer", "this": True, "link": None, "added_by": None},
        ]
        rows += [
            {
                "id": known["id"],
                "name": known["name"],
                "role": "member",
                "kind": "phone",
                "this": False,
                "link": known["link"],
                "added_by": this["name"],
            }
            for known in self.state.peers
        ]
        outside: JsonObject = {
            "removed": list(self.state.removed),
            "suspended": list(self.key.suspended),
            "fallen": list(self.key.fallen),
        }
        return {"devices": rows, **outside}

    def do_device_rename(self, _: _Connection, device: str, name: str) -> JsonObject:
        known = self._device(device)
        known["name"] = name
        return {"device": {"id": known["id"], "name": name}}

    def do_device_revoke(self, _: _Connection, device: str) -> JsonObject:
        known = self._device(device)
        self.state.peers.remove(known)
        gone: JsonObject = {"id": known["id"], "name": known["name"]}
        self.state.removed.append(gone)
        return {"device": gone}

    def do_address_add(self, _: _Connection, device: str, address: str) -> JsonObject:
        known = self._device(device)
        given = self.state.given.setdefault(str(known["id"]), [])
        given.append(address)
        return {"device": {"id": known["id"], "name": known["name"]}, "addresses": list(given)}

    def do_address_remove(self, _: _Connection, device: str, address: str) -> JsonObject:
        known = self._device(device)
        given = self.state.given.setdefault(str(known["id"]), [])
        if address not in given:
            raise NoSuchRecord(f"{address} was not added by hand")
        given.remove(address)
        return {"device": {"id": known["id"], "name": known["name"]}, "addresses": list(given)}

    def do_addresses(self, _: _Connection, device: str | None = None) -> JsonObject:
        this = self.state.device
        known = self.state.peers if device is None else [self._device(device, this)]
        rows: list = [
            {
                "id": one["id"],
                "name": one["name"],
                "given": self.state.given.get(str(one["id"]), []),
                "seen": self.state.seen,
            }
            for one in known
        ]
        return {"devices": rows}

    def _device(self, selector: str, *more: JsonObject) -> JsonObject:
        for known in [*self.state.peers, *more]:
            if selector == known["name"] or str(known["id"]).startswith(selector):
                return known
        raise NoSuchDevice(f"there is no device {selector}")

    # Pairing --------------------------------------------------------------------------------

    def do_pair(
        self, connection: _Connection, admin: bool, recovery_words: str | None = None
    ) -> JsonObject:
        del admin, recovery_words
        stream = connection.ceremony = connection.open_stream()
        self._emit(
            connection,
            stream,
            {"event": "code", "code": CODE, "uri": URI, "expires_s": 120.0, **self.state.hidden},
            *({"event": "attempt", "message": text} for text in self.state.attempts),
            {"event": "joiner", "name": "phone"},
            {"event": "confirm"},
        )
        return {"stream": stream}

    def let_go(self) -> None:
        """End every connection, as the daemon does with callers that keep silent for long."""
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # the caller may have gone first
                    connection.socket.shutdown(socket.SHUT_RDWR)

    def say_of_pairing(self, *events: JsonObject) -> None:
        """Send events to every ceremony under way."""
        with self._lock:
            for connection in self._connections:
                for event in events if connection.ceremony else ():
                    connection.send(Notification(connection.ceremony, event))

    def do_pair_confirm(self, connection: _Connection, words: str) -> JsonObject:
        if words != WORDS:
            raise WrongCode("these are not the words that the other device shows")
        device: JsonObject = {"id": fake_id("phone"), "name": "phone"}
        paired: JsonObject = {"event": "paired", "device": device}
        self._emit(connection, connection.ceremony, paired, {"event": "end"})
        return {}

    def do_join(self, connection: _Connection, code: str, name: str) -> JsonObject:
        if self.state.vault is not None:
            raise VaultExists("this device has a vault already")
        stream = connection.ceremony = connection.open_stream()
        if code not in {CODE, URI}:
            refused = fault_members(fault_from(WrongCode("the code does not match")))
            self._emit(connection, stream, {"event": "error", "error": refused})
            return {"stream": stream}
        self.state.device = {"id": fake_id(name), "name": name, "role": "member"}
        self._emit(
            connection,
            stream,
            *({"event": "search", **one} for one in self.state.search),
            {"event": "words", "words": WORDS, "digits": "37"},
            {"event": "vault", "name": "home", "devices": 2, "made": "2026-01-02T03:04:05Z"},
        )
        return {"stream": stream}

    def do_join_accept(self, connection: _Connection, accept: bool) -> JsonObject:
        if accept:
            self.state.vault = {"id": fake_id("home"), "name": "home"}
            paired: JsonObject = {"event": "paired", "vault": dict(self.state.vault)}
            self._emit(connection, connection.ceremony, paired, {"event": "end"})
        else:
            refused = fault_members(fault_from(PairingRefused("this device said no")))
            self._emit(connection, connection.ceremony, {"event": "error", "error": refused})
        return {}

    def do_wait(self, _: _Connection, **wanted: object) -> JsonObject:
        chosen = [known for known in self.state.peers if known["link"] == "up"]
        if "device" in wanted:
            chosen = [self._device(str(wanted["device"]))]
        equal = bool(chosen) and all(known["in_sync"] for known in chosen)
        if wanted["for"] == "ready" and self.state.vault is None:
            raise Unreachable("not ready in time")
        if wanted["for"] == "synced" and not equal:
            raise Unreachable("not synced in time")
        return {}


@contextmanager
def fake_daemon(home: Home, state: FakeState | None = None) -> Iterator[FakeDaemon]:
    """Serve `home`; without a state, as a daemon that has no vault yet."""
    with FakeDaemon(home, state or FakeState()) as daemon:
        yield daemon
