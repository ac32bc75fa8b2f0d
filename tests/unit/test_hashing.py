from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from p2pvault.crypto.hashing import digest, fingerprint_item

parts_lists = st.lists(st.binary(max_size=6), max_size=4)


@given(parts_lists, parts_lists)
def test_two_different_lists_of_parts_never_hash_alike(
    first: list[bytes], second: list[bytes]
) -> None:
    assert (digest(b"p2pv-test", *first) == digest(b"p2pv-test", *second)) is (first == second)


def test_a_digest_is_personalised_blake2b_over_parts_with_their_lengths() -> None:
    expected = blake2b(
        bytes(7) + b"\x03abc" + bytes(8), digest_size=20, key=b"k", person=b"p2pv-test"
    ).digest()
    assert digest(b"p2pv-test", b"abc", b"", size=20, key=b"k") == expected


def test_purpose_key_and_size_each_change_the_digest() -> None:
    digests = {
        digest(b"p2pv-a", b"x"),
        digest(b"p2pv-b", b"x"),
        digest(b"p2pv-a", b"x", key=b"k"),
        digest(b"p2pv-a", b"x", size=16),
        digest(b"p2pv-a", b"x")[:16],
    }
    assert len(digests) == 5


@given(st.permutations([bytes([n]) * 32 for n in range(4)]))
def test_a_fingerprint_item_does_not_depend_on_the_order_of_heads(heads: list[bytes]) -> None:
    expected = fingerprint_item(b"k" * 32, b"r" * 16, tuple(sorted(heads)))
    assert fingerprint_item(b"k" * 32, b"r" * 16, tuple(heads)) == expected
    assert 0 <= expected < 2**256


def test_a_fingerprint_item_depends_on_key_record_and_every_head() -> None:
    key, record, heads = b"k" * 32, b"r" * 16, (b"a" * 32, b"b" * 32)
    items = {
        fingerprint_item(key, record, heads),
        fingerprint_item(b"K" * 32, record, heads),
        fingerprint_item(key, b"R" * 16, heads),
        fingerprint_item(key, record, heads[:1]),
        fingerprint_item(key, record, ()),
        fingerprint_item(key, record, (b"a" * 32, b"c" * 32)),
    }
    assert len(items) == 6
