"""Daemons that die, and daemons that cannot start: nothing that was acknowledged is lost."""

import shutil
import stat
import threading

import pytest

from harness.daemons import Device, Fleet, wait_synced
from p2pvault.control.caller import Caller, connect
from p2pvault.control.home import find_home
from p2pvault.errors import DaemonUnreachable

pytestmark = pytest.mark.e2e


class Writer:
    """Writes records one after the other until the daemon is gone, and counts what was answered."""

    def __init__(self, device: Device, prefix: str) -> None:
        self.acknowledged: list[str] = []
        self._prefix = prefix
        self._moved = threading.Condition()
        caller = connect(find_home(device.home), 30.0)
        self._thread = threading.Thread(target=self._write, args=[caller], daemon=True)
        self._thread.start()

    def wait_for(self, count: int) -> None:
        """Wait until so many writes were answered."""
        with self._moved:
            assert self._moved.wait_for(lambda: len(self.acknowledged) >= count, timeout=30.0)

    def finish(self) -> set[str]:
        """Wait until the daemon is gone; return the paths of all answered writes."""
        self._thread.join(30.0)
        assert not self._thread.is_alive()
        return set(self.acknowledged)

    def _write(self, caller: Caller) -> None:
        with caller:
            for number in range(100_000):
                path = f"{self._prefix}/{number:05}"
                try:
                    caller.call("set", path=path, puts=[[["n"], number]], deletes=[])
                except DaemonUnreachable:
                    return
                with self._moved:
                    self.acknowledged.append(path)
                    self._moved.notify_all()


def test_no_acknowledged_edit_is_lost_by_kill_9(couple: tuple[Device, Device]) -> None:
    laptop, phone = couple
    acknowledged: set[str] = set()
    for count in (1, 20, 70):
        writer = Writer(laptop, f"round{count}")
        writer.wait_for(count)
        laptop.kill()
        acknowledged |= writer.finish()
        laptop.start()
        assert acknowledged <= set(laptop.paths())
    wait_synced(laptop, phone)
    assert acknowledged <= set(phone.paths())
    assert laptop.paths() == phone.paths()


def test_a_receiver_that_is_killed_gets_the_rest_later(couple: tuple[Device, Device]) -> None:
    laptop, phone = couple
    writer = Writer(laptop, "received")
    writer.wait_for(30)
    phone.kill()
    writer.wait_for(60)
    laptop.stop()
    acknowledged = writer.finish()
    phone.start()
    laptop.start()
    wait_synced(laptop, phone)
    assert acknowledged <= set(phone.paths())


def test_sigterm_ends_in_order_whatever_is_going_on(couple: tuple[Device, Device]) -> None:
    laptop, phone = couple
    watching, window = laptop.watch(), laptop.open("pair")
    window.event("code")
    writer = Writer(laptop, "stopped")
    writer.wait_for(5)
    laptop.stop()  # checks the exit code, and that it takes less than 5 s
    acknowledged = writer.finish()
    assert watching.finish().code == 3
    assert window.finish().code == 3
    assert not (laptop.home / "control.sock").exists()
    laptop.start()
    wait_synced(laptop, phone)
    assert acknowledged <= set(laptop.paths()) & set(phone.paths())


def test_a_second_daemon_on_the_same_home_is_refused(couple: tuple[Device, Device]) -> None:
    laptop, _ = couple
    code, line = laptop.refuse_to_start()
    assert code == 8
    assert "Another p2pvaultd runs with this home" in line
    assert laptop.ask("status")["vault"] is not None


def test_a_busy_port_is_one_clear_line(couple: tuple[Device, Device], fleet: Fleet) -> None:
    laptop, _ = couple
    other = fleet.device("other", ("--listen", laptop.listening()))
    other.do("init")
    code, line = other.refuse_to_start()
    assert code != 0
    assert f"port {laptop.listening().rpartition(':')[2]} is taken" in line


def test_a_stale_socket_and_a_stale_lock_do_not_keep_a_daemon_out(fleet: Fleet) -> None:
    device = fleet.founder("laptop")
    device.kill()
    assert (device.home / "control.sock").exists()
    assert device.refused("status") == (3, "daemon_unreachable")
    device.start()
    assert device.ask("status")["vault"] is not None


@pytest.fixture(scope="module")
def good(shared: Fleet) -> Device:
    device = shared.device("good")
    device.do("init")
    return device


@pytest.fixture
def broken(good: Device, fleet: Fleet) -> Device:
    """A copy of a good home, for a test to break."""
    device = fleet.device("broken")
    shutil.copytree(good.home, device.home)
    return device


def test_a_corrupt_store_is_one_clear_line(broken: Device) -> None:
    store = broken.home / "vault.db"
    with store.open("r+b") as file:
        file.seek(8_192)
        file.write(b"\xa5" * 4_096)
    code, line = broken.refuse_to_start()
    assert code == 1
    assert "Do not delete anything" in line


def test_a_cut_store_is_one_clear_line(broken: Device) -> None:
    store = broken.home / "vault.db"
    store.write_bytes(store.read_bytes()[:1_000])
    code, line = broken.refuse_to_start()
    assert code == 1
    assert "Do not delete anything" in line


def test_a_key_that_others_can_read_is_refused(broken: Device) -> None:
    key = broken.home / "device.key"
    key.chmod(0o644)
    code, line = broken.refuse_to_start()
    assert code == 4
    assert "chmod 600" in line
    assert stat.S_IMODE(key.stat().st_mode) == 0o644, "it is the person's to decide"


def test_a_key_that_is_gone_is_refused(broken: Device) -> None:
    key = broken.home / "device.key"
    key.unlink()
    assert broken.refuse_to_start()[0] == 4


def test_a_home_that_others_can_write_is_refused(broken: Device) -> None:
    broken.home.chmod(0o777)
    code, line = broken.refuse_to_start()
    assert code == 2
    assert "can be written by other users" in line
    broken.home.chmod(0o700)


def test_a_setting_with_a_typing_error_is_named(broken: Device) -> None:
    (broken.home / "config.toml").write_text('lisen = "127.0.0.1:0"\n')
    code, line = broken.refuse_to_start()
    assert code == 2
    assert "Did you mean listen?" in line
