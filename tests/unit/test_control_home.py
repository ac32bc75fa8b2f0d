"""Homes: where the files of a device are, who may own them, and how long their path may be."""

import os
import socket
import stat
from pathlib import Path

import pytest

from p2pvault.control.caller import connect
from p2pvault.control.home import (
    SUN_PATH_BYTES_MAX,
    Home,
    check_directory,
    find_home,
    private_directory,
    short_path,
)
from p2pvault.errors import ConfigError, DaemonUnreachable


def test_a_named_home_holds_everything(tmp_path: Path) -> None:
    home = find_home(tmp_path / "phone", environ={"P2PVAULT_HOME": "/elsewhere"})
    assert home.state == tmp_path / "phone"
    assert {home.config_file.parent, home.socket.parent} == {home.state}
    assert home.arguments() == ["--home", str(home.state)]


def test_the_environment_names_a_home_where_no_option_does(tmp_path: Path) -> None:
    home = find_home(environ={"P2PVAULT_HOME": str(tmp_path)})
    assert (home.state, home.root) == (tmp_path, tmp_path)


def test_an_empty_variable_names_nothing(tmp_path: Path) -> None:
    assert find_home(environ={"P2PVAULT_HOME": ""}).root is None


def test_the_home_of_somebody_who_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="~nobody-here/phone"):
        find_home(Path("~nobody-here/phone"))


def test_a_relative_home_means_the_same_from_everywhere(tmp_path: Path) -> None:
    assert find_home(Path("phone")).state == Path.cwd() / "phone"
    assert find_home(Path("~/phone")).state == Path.home() / "phone"


def test_the_socket_lies_in_the_session_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    home = find_home(environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert home.socket.parent == tmp_path / "p2pvault"
    assert home.arguments() == []


def test_without_a_session_directory_the_socket_lies_with_the_vault(tmp_path: Path) -> None:
    home = find_home(environ={"XDG_RUNTIME_DIR": str(tmp_path / "missing")})
    assert home.socket.parent == home.state


def test_l2_a_session_directory_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    home = find_home(environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert home.socket.parent == home.state


def test_a_missing_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    made = private_directory(tmp_path / "a" / "b")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_a_directory_that_others_can_read_is_narrowed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    private_directory(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o722])
def test_a_directory_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(ConfigError, match="can be written by other users"):
        private_directory(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_l2_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12_345, -1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        check_directory(tmp_path)


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        private_directory(tmp_path / "file")


def long_home(tmp_path: Path) -> Home:
    home = find_home(tmp_path / ("x" * 100) / ("y" * 100))
    assert len(os.fsencode(home.socket)) > SUN_PATH_BYTES_MAX
    return home


def test_a_long_path_binds_and_connects(tmp_path: Path) -> None:
    home = long_home(tmp_path)
    private_directory(home.socket.parent)
    with socket.socket(socket.AF_UNIX) as listener:
        with short_path(home.socket) as path:
            assert len(os.fsencode(path)) <= SUN_PATH_BYTES_MAX
            listener.bind(path)
        listener.listen()
        assert stat.S_ISSOCK(home.socket.stat().st_mode)
        connect(home, 0.0).__exit__()


def test_a_short_path_stays_as_it_is(tmp_path: Path) -> None:
    with short_path(Path("/run/p2pvault/control.sock")) as path:
        assert path == "/run/p2pvault/control.sock"


def test_the_open_directory_is_closed_again(tmp_path: Path) -> None:
    home = long_home(tmp_path)
    private_directory(home.socket.parent)
    before = set(Path("/proc/self/fd").iterdir())
    with short_path(home.socket):
        pass
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_a_long_home_that_is_not_there_has_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachable, match="no daemon is running"):
        connect(long_home(tmp_path), 0.0)


def test_a_socket_that_nobody_listens_on_has_no_daemon(tmp_path: Path) -> None:
    home = find_home(private_directory(tmp_path / "device"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home.socket))
    with pytest.raises(DaemonUnreachable) as caught:
        connect(home, 0.0)
    assert f"p2pvaultd --home {home.state}" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_l1_a_listener_of_another_user_is_not_talked_to(tmp_path: Path) -> None:
    home = find_home(private_directory(tmp_path / "device"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home.socket))
        os.seteuid(12_345)
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        with pytest.raises(ConfigError, match="another user"):
            connect(home, 0.0)
