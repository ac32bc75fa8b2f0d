"""What somebody on the network sees of a pairing and editing run: nothing that says anything."""

from base64 import b64encode
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from zeroconf import DNSAddress, DNSIncoming, DNSNsec, DNSPointer, DNSService, DNSText

from harness import capture
from harness.capture import Recording, spellings
from p2pvault.wire.codec import unpack

REASON = capture.unavailable()

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(REASON is not None, reason=REASON or "")]

GRAM_BYTES = 6
"""Two runs have some 30 KB each: six random bytes of them meet once in 300 000 times."""

PAIRING_TEXT = "v=1"
"""The version of the pairing protocol."""

HELLO = b"\x01"
"""The kind of the message that opens a pairing (docs/protocol/pairing.md)."""

SERVICES = {"_p2pvault._tcp.local.", "_p2pvault-pair._tcp.local."}


@pytest.fixture(scope="module")
def runs() -> tuple[Recording, Recording]:
    """Two runs of devices and vaults that have nothing to do with each other."""
    return capture.record_run(), capture.record_run()


def test_the_recording_is_complete_enough_to_judge(runs: tuple[Recording, Recording]) -> None:
    for run in runs:
        assert sum(map(len, run.streams)) > 15_000
        assert len(run.streams) >= 6, "pairing, a link, and a link after the restart; both ways"
        assert len(run.announcements) > 10
        assert any(b"_p2pvault-pair" in data for data in run.announcements)


def test_what_is_secret_would_be_found() -> None:
    secret = b"canary-value"
    assert len(list(spellings(secret))) == 3 + 2 * 5 + 2 * 3
    hidden = [b"xx" + secret + b"yy", secret.hex().encode(), b64encode(b"a" + secret + b"zz")]
    assert all(found_in(secret, [data]) for data in hidden)
    assert not found_in(secret, [b"canary-valu", b"something else"])


def test_nothing_secret_and_no_identifier_is_on_the_wire(
    runs: tuple[Recording, Recording],
) -> None:
    for run in runs:
        assert len(run.secrets) >= 15
        found = [name for name, data in run.secrets.items() if found_in(data, run.everything)]
        assert found == []


def test_two_runs_have_no_six_sealed_bytes_in_common(runs: tuple[Recording, Recording]) -> None:
    one, two = (grams(sealed(run)) for run in runs)
    assert len(one) > 15_000
    assert one & two == set()


def test_what_pairing_says_before_it_is_sealed_is_new_each_time(
    runs: tuple[Recording, Recording],
) -> None:
    one, two = ([values(message) for message in clear(run)] for run in runs)
    assert [len(each) for each in one] == [1, 3, 2, 1]
    assert not set().union(*one) & set().union(*two)


def test_announcements_of_two_runs_have_nothing_but_the_service_in_common(
    runs: tuple[Recording, Recording],
) -> None:
    one, two = (said_by(run.announcements) for run in runs)
    assert one & two == SERVICES | {"127.0.0.1", PAIRING_TEXT}
    assert all(said_by(run.announcements) - SERVICES for run in runs)


def found_in(secret: bytes, data: list[bytes]) -> bool:
    return any(spelled in one for spelled in spellings(secret) for one in data)


def pairing(run: Recording) -> tuple[bytes, bytes]:
    """Return both directions of the first connection, which is that of the pairing."""
    joiner, sponsor, *_ = run.streams
    assert joiner[2:3] == HELLO
    return joiner, sponsor


def clear(run: Recording) -> list[bytes]:
    """Return the messages of a pairing that come before any key: CPace, in both directions."""
    return [message for stream in pairing(run) for message in cut(stream)[0]]


def sealed(run: Recording) -> list[bytes]:
    """Return everything but those."""
    return [*(cut(stream)[1] for stream in pairing(run)), *run.streams[2:]]


def cut(stream: bytes) -> tuple[list[bytes], bytes]:
    """Split off the two messages in the clear: two bytes of length before each."""
    messages = []
    for _ in range(2):
        length = int.from_bytes(stream[:2])
        messages.append(stream[2 : 2 + length])
        stream = stream[2 + length :]
    return messages, stream


def values(message: bytes) -> set[bytes]:
    """Return the byte strings of a message: nonces, shares, commitments and tags."""
    items = unpack(message[1:])
    assert isinstance(items, Sequence)
    return {item for item in items if isinstance(item, bytes)}


def grams(streams: list[bytes]) -> set[bytes]:
    return {
        data[at : at + GRAM_BYTES] for data in streams for at in range(len(data) - GRAM_BYTES + 1)
    }


def said_by(packets: list[bytes]) -> set[str]:
    """Return every name, address and text that mDNS packets carry."""
    said: set[str] = set()
    for packet in packets:
        message = DNSIncoming(packet)
        assert message.valid
        said |= {question.name for question in message.questions}
        for record in message.answers():
            said.add(record.name)
            match record:
                case DNSPointer(alias=alias):
                    said.add(alias)
                case DNSService(server=server):
                    said.add(server)
                case DNSText(text=text):
                    said.add(text[1:].decode())
                case DNSAddress(address=address):
                    said.add(str(ip_address(address)))
                case DNSNsec(next_name=name):
                    said.add(name)
                case _:
                    raise AssertionError(f"a record that we never send: {record}")
    return said
