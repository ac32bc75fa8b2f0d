"""Fuzzing what people type or scan: codes, pairing addresses, addresses, paths, words, names."""

from collections.abc import Callable

from fuzz.target import Target, chosen
from harness.pairing import CODE
from p2pvault.core.selector import parse_selector
from p2pvault.errors import BadCode, BadPath, BadValue
from p2pvault.protocol.code import complete, parse_code
from p2pvault.protocol.invitation import Invitation, is_invitation, parse_invitation
from p2pvault.protocol.pairing.words import read_words
from p2pvault.types import Address
from p2pvault.wire.addresses import is_near
from p2pvault.wire.names import clean_kind, clean_name
from p2pvaultd.hostport import read_address, read_host_port


def run(data: bytes) -> None:
    """Read a text in one of the ways; its bytes become text as those of an argument do."""
    way, rest = chosen(len(WAYS), data)
    WAYS[way](rest.decode("utf-8", "surrogateescape"))


def _code(text: str) -> None:
    complete(text[:8])
    try:
        code = parse_code(text)
    except BadCode:
        return
    assert parse_code(str(code)) == code
    assert code.secret == str(code).encode("ascii")


def _invitation(text: str) -> None:
    try:
        invitation = parse_invitation(text)
    except BadCode:
        return
    assert is_invitation(text)
    assert str(invitation) == text.strip().lower()
    assert parse_invitation(str(invitation)) == invitation


def _address(text: str) -> None:
    read_host_port(text)
    is_near(Address(text, 1))
    try:
        address = read_address(text)
    except BadValue:
        return
    assert read_address(str(address)) == address


def _selector(text: str) -> None:
    try:
        selector = parse_selector(text)
    except BadPath:
        return
    assert parse_selector(str(selector)) == selector


def _name(text: str) -> None:
    for clean in (clean_name, clean_kind):
        try:
            name = clean(text)
        except BadValue:
            continue
        assert clean(name) == name
        # `isprintable` calls every space but U+0020 unprintable.
        assert all(character.isprintable() or character.isspace() for character in name)


def _words(text: str) -> None:
    try:
        words = read_words(text)
    except BadValue:
        return
    assert read_words(" ".join(words)) == words


WAYS: tuple[Callable[[str], None], ...] = (_code, _invitation, _address, _selector, _name, _words)


def seeds() -> list[bytes]:
    """Return good texts of every kind, and untidy ones."""
    addresses = (Address("192.168.1.5", 47_474), Address("fd00::1", 1))
    invitation = str(Invitation(b"s" * 16, b"f" * 16, addresses, 1_790_000_000)).encode()
    good = (
        [CODE, b"  42 LANTERN,tul_vio ", b"4o.lan.tul.vio"],
        [invitation, invitation.upper() + b"\n"],
        [b"192.168.1.5:47474", b"[fe80::1%eth0]:47474", b":1"],
        [b"notes/one", b"id:0190-abcd", "notes/ä".encode()],
        ["Ada's Téléfon".encode(), "Ada\u00a0L.".encode(), b"laptop"],
        [b"abandon ability", b"  Able ABOUT-12 "],
    )
    return [bytes([way]) + text for way, texts in enumerate(good) for text in texts]


TARGET = Target("code", run, seeds, 1_024)
