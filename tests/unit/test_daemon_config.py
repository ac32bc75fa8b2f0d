from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.errors import ConfigError
from p2pvault.limits import CONFIG_BYTES_MAX
from p2pvault.net.services import DiscoverySettings, Mode
from p2pvaultd.config import (
    Listen,
    Overrides,
    Settings,
    load_settings,
    needs_restart,
    parse_listen,
    parse_settings,
)

FULL = b"""
listen = "192.168.1.5:47474"
[discovery]
mode = "quiet"
interfaces = ["eth0", "wlan0"]
[log]
level = "debug"
"""


def test_an_empty_file_means_the_defaults() -> None:
    assert parse_settings(b"") == Settings(
        Listen("", 0), DiscoverySettings(Mode.NORMAL, ()), "info"
    )


def test_every_setting_is_read() -> None:
    discovery = DiscoverySettings(Mode.QUIET, ("eth0", "wlan0"))
    expected = Settings(Listen("192.168.1.5", 47474), discovery, "debug")
    assert parse_settings(FULL) == expected


def test_a_missing_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "config.toml", Overrides()) == Settings()


def test_an_option_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(FULL)
    overrides = Overrides("127.0.0.1:1", "off", ("lo",), "error")
    expected = Settings(Listen("127.0.0.1", 1), DiscoverySettings(Mode.OFF, ("lo",)), "error")
    assert load_settings(tmp_path / "config.toml", overrides) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("lisen = ':1'", "unknown setting lisen", "Did you mean listen?"),
        ("discovery.mod = 'off'", "unknown setting discovery.mod", "Did you mean discovery.mode?"),
        ("log.zzz = 1", "unknown setting log.zzz", "Known here: log.level."),
        ("discovery = 1", "discovery must be a table", ""),
        ("discovery.mode = 'loud'", "discovery.mode must be one of normal, quiet, off", ""),
        ("discovery.mode = 1", "discovery.mode must be one of normal, quiet, off", ""),
        ("discovery.interfaces = 'eth0'", "discovery.interfaces must be a list", ""),
        ("discovery.interfaces = ['a b']", "discovery.interfaces has 'a b'", ""),
        (f"discovery.interfaces = {['e'] * 17}", "at most 16 interfaces", ""),
        ("log.level = 'loud'", "log.level must be one of", ""),
        ("listen = 47474", "with a literal address, not 47474", ":47474"),
        ("listen = '47474'", "listen must be HOST:PORT", ":47474"),
        ("listen = ':65536'", "listen must be HOST:PORT", ":47474"),
        (
            "listen = 'localhost:1'",
            "listen must be HOST:PORT with a literal address, not 'localhost:1'",
            "",
        ),
        ("listen = '::1:1'", "listen must be HOST:PORT", ""),
        ("listen = '[127.0.0.1]:1'", "listen must be HOST:PORT", ""),
        ("listen = ", "not a TOML file", ""),
        ("x = " + "[" * 10_000, "not a TOML file", ""),
        ("#" * (CONFIG_BYTES_MAX + 1), "longer than", ""),
    ],
)
def test_a_wrong_file_is_refused_by_name(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text.encode())
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_the_message_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"config\.toml: not a TOML file"):
        load_settings(file, Overrides())


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path, Overrides())


@pytest.mark.parametrize(
    "overrides",
    [Overrides(listen="x"), Overrides(interfaces=("a b",))],
)
def test_a_wrong_option_is_refused_by_its_name(overrides: Overrides, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--(listen|interface)"):
        load_settings(tmp_path / "config.toml", overrides)


@given(
    host=st.one_of(st.just(""), st.ip_addresses().map(str)),
    port=st.integers(min_value=0, max_value=65_535),
)
def test_what_a_listen_address_prints_is_read_as_the_same(host: str, port: int) -> None:
    assert parse_listen(str(Listen(host, port)), "listen") == Listen(host, port)


@given(st.binary(max_size=200))
def test_any_bytes_give_settings_or_a_clear_error(data: bytes) -> None:
    with suppress(ConfigError):
        assert isinstance(parse_settings(data), Settings)


def test_only_the_listen_address_needs_a_restart() -> None:
    changed = parse_settings(FULL)
    assert needs_restart(Settings(), changed) == ("listen",)
    assert needs_restart(Settings(listen=changed.listen), changed) == ()
