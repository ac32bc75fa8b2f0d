"""The names and tags of docs/protocol/discovery.md, byte by byte."""

import base64
import hashlib

import pytest

from p2pvault.limits import GATE_EPOCHS_MAX
from p2pvault.protocol import discovery
from p2pvault.types import Address, DeviceId

KEY = bytes(range(32))
DEVICE = DeviceId(bytes(range(32, 64)))
SLOT = 1_980_000


def reference(person: bytes, *parts: bytes) -> str:
    """Hash as the page says, without the project's own hashing."""
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    hashed = hashlib.blake2b(framed, digest_size=10, key=KEY, person=person).digest()
    return base64.b32encode(hashed).decode().lower()


@pytest.mark.parametrize(
    ("slot", "retry", "instance", "host"),
    [
        (0, 0, "bk6fjep4lotjunnv", "jlfdoh2fqavvlf2x"),
        (SLOT, 0, "6hsmnjjjlnp6uno2", "sabkcfldmy5wxfwz"),
        (SLOT, 3, "7aickbeigiksgvdo", "yodfd7o2vijzc753"),
    ],
)
def test_names_are_as_documented(slot: int, retry: int, instance: str, host: str) -> None:
    assert discovery.instance_name(KEY, slot, retry, DEVICE) == instance
    assert discovery.host_label(KEY, slot, retry, DEVICE) == host
    parts = (slot.to_bytes(8, "big"), bytes([retry]), DEVICE)
    assert reference(b"p2pv-mdns-n", *parts) == instance
    assert reference(b"p2pv-mdns-h", *parts) == host


def test_a_tag_is_as_documented_and_knows_no_scopes() -> None:
    where = [Address("fe80::1%4", 1), Address("192.168.1.20", 1)]
    four = bytes([192, 168, 1, 20])
    six = bytes.fromhex("fe800000000000000000000000000001")
    port = (4711).to_bytes(8, "big")
    expected = reference(b"p2pv-mdns-a", SLOT.to_bytes(8, "big"), DEVICE, port, four, six)
    assert expected == "27pnriah2ol2pj7o"
    for seen in (where, where[::-1], [Address("fe80::1%eth0", 9), where[1], where[1]]):
        assert discovery.tag(KEY, SLOT, DEVICE, seen, 4711) == expected.encode()


def test_a_vault_of_64_devices_has_3072_names() -> None:
    devices = [DeviceId(bytes([number]) * 32) for number in range(64)]
    keys = [KEY, *(bytes([number]) * 32 for number in range(GATE_EPOCHS_MAX - 1))]
    assert len(discovery.expected(keys, SLOT, devices)) == 3072
