"""What somebody on the network sees of a pairing and editing run: nothing that says anything."""

import pytest
from zeroconf import DNSIncoming

from harness import capture
from harness.capture import Recording, spellings

REASON = capture.unavailable()

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(REASON is not None, reason=REASON or "")]

GRAM_BYTES = 6
"""Two runs have some 100 KB each: that six random bytes meet by chance is one in 20 000."""

SERVICES = {"_p2pvault._tcp.local.", "_p2pvault-pair._tcp.local."}


@pytest.fixture(scope="module")
def runs() -> tuple[Recording, Recording]:
    """Two runs of devices and vaults that have nothing to do with each other."""
    return capture.record_run(), capture.record_run()


def test_the_recording_is_complete_enough_to_judge(runs: tuple[Recording, Recording]) -> None:
    for run in runs:
        assert sum(map(len, run.streams)) > 20_000
        assert len(run.streams) >= 6, "pairing, a link, and a link after the restart; both ways"
        assert len(run.announcements) > 10
        assert any(b"_p2pvault-pair" in data for data in run.announcements)


def test_what_is_secret_would_be_found() -> None:
    secret = b"canary-value"
    for spelled in spellings(secret):
        assert len(spelled) >= 8
    hidden = [b"xx" + secret + b"yy", secret.hex().encode(), b64(b"a" + secret + b"zz")]
    assert all(found_in(secret, [data]) for data in hidden)
    assert not found_in(secret, [b"canary-valu", b"something else"])


def test_nothing_secret_and_no_identifier_is_on_the_wire(
    runs: tuple[Recording, Recording],
) -> None:
    for run in runs:
        assert len(run.secrets) >= 16
        found = [name for name, data in run.secrets.items() if found_in(data, run.everything)]
        assert found == []


def test_two_runs_have_no_six_bytes_in_common(runs: tuple[Recording, Recording]) -> None:
    one, two = (grams(run.streams) for run in runs)
    assert one & two == set()


def test_announcements_of_two_runs_have_nothing_but_the_service_in_common(
    runs: tuple[Recording, Recording],
) -> None:
    one, two = (said_by(run.announcements) for run in runs)
    assert one & two <= SERVICES | {"127.0.0.1"}
    assert SERVICES <= one & two


def test_a_device_has_other_names_after_a_restart_only_in_another_slot(
    runs: tuple[Recording, Recording],
) -> None:
    """Names mean nothing, but they are few: nothing else of a device may go with them."""
    for run in runs:
        texts = {name for name in said_by(run.announcements) if name.startswith("text:")}
        assert texts
        assert all(len(bytes.fromhex(text[5:])) == 19 for text in texts)


def found_in(secret: bytes, data: list[bytes]) -> bool:
    return any(spelled in one for spelled in spellings(secret) for one in data)


def grams(streams: list[bytes]) -> set[bytes]:
    return {
        data[at : at + GRAM_BYTES]
        for data in streams
        for at in range(len(data) - GRAM_BYTES + 1)
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
            said |= {str(getattr(record, key)) for key in ("server", "alias", "next_name") if hasattr(record, key)}
            if hasattr(record, "text"):
                said.add(f"text:{record.text.hex()}")
            if hasattr(record, "address"):
                said.add(".".join(map(str, record.address)))
    return said


def b64(data: bytes) -> bytes:
    import base64

    return base64.b64encode(data)
