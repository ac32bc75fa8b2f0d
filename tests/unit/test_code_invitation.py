import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.errors import BadCode
from p2pvault.limits import INVITATION_CHARACTERS_MAX, PAIRING_ADDRESSES_MAX
from p2pvault.protocol.invitation import Invitation, is_invitation, parse_invitation
from p2pvault.types import Address

hosts = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).filter(
    lambda host: (
        not host.is_multicast
        and not host.is_unspecified
        and getattr(host, "ipv4_mapped", None) is None
    )
)
invitations = st.builds(
    Invitation,
    secret=st.binary(min_size=16, max_size=16),
    fingerprint=st.binary(min_size=16, max_size=16),
    addresses=st.lists(
        st.builds(Address, hosts.map(str), st.integers(1, 65_535)),
        min_size=1,
        max_size=PAIRING_ADDRESSES_MAX,
    ).map(tuple),
    expires=st.integers(1, 10**12 - 1),
)

INVITATION = Invitation(
    secret=bytes(range(16)),
    fingerprint=bytes(range(16, 32)),
    addresses=(Address("192.168.1.5", 40_001), Address("fd00::5", 40_001)),
    expires=1_790_000_000,
)
TEXT = (
    "p2pvault:1?c=aaaqeayeaudaocajbifqydiob4&f=caireeyuculbogazdinryhi6d4"
    "&a=192.168.1.5:40001,[fd00::5]:40001&x=1790000000"
)


def test_the_text_is_as_specified() -> None:
    assert str(INVITATION) == TEXT


@given(invitations)
def test_what_is_shown_can_be_scanned(invitation: Invitation) -> None:
    text = str(invitation)
    assert len(text) <= INVITATION_CHARACTERS_MAX
    assert parse_invitation(text) == invitation
    assert parse_invitation(f" {text.upper()}\n") == invitation


@given(invitations, st.data())
def test_a_changed_text_is_another_invitation_or_none(invitation: Invitation, data) -> None:
    text = str(invitation)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters(codec="utf-8")) + text[at + 1 :]
    try:
        parsed = parse_invitation(changed)
    except BadCode:
        return
    assert str(parsed) == changed.strip().lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p2pvault:",
        TEXT.replace("p2pvault:1", "p2pvault:2"),
        TEXT.replace("&x=1790000000", ""),
        TEXT + "&y=1",
        TEXT + "&x=1790000000",
        TEXT.replace("c=aaaq", "c=aaa1"),
        TEXT.replace("diob4", "diob5"),
        TEXT.replace("c=aaaq", "c=aaa"),
        TEXT.replace("192.168.1.5", "example.org"),
        TEXT.replace("192.168.1.5", "192.168.1.500"),
        TEXT.replace("192.168.1.5", "224.0.0.251"),
        TEXT.replace("192.168.1.5", "0.0.0.0"),
        TEXT.replace("192.168.1.5", "[192.168.1.5]"),
        TEXT.replace("fd00::5", "fe80::5%eth0"),
        TEXT.replace("fd00::5", "::"),
        TEXT.replace("fd00::5", "fd00:0::5"),
        TEXT.replace("fd00::5", "::ffff:c0a8:105"),
        TEXT.replace("[fd00::5]", "fd00::5"),
        TEXT.replace("40001", "0", 1),
        TEXT.replace("40001", "65536", 1),
        TEXT.replace("40001", "040001", 1),
        TEXT.replace("192.168.1.5:40001,", ","),
        TEXT.replace("192.168.1.5:40001,", "192.168.1.5:40001," * 8),
        TEXT.replace("x=1790000000", "x=-1"),
        TEXT.replace("x=1790000000", "x=" + "9" * 13),
        TEXT + "&" * INVITATION_CHARACTERS_MAX,
        TEXT.replace("192.168.1.5", "1\u0669.168.1.5"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadCode) as refusal:
        parse_invitation(text)
    assert "`pair`" in refusal.value.hint


def test_a_representation_does_not_show_the_secret() -> None:
    assert repr(INVITATION.secret) not in repr(INVITATION)


def test_an_address_is_told_from_a_code() -> None:
    assert is_invitation(" P2PVAULT:1?c=")
    assert not is_invitation("42-lantern-tulip-violin")
