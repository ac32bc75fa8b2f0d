import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.errors import BadValue
from p2pvault.types import Address
from p2pvaultd.hostport import read_address, read_host_port


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.168.1.5:47474", "192.168.1.5", 47474),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
        ("[fd00::5]:65535", "fd00::5", 65535),
    ],
)
def test_an_address_is_read(text: str, host: str, port: int) -> None:
    assert read_address(text) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "phone:1",
        "192.168.1.5",
        "192.168.1.5:",
        "192.168.1.5:65536",
        "192.168.1.5:0",
        "192.168.1.256:1",
        "[192.168.1.5]:1",
        "fd00::5:1",
        "[fd00::5]",
        ":47474",
        "0.0.0.0:1",
        "[::]:1",
        "[::0]:4747",  # the same in another spelling
        "[::ffff:0.0.0.0]:1",
        "224.0.0.251:5353",
        "[ff02::fb]:5353",
        "\u0661.1.1.1:1",
        "1.1.1.1:\u0661",
    ],
)
def test_what_cannot_be_dialled_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        read_address(text)


@given(host=st.ip_addresses(), port=st.integers(0, 65_535))
def test_what_an_address_prints_is_read_as_the_same(host: object, port: int) -> None:
    assert read_host_port(str(Address(str(host), port))) == (str(host), port)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_none(text: str) -> None:
    read = read_host_port(text)
    assert read is None or 0 <= read[1] <= 65_535
