"""The bytes of a membership operation: one encoding, fixed for ever, and nothing beside it."""

import json
from pathlib import Path

import pytest

from harness.members import ALICE, BOB, SEALED, founded, genesis
from p2pvault import limits
from p2pvault.errors import LimitExceeded, MalformedMessage, RemoteProtocolError
from p2pvault.protocol.membership import MembershipLog
from p2pvault.protocol.membership.decode import decode
from p2pvault.protocol.membership.operation import (
    KINDS,
    Accepted,
    Add,
    Content,
    EpochBox,
    Genesis,
    Header,
    JournalBound,
    MemberBox,
    NewEpoch,
    Recovery,
    RecoveryKeys,
    Remove,
    Rename,
    SetRole,
    sign_genesis,
    sign_operation,
)
from p2pvault.types import AuthorId, DeviceId, EpochId, OperationHash, Role
from p2pvault.wire.codec import Tree, pack, unpack

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "membership.json").read_text(encoding="utf-8")
)

CONTENTS = [
    Genesis("home", ALICE.card, None, bytes(16)),
    Genesis("home", ALICE.card, RecoveryKeys(bytes(32), bytes(1216)), bytes(16)),
    Add(BOB.card, Role.MEMBER, (EpochBox(EpochId(bytes(32)), SEALED),)),
    Remove(BOB.id, (JournalBound(AuthorId(bytes(16)), 5),), "lost"),
    SetRole(BOB.id, Role.ADMIN),
    Rename(BOB.id, "Bøb"),
    NewEpoch(EpochId(bytes(32)), (EpochId(bytes(32)),), (MemberBox(BOB.id, SEALED),)),
    Accepted(OperationHash(bytes(32)), ()),
    Recovery(RecoveryKeys(bytes(32), bytes(1216))),
]


def tree_of(data: bytes) -> tuple[list[Tree], bytes]:
    envelope = unpack(data, len(data))
    assert isinstance(envelope, list)
    raw, signature = envelope
    assert isinstance(raw, bytes)
    assert isinstance(signature, bytes)
    body = unpack(raw, len(raw))
    assert isinstance(body, list)
    return body, signature


def signed(body: Tree, signature: bytes = bytes(64)) -> bytes:
    return pack([pack(body), signature])


def sample(kind: str = "rename") -> list[Tree]:
    """Return the body of a well-formed operation as a tree."""
    place: list[Tree] = [1, bytes([7]) * 32, [bytes([1]) * 32], BOB.id, 1, 0]
    contents: dict[str, Tree] = {
        "rename": [BOB.id, "name"],
        "epoch": [bytes(32), [], [[bytes(32), SEALED], [bytes([1]) * 32, SEALED]]],
        "accepted": [bytes(32), [[bytes(16), 1], [bytes([1]) * 16, 1]]],
    }
    return [*place, kind, contents[kind]]


def test_every_kind_of_content_has_a_place_among_the_tests() -> None:
    assert {type(content) for content in CONTENTS} == KINDS.keys()


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: type(content).__name__)
def test_what_is_written_is_what_is_read(content: Content) -> None:
    if isinstance(content, Genesis):
        data = sign_genesis(content, ALICE.keys, 5)
    else:
        vault, prev = genesis().vault, (OperationHash(bytes(32)),)
        data = sign_operation(Header(vault, prev, ALICE.id, 3, 5), content, ALICE.keys.signing)
    operation = decode(data).operation
    assert operation.content == content
    assert (operation.author, operation.wall_ms, operation.data) == (ALICE.id, 5, data)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["kind"])
def test_the_format_is_what_it_was(vector: dict[str, str]) -> None:
    data = bytes.fromhex(vector["data"])
    operation = decode(data).operation
    assert KINDS[type(operation.content)].value == vector["kind"]
    assert operation.hash.hex() == vector["hash"]


def test_the_recorded_log_is_still_good() -> None:
    log = MembershipLog.load(bytes.fromhex(vector["data"]) for vector in VECTORS)
    assert len(log) == len(VECTORS)


def test_no_flipped_bit_gets_past_the_log() -> None:
    log = founded(ALICE, BOB)
    good = BOB.write(log, Rename(BOB.id, "b")).operations[-1].data
    for position in range(8 * len(good)):
        flipped = bytearray(good)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(RemoteProtocolError):
            log.add([bytes(flipped)])


def test_no_piece_of_an_operation_is_one() -> None:
    log = founded(ALICE, BOB)
    good = BOB.write(log, Rename(BOB.id, "b")).operations[-1].data
    for size in range(len(good)):
        with pytest.raises(MalformedMessage):
            log.add([good[:size]])


def test_the_sample_is_well_formed() -> None:
    for kind in ("rename", "epoch", "accepted"):
        decode(signed(sample(kind)))


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, 2),
        (0, True),
        (1, bytes(32)),
        (1, bytes(31)),
        (2, []),
        (2, [bytes([2]) * 32, bytes([1]) * 32]),
        (2, [bytes([1]) * 32] * 2),
        (3, bytes(33)),
        (4, 0),
        (4, -1),
        (5, "now"),
        (6, "promote"),
        (6, "genesis"),
        (7, []),
        (7, [BOB.id, b"name"]),
    ],
)
def test_a_malformed_body_is_refused(position: int, value: Tree) -> None:
    body = sample()
    body[position] = value
    with pytest.raises(MalformedMessage):
        decode(signed(body))


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (2, [bytes([n]) * 32 for n in range(limits.MEMBERSHIP_HEADS_MAX + 1)]),
        (4, limits.OPERATIONS_PER_AUTHOR_MAX + 1),
        (5, 2**63),
        (7, [BOB.id, "n" * (limits.DEVICE_NAME_CHARACTERS_MAX + 1)]),
    ],
)
def test_a_body_beyond_a_bound_is_refused(position: int, value: Tree) -> None:
    body = sample()
    body[position] = value
    with pytest.raises(LimitExceeded):
        decode(signed(body))


@pytest.mark.parametrize("kind", ["epoch", "accepted"])
def test_a_set_has_one_encoding(kind: str) -> None:
    body = sample(kind)
    content = body[7]
    assert isinstance(content, list)
    items = content[-1]
    assert isinstance(items, list)
    items.reverse()
    with pytest.raises(MalformedMessage, match="not sorted"):
        decode(signed(body))


@pytest.mark.parametrize(
    ("position", "value"),
    [(1, bytes([7]) * 32), (2, [bytes(32)]), (3, BOB.id), (4, 2)],
)
def test_a_genesis_stands_alone(position: int, value: Tree) -> None:
    body, _ = tree_of(genesis().operations[0].data)
    body[position] = value
    with pytest.raises(MalformedMessage, match="start of a vault"):
        decode(signed(body))


def test_an_operation_larger_than_its_bound_is_not_looked_at() -> None:
    with pytest.raises(LimitExceeded):
        decode(signed([*sample()[:7], [BOB.id, "n" * limits.OPERATION_BYTES_MAX]]))
    with pytest.raises(LimitExceeded):
        decode(bytes(2 * limits.OPERATION_BYTES_MAX))


@pytest.mark.parametrize("data", [b"", b"\x80", pack([]), pack([b"", bytes(64)]), pack([b"", b""])])
def test_bytes_that_are_no_operation_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode(data)


def test_another_format_is_refused_with_advice() -> None:
    with pytest.raises(MalformedMessage) as caught:
        decode(signed([2, *sample()[1:]]))
    assert "Update" in caught.value.hint


def test_ids_of_devices_and_recovery_keys_never_meet() -> None:
    keys = RecoveryKeys(ALICE.public.signing, ALICE.public.box)
    assert keys.id != ALICE.id
    assert keys.id != DeviceId(bytes(32))
