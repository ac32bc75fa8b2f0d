"""The published vectors of snow and cacophony, and our own for the pattern that links use."""

import json
from pathlib import Path

import pytest

from harness.noise_vectors import Vector, check, messages, of, psk_numbers, psks
from harness.noiseprotocol import connection
from p2pvault.crypto.hybrid import NAME
from p2pvault.crypto.noise import NoiseKeys
from p2pvault.crypto.patterns import pattern

REPOSITORY = Path(__file__).resolve().parents[2]
PUBLISHED = REPOSITORY.parent / "shared" / "vectors" / "noise-25519-chachapoly-blake2b.json"
OWN = REPOSITORY / "tests" / "vectors" / "noise-xxpsk0-psk3.json"
PUBLISHED_COUNT = 110


def read(path: Path) -> list[Vector]:
    vectors: list[Vector] = json.loads(path.read_text())["vectors"]
    return vectors


def test_all_published_vectors_pass() -> None:
    if not PUBLISHED.exists():
        pytest.skip(f"the published vectors are not beside the repository: {PUBLISHED.name}")
    vectors = read(PUBLISHED)
    assert len(vectors) == PUBLISHED_COUNT
    for vector in vectors:
        check(vector)


@pytest.mark.parametrize("index", range(4))
def test_our_own_vectors_pass(index: int) -> None:
    vectors = read(OWN)
    assert len(vectors) == 4
    assert vectors[index]["protocol_name"] == NAME
    check(vectors[index])


@pytest.mark.parametrize("index", range(4))
def test_our_own_vectors_are_what_an_independent_implementation_says(index: int) -> None:
    vector = read(OWN)[index]
    sides = []
    for prefix in ("init", "resp"):
        keys = NoiseKeys(
            static=of(vector, f"{prefix}_static"),
            psks=dict(zip(psk_numbers(pattern(NAME)), psks(vector, prefix), strict=True)),
        )
        sides.append(
            connection(
                NAME,
                initiator=prefix == "init",
                prologue=of(vector, f"{prefix}_prologue") or b"",
                ephemeral=of(vector, f"{prefix}_ephemeral") or b"",
                keys=keys,
            )
        )
    for position, (payload, ciphertext) in enumerate(messages(vector)):
        writer, reader = sides if position % 2 == 0 else reversed(sides)
        if position < 3:
            assert bytes(writer.write_message(payload)) == ciphertext
            assert bytes(reader.read_message(ciphertext)) == payload
        else:
            assert writer.encrypt(payload) == ciphertext
            assert reader.decrypt(ciphertext) == payload
    assert sides[0].get_handshake_hash() == of(vector, "handshake_hash")
