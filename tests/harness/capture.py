"""Every packet of a run on loopback, recorded in a network namespace where nobody else talks.

`record_run()` starts this file as a program in a new namespace: it brings loopback up, records
with a packet socket, lets two daemons be paired and edited, and prints what was said and what was
secret. An ordinary user can do that too, where the kernel grants user namespaces.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.daemons import Device, Fleet, open_fleet, pair, wait_synced
from harness.packets import Recorder
from p2pvault.core.start import device_of
from p2pvault.crypto.schedule import store_key
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_reader

RUN_S = 120.0
"""Only a hang takes this long; a run takes some 10 s."""

MDNS_PORT = 5353

IDENTIFIER_BYTES = 8
"""Of an identifier; enough not to be met by chance."""

SPELLED_CHARACTERS_MIN = 7
"""Fewer characters of base32 or base64 are met by chance."""

CANARY = "canary"
"""Stands in every name and value of the run."""


def unavailable() -> str | None:
    """Say why no namespace can be made here; None if one can."""
    if sys.platform != "linux" or not shutil.which("unshare") or not shutil.which("ip"):
        return "needs Linux with util-linux and iproute2"
    tried = subprocess.run(
        [*_namespace(), "ip", "link", "set", "lo", "up"], capture_output=True, check=False
    )
    return None if tried.returncode == 0 else f"needs namespaces: {tried.stderr.decode().strip()}"


def _namespace() -> list[str]:
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *as_user, "--net"]


@dataclass(frozen=True)
class Recording:
    """What a run has put on the wire.

    Attributes:
        streams: Payload of each TCP connection and direction, in order.
        datagrams: Payload of each UDP datagram, with its destination port.
        secrets: What must not be found in them, by what it is.
    """

    streams: list[bytes]
    datagrams: list[tuple[int, bytes]]
    secrets: dict[str, bytes]

    @property
    def everything(self) -> list[bytes]:
        """All payloads."""
        return [*self.streams, *(data for _, data in self.datagrams)]

    @property
    def announcements(self) -> list[bytes]:
        """All mDNS packets."""
        return [data for port, data in self.datagrams if port == MDNS_PORT]


def record_run() -> Recording:
    """Record one pairing and editing run of two new devices."""
    done = subprocess.run(
        [*_namespace(), sys.executable, str(Path(__file__))],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    tree = json.loads(done.stdout)
    return Recording(
        [bytes.fromhex(one) for one in tree["streams"]],
        [(port, bytes.fromhex(one)) for port, one in tree["datagrams"]],
        {name: bytes.fromhex(one) for name, one in tree["secrets"].items()},
    )


def spellings(secret: bytes) -> Iterator[bytes]:
    """Yield the ways in which bytes are written: as they are, hex, base32, and base64.

    In base32 and base64 a text looks different at each offset from the start of a group, so each
    is given, without the characters that its neighbours have a part in. What is left too short
    to mean anything is left out.
    """
    yield from (secret, secret.hex().encode(), secret.hex().upper().encode())
    encoded = []
    for offset in range(5):
        text = _inner(base64.b32encode(bytes(offset) + secret), offset, 8)
        encoded += [text, text.lower()]
    for offset in range(3):
        for alphabet in (b"+/", b"-_"):
            encoded.append(_inner(base64.b64encode(bytes(offset) + secret, alphabet), offset, 4))
    yield from (text for text in encoded if len(text) >= SPELLED_CHARACTERS_MIN)


def _inner(encoded: bytes, offset: int, group_characters: int) -> bytes:
    return encoded.rstrip(b"=")[group_characters if offset else 0 : -2]


# Inside the namespace ------------------------------------------------------------------------


def main() -> None:
    """Run and print it as JSON."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    recorder = Recorder()
    with tempfile.TemporaryDirectory() as directory:
        with open_fleet(Path(directory)) as fleet:
            secrets = play(fleet)
        for device in fleet.devices:
            secrets |= identifiers(device)
    streams: dict[tuple[bytes, bytes, bytes], bytearray] = {}
    datagrams: list[tuple[int, str]] = []
    for packet in recorder.stop():
        take_apart(packet, streams, datagrams)
    tree: dict[str, Any] = {
        "streams": [bytes(data).hex() for data in streams.values() if data],
        "datagrams": datagrams,
        "secrets": {name: data.hex() for name, data in secrets.items()},
    }
    json.dump(tree, sys.stdout)


def play(fleet: Fleet) -> dict[str, bytes]:
    """Pair two devices, edit on both, live and after a restart; return what nobody may see."""
    laptop, phone = (fleet.device(f"{CANARY}-{name}") for name in ("laptop", "phone"))
    laptop.do("init", "--name", laptop.name, "--vault-name", f"{CANARY}-vault")
    laptop.start()
    phone.start()
    shown = pair(laptop, phone)
    laptop.do("set", f"{CANARY}-notes/{CANARY}-one", f"{CANARY}-field={CANARY}-value")
    phone.do("set", f"{CANARY}-notes/{CANARY}-two", "body=" + f"{CANARY} prose. " * 400)
    wait_synced(laptop, phone)
    phone.stop()
    laptop.do("set", f"{CANARY}-notes/{CANARY}-one", "n:=1")
    phone.start()
    wait_synced(laptop, phone)
    laptop.do("devices", "rename", phone.name, f"{CANARY}-tablet")
    scanned = dict(part.split("=", 1) for part in shown.uri.partition("?")[2].split("&"))
    return {
        "the common part of all names and values": CANARY.encode(),
        "the code": shown.code.encode(),
        **{f"a word of the code ({word})": word.encode() for word in words_of(shown.code)},
        "the words": shown.words.encode(),
        **{f"one of the words ({word})": word.encode() for word in shown.words.split()},
        "the scanned secret": unpadded(scanned["c"]),
        "the scanned fingerprint": unpadded(scanned["f"]),
    }


def words_of(code: str) -> list[str]:
    """Return the words that are long enough not to appear by chance."""
    return [word for word in code.split("-") if len(word) >= 5]


def unpadded(text: str) -> bytes:
    """Decode base32 without padding, in small letters."""
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))


def identifiers(device: Device) -> dict[str, bytes]:
    """Read everything from a device's store that is the same for ever."""
    reader = open_reader(device.home, store_key(load_master_key(HomeFiles(device.home))))
    members = device_of(reader.state(), os.urandom).members
    reader.close()
    public = members.keys.public
    whole = {
        "the vault's id": members.vault,
        f"the id of {device.name}": members.device,
        f"the signing key of {device.name}": public.signing,
        f"the link key of {device.name}": public.static,
        f"the box key of {device.name}": public.box,
    }
    # The beginning of one would tell a device apart as well as all of it.
    return {name: value[:IDENTIFIER_BYTES] for name, value in whole.items()}


def take_apart(
    packet: bytes,
    streams: dict[tuple[bytes, bytes, bytes], bytearray],
    datagrams: list[tuple[int, str]],
) -> None:
    """Add the payload of an IP packet to its stream, or to the datagrams."""
    if packet[0] >> 4 == 4:
        start, end, protocol = (packet[0] & 15) * 4, int.from_bytes(packet[2:4]), packet[9]
        addresses = packet[12:16], packet[16:20]
    else:
        start, end, protocol = 40, 40 + int.from_bytes(packet[4:6]), packet[6]
        addresses = packet[8:24], packet[24:40]
    segment = packet[start:end]
    if protocol == socket.IPPROTO_TCP:
        payload = segment[(segment[12] >> 4) * 4 :]
        streams.setdefault((*addresses, segment[:4]), bytearray()).extend(payload)
    elif protocol == socket.IPPROTO_UDP:
        datagrams.append((int.from_bytes(segment[2:4]), segment[8:].hex()))


if __name__ == "__main__":
    main()
