"""A member of the vault that has turned against it: real keys, and no manners.

It speaks the link protocol through the project's own machines, over a blocking socket, with the
keys from a test device's store, and can send whatever bytes it likes under any kind.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import cycle
from pathlib import Path

from p2pvault.core.device import Device
from p2pvault.core.kinds import Kind
from p2pvault.core.start import device_of
from p2pvault.crdt.record import Record
from p2pvault.crdt.values import Value
from p2pvault.crypto.channel import Channel
from p2pvault.crypto.envelope import Message
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.crypto.schedule import store_key
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.handshake import Initiator
from p2pvault.protocol.journal import Entry, Journal, RecordChange, Writer, write_entry
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_store
from p2pvault.types import AuthorId, JournalHead, JournalId, RecordId

_SECONDS = 30.0
"""Only a hang takes this long."""


class Intruder:
    """The keys and the journal of one device whose own daemon does not run."""

    def __init__(self, device: Device) -> None:
        self.members = device.members
        self.content = device.pipeline.durable
        # One address may begin so many links a second, and tests have no time to lose.
        self._sources = cycle(f"127.0.6.{number}" for number in range(1, 255))
        journal = Journal(self.members.vault, self.members.device, JournalId(os.urandom(16)))
        self.writer = Writer(journal, self.members.keys)

    @property
    def author(self) -> AuthorId:
        """The author of its new journal."""
        return self.writer.journal.author

    def another_journal(self) -> Writer:
        """Return a writer of one more journal of this device."""
        journal = Journal(self.members.vault, self.members.device, JournalId(os.urandom(16)))
        return Writer(journal, self.members.keys)

    def stranger(self) -> Writer:
        """Return a writer that no operation of the vault knows."""
        keys = DeviceKeys.generate(os.urandom)
        journal = Journal(self.members.vault, device_id(keys.public), JournalId(os.urandom(16)))
        return Writer(journal, keys)

    def entry(self, *changes: RecordChange, after: JournalHead | None = None) -> Entry:
        """Write an entry of its own journal, signed as it should be."""
        return entry_of(self.writer, *changes, after=after)

    @contextmanager
    def dial(
        self, address: str, *, static: bytes | None = None, gate: bytes | None = None
    ) -> Iterator["Line"]:
        """Go through a handshake.

        Args:
            address: `HOST:PORT`.
            static: Another key than its own.
            gate: Another gate key than the newest.
        """
        host, _, port = address.rpartition(":")
        machine = Initiator(
            static or self.members.keys.static, gate or self.members.gates()[0], os.urandom
        )
        place = host, int(port)
        with closing(socket.create_connection(place, _SECONDS, (next(self._sources), 0))) as stream:
            while True:
                data = stream.recv(65_536)
                assert data, "the daemon hung up during the handshake"
                progress = machine.receive(data)
                stream.sendall(progress.send)
                if progress.established is not None:
                    break
            yield Line(stream, progress.established.channel, progress.established.leftover)


class Line:
    """One link to a daemon, after the handshake."""

    def __init__(self, stream: socket.socket, channel: Channel, leftover: bytes) -> None:
        self.stream = stream
        self.channel = channel
        self._heard = channel.receive(leftover)

    def say(self, kind: int, body: bytes) -> None:
        """Send a message; one that arrives nowhere any more is nobody's fault."""
        self.send(self.channel.seal(kind, body))

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self.stream.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def say_entries(self, *entries: Entry) -> None:
        """Send entries in one message."""
        self.say(Kind.ENTRIES, encode_entries(entry.data for entry in entries))

    def hear(self, kind: int) -> Message:
        """Wait for the next message of a kind."""
        while True:
            while self._heard:
                message = self._heard.pop(0)
                if message.kind == kind:
                    return message
            data = self.stream.recv(262_144)
            assert data, f"the daemon hung up before message {kind}"
            self._heard += self.channel.receive(data)

    def wait_cut(self) -> bool:
        """Read until the daemon hangs up; return whether it said goodbye first."""
        try:
            while data := self.stream.recv(262_144):
                self._heard += self.channel.receive(data)
        except ConnectionResetError:
            return False
        return self.channel.peer_closed


def intruder_of(home: Path) -> Intruder:
    """Take the keys of a device whose daemon does not run."""
    key = store_key(load_master_key(HomeFiles(home)))
    with closing(open_store(home, key)) as store:
        return Intruder(device_of(store.state(), os.urandom))


def entry_of(writer: Writer, *changes: RecordChange, after: JournalHead | None = None) -> Entry:
    """Write and sign an entry."""
    return write_entry(writer, after, (), 0, changes)


def new_record(
    author: AuthorId, name: str, fields: dict[str, Value], collection: str = "evil"
) -> RecordChange:
    """Return the change that makes a record, under a new id."""
    _, chunk = Record.create(author, collection, name, fields)
    return RecordId(os.urandom(16)), chunk
