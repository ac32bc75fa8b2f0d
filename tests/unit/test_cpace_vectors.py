"""CPace against the draft's published vectors and an independent implementation."""

import json
from pathlib import Path

import cpace as other
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pvault.crypto import cpace
from p2pvault.errors import HandshakeFailed

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "vectors" / "cpace.json"

LOW_ORDER = (0, 1, 2, 3, 4, 5, 7)
"""Points of the draft's appendix B.1.10 that must end the run."""

SCALAR = bytes.fromhex("af46e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449aff")
"""The scalar of the same appendix."""

# The points of the same appendix that are encoded unusually but are of high order, and their
# products with SCALAR.
UNUSUAL = {
    "daffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": (
        "d8e2c776bbacd510d09fd9278b7edcd25fc5ae9adfba3b6e040e8d3b71b21806"
    ),
    "dbffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": (
        "c85c655ebe8be44ba9c0ffde69f2fe10194458d137f09bbff725ce58803cdb38"
    ),
    "d9ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": (
        "db64dafa9b8fdd136914e61461935fe92aa372cb056314e1231bc4ec12417456"
    ),
    "cdeb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880": (
        "e062dcd5376d58297be2618c7498f55baa07d7e03184e8aada20bca28888bf7a"
    ),
    "4c9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7": (
        "993c6ad11c4c29da9a56f7691fd0ff8d732e49de6250b6c2e80003ff4629a175"
    ),
}


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, str]]:
    if not PUBLISHED.exists():
        pytest.skip("the published vectors are not beside the repository")
    vectors: dict[str, dict[str, str]] = json.loads(PUBLISHED.read_text())
    return vectors


@pytest.fixture(scope="module")
def group(published: dict[str, dict[str, str]]) -> dict[str, bytes]:
    return {name: bytes.fromhex(value) for name, value in published["G_25519"].items()}


def terms(group: dict[str, bytes]) -> cpace.Terms:
    return cpace.Terms(group["PRS"], group["CI"], group["sid"])


def exchange(group: dict[str, bytes], side: cpace.Side) -> cpace.Exchange:
    letter = "a" if side is cpace.Side.INITIATOR else "b"
    return cpace.Exchange(side, terms(group), group[f"AD{letter}"], group[f"y{letter}"])


def test_the_generator_is_the_published_one(group: dict[str, bytes]) -> None:
    assert cpace.calculate_generator(terms(group)) == group["g"]


def test_shares_and_key_are_the_published_ones(group: dict[str, bytes]) -> None:
    a = exchange(group, cpace.Side.INITIATOR)
    b = exchange(group, cpace.Side.RESPONDER)
    assert a.contribution == cpace.Contribution(group["Ya"], group["ADa"])
    assert b.contribution == cpace.Contribution(group["Yb"], group["ADb"])
    assert cpace.scalar_mult_vfy(group["ya"], group["Yb"]) == group["K"]
    assert a.agree(b.contribution).key == group["ISK_IR"] == b.agree(a.contribution).key


@pytest.mark.parametrize("index", LOW_ORDER)
def test_p8_published_points_of_low_order_end_the_run(
    published: dict[str, dict[str, str]], group: dict[str, bytes], index: int
) -> None:
    point = bytes.fromhex(published["X25519_points"][f"Invalid Y{index}"])
    for side in cpace.Side:
        with pytest.raises(HandshakeFailed, match="low order"):
            exchange(group, side).agree(cpace.Contribution(point, b""))


@pytest.mark.parametrize("u", [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18])
@pytest.mark.parametrize("top", [0, 2**255])
def test_p8_small_multiples_of_the_field_end_the_run(u: int, top: int) -> None:
    """0, 1 and p - 1 have low order (RFC 7748, section 6.1), in each of their encodings."""
    with pytest.raises(HandshakeFailed, match="low order"):
        cpace.scalar_mult_vfy(SCALAR, (u + top).to_bytes(32, "little"))


@pytest.mark.parametrize(("point", "product"), UNUSUAL.items())
def test_unusual_encodings_multiply_to_the_published_products(point: str, product: str) -> None:
    assert cpace.scalar_mult_vfy(SCALAR, bytes.fromhex(point)).hex() == product


def some_exchange() -> cpace.Exchange:
    return cpace.Exchange(cpace.Side.INITIATOR, cpace.Terms(b"c", b"", b""), b"", b"s" * 32)


short = st.binary(max_size=200)
scalars = st.binary(min_size=32, max_size=32)


@settings(max_examples=60)
@given(st.builds(cpace.Terms, short, short, short), short, short, scalars)
def test_both_sides_agree_with_an_independent_implementation(
    agreed: cpace.Terms, mine: bytes, theirs: bytes, scalar: bytes
) -> None:
    for side in cpace.Side:
        role = (
            other.CPaceRole.RESPONDER if side is cpace.Side.INITIATOR else other.CPaceRole.INITIATOR
        )
        ours = cpace.Exchange(side, agreed, mine, scalar)
        peer = other.CPace.start(
            role=role, prs=agreed.code, sid=agreed.session, ci=agreed.channel, ad=theirs
        )
        agreement = ours.agree(cpace.Contribution(peer.public_share, theirs))
        peer.derive(ours.contribution.share, mine)
        assert agreement.key == peer.isk
        assert agreement.confirms(peer.tag())
        assert peer.verify(agreement.tag)


@settings(max_examples=60)
@given(codes=st.lists(short, min_size=2, max_size=2, unique=True), session=short)
def test_another_code_never_confirms(codes: list[bytes], session: bytes) -> None:
    a, b = (
        cpace.Exchange(side, cpace.Terms(code, b"", session), b"", bytes([n + 1] * 32))
        for n, (side, code) in enumerate(zip(cpace.Side, codes, strict=True))
    )
    from_a, from_b = a.agree(b.contribution), b.agree(a.contribution)
    assert from_a.key != from_b.key
    assert not from_a.confirms(from_b.tag)
    assert not from_b.confirms(from_a.tag)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_share_of_another_length_is_refused(size: int) -> None:
    ours = some_exchange()
    with pytest.raises(HandshakeFailed, match="32 bytes"):
        ours.agree(cpace.Contribution(b"\x09" * size, b""))


def test_our_own_message_thrown_back_is_refused() -> None:
    ours = some_exchange()
    with pytest.raises(HandshakeFailed, match="our own message"):
        ours.agree(ours.contribution)


def test_an_exchange_agrees_once() -> None:
    ours = some_exchange()
    ours.agree(cpace.Contribution(b"\x09" + bytes(31), b""))
    with pytest.raises(AssertionError):
        ours.agree(cpace.Contribution(b"\x09" + bytes(31), b""))


def test_lengths_above_127_take_two_bytes() -> None:
    # The draft's notation section: unsigned LEB128, seven bits a byte, lowest first.
    assert cpace.lv_cat(bytes(127))[:1] == b"\x7f"
    assert cpace.lv_cat(bytes(128))[:2] == b"\x80\x01"
    assert cpace.lv_cat(bytes(300))[:2] == b"\xac\x02"
