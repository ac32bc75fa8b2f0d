"""Hashes that two devices have to agree on, computed anew from what docs/protocol says of each.

A version that used another purpose, another order or another size would agree with itself, pass
every other test, and with no older device.
"""

from hashlib import blake2b
from pathlib import Path

import p2pvault
from harness.entropy import seeded
from harness.pipelines import bob
from harness.world import put
from p2pvault.crypto.keys import DeviceKeys, author_id, device_id
from p2pvault.protocol.membership import RecoveryKey, epoch_id
from p2pvault.protocol.membership.operation import operation_hash
from p2pvault.protocol.pairing.ceremony import proof
from p2pvault.protocol.pairing.messages import Introduction, Presentation
from p2pvault.protocol.pairing.words import ShortString, commit, short_string
from p2pvault.protocol.ranges import Adder
from p2pvault.protocol.reconcile import content_digest
from p2pvault.types import Fingerprint, JournalId, VaultId
from p2pvault.wire.codec import pack, unpack

ONE, TWO, THREE = (bytes([n]) * 32 for n in (1, 2, 3))


def hashed(purpose: str, *parts: bytes, bits: int = 256) -> bytes:
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return blake2b(framed, digest_size=bits // 8, person=purpose.encode()).digest()


def test_ids_of_devices_and_journals():
    public = DeviceKeys.generate(seeded("ids")).public
    device = device_id(public)
    assert device == hashed("p2pv-dev", public.signing, public.static, public.box)
    journal = JournalId(b"j" * 16)
    assert author_id(device, journal) == hashed("p2pv-author", device, journal, bits=128)


def test_what_membership_hashes():
    assert operation_hash(b"a body") == hashed("p2pv-op", b"a body")
    assert epoch_id(VaultId(ONE), TWO) == hashed("p2pv-epoch", ONE, TWO)


def test_keys_that_the_recovery_seed_makes():
    key = RecoveryKey(ONE)
    assert key.signing == hashed("p2pv-rec-sign", ONE)
    kem, static = hashed("p2pv-rec-kem", ONE, bits=512), hashed("p2pv-rec-dh", ONE)
    assert key.box == kem + static
    assert key.id == hashed("p2pv-recovery", key.public.signing, key.public.box)


def test_what_replication_hashes():
    (entry,) = bob().written(put("notes/one", n=1))
    body = unpack(entry.data)[0]
    assert entry.hash == hashed("p2pv-entry", body)
    totals = [Fingerprint("notes", 7, 1), Fingerprint("gone", 0, 0), Fingerprint("films", 9, 2)]
    content = [b"films", (9).to_bytes(32, "big"), b"notes", (7).to_bytes(32, "big")]
    assert content_digest(totals) == hashed("p2pv-content", *content)
    adder = Adder()
    adder.add(2**256 - 1)
    adder.add(3)
    sums = (2).to_bytes(8, "big"), (2).to_bytes(32, "big")
    assert adder.fingerprint == hashed("p2pv-range", *sums, bits=128)


def test_what_both_sides_of_a_pairing_sign():
    keys = (b"s" * 32, b"x" * 32, b"b" * 96)
    joiner = Introduction(*keys, "new", "laptop", b"")
    assert proof(joiner, ONE) == hashed("p2pv-pair-join", ONE, pack([*keys, "new", "laptop"]))
    vault = ("old", TWO, "home", 2, 1_790_000_000_000, b"c" * 80, THREE)
    sponsor = Presentation(*keys, *vault, b"")
    assert proof(sponsor, ONE) == hashed("p2pv-pair-host", ONE, pack([*keys, *vault]))


def test_what_people_compare():
    assert commit(ONE) == hashed("p2pv-commit", ONE)
    shown = hashed("p2pv-sas", ONE, TWO, THREE)
    folder = Path(p2pvault.__file__).parent / "protocol" / "words"
    even, odd = ((folder / f"pgp-{which}.txt").read_text().split() for which in ("even", "odd"))
    digits = f"{int.from_bytes(shown[2:10], 'big') % 100:02}"
    assert short_string(ONE, TWO, THREE) == ShortString((even[shown[0]], odd[shown[1]]), digits)
