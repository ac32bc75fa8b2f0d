"""Key slots: made once, never replaced, refused where others could have read them."""

import errno
import os
import socket
from pathlib import Path

import pytest

from harness.entropy import seeded
from p2pvault.crypto.entropy import Entropy
from p2pvault.errors import (
    KeyUnavailable,
    NoVault,
    SchemaTooNew,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreInUse,
    StoreUnwritable,
)
from p2pvault.limits import SLOTS_FILE_BYTES_MAX
from p2pvault.store.faults import os_fault
from p2pvault.store.home import HomeFiles
from p2pvault.store.lock import ExclusiveLock
from p2pvault.store.private_file import read_private, write_private
from p2pvault.store.slots import KeyFile, KeySlots, Slot, load_master_key, make_master_key
from p2pvault.wire.codec import pack


@pytest.fixture
def files(tmp_path: Path) -> HomeFiles:
    return HomeFiles(tmp_path)


@pytest.fixture
def entropy() -> Entropy:
    return seeded("slots")


@pytest.fixture
def master_key(files: HomeFiles, entropy: Entropy) -> bytes:
    return make_master_key(files, entropy)


class Passphrase:
    """A second way to unlock, as a later version could have it."""

    kind = "passphrase"

    def __init__(self, key: bytes) -> None:
        self.key = key

    def slot_key(self, parameters: bytes) -> bytes:
        assert parameters == b"salt"
        return self.key


class TestMaking:
    def test_the_key_that_was_made_is_the_key_that_is_loaded(
        self, files: HomeFiles, master_key: bytes
    ) -> None:
        assert len(master_key) == 32
        assert load_master_key(files) == master_key

    def test_making_again_never_replaces_a_key(
        self, files: HomeFiles, master_key: bytes, entropy: Entropy
    ) -> None:
        assert make_master_key(files, entropy) == master_key

    def test_the_files_are_the_owners_alone_whatever_the_umask(
        self, files: HomeFiles, entropy: Entropy
    ) -> None:
        before = os.umask(0)
        try:
            make_master_key(files, entropy)
        finally:
            os.umask(before)
        assert {path.name: path.stat().st_mode & 0o777 for path in files.home.iterdir()} == {
            "device.key": 0o600,
            "keys.slots": 0o600,
            "vault.lock": 0o600,
        }

    def test_neither_file_alone_tells_the_master_key(
        self, files: HomeFiles, master_key: bytes
    ) -> None:
        assert master_key not in files.slots.read_bytes()
        assert master_key not in files.device_key.read_bytes()

    def test_making_goes_on_after_a_crash_between_the_two_files(
        self, files: HomeFiles, entropy: Entropy
    ) -> None:
        write_private(files.device_key, bytes(range(32)))
        key = make_master_key(files, entropy)
        assert files.device_key.read_bytes() == bytes(range(32))
        assert load_master_key(files) == key

    def test_a_store_without_its_slots_gets_no_new_key(
        self, files: HomeFiles, entropy: Entropy
    ) -> None:
        files.database.write_bytes(b"encrypted under a key that is lost")
        with pytest.raises(KeyUnavailable):
            make_master_key(files, entropy)
        assert not files.slots.exists()

    def test_making_while_another_process_is_at_work_is_refused(
        self, files: HomeFiles, entropy: Entropy
    ) -> None:
        with ExclusiveLock(files.lock), pytest.raises(StoreInUse):
            make_master_key(files, entropy)
        assert not files.slots.exists()

    def test_a_home_without_anything_is_no_vault(self, files: HomeFiles) -> None:
        with pytest.raises(NoVault):
            load_master_key(files)


class TestOpening:
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o601])
    @pytest.mark.parametrize("name", ["device.key", "keys.slots"])
    def test_a_file_open_to_others_is_refused(
        self, files: HomeFiles, master_key: bytes, name: str, mode: int
    ) -> None:
        (files.home / name).chmod(mode)
        with pytest.raises(KeyUnavailable, match=f"{mode:04o}") as caught:
            load_master_key(files)
        assert "chmod 600" in caught.value.hint

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_a_file_of_another_user_is_refused(self, files: HomeFiles, master_key: bytes) -> None:
        os.chown(files.device_key, 12_345, -1)
        with pytest.raises(KeyUnavailable, match="uid 12345"):
            load_master_key(files)

    def test_a_missing_key_file_is_named(self, files: HomeFiles, master_key: bytes) -> None:
        files.device_key.unlink()
        with pytest.raises(KeyUnavailable, match=r"device\.key"):
            load_master_key(files)

    def test_a_link_in_place_of_the_key_file_is_not_followed(
        self, files: HomeFiles, master_key: bytes
    ) -> None:
        moved = files.device_key.rename(files.home / "elsewhere")
        files.device_key.symlink_to(moved)
        with pytest.raises(KeyUnavailable):
            load_master_key(files)

    def test_a_pipe_in_place_of_the_key_file_does_not_block(
        self, files: HomeFiles, master_key: bytes
    ) -> None:
        files.device_key.unlink()
        os.mkfifo(files.device_key, 0o600)
        with pytest.raises(KeyUnavailable, match="plain file"):
            load_master_key(files)

    def test_a_socket_or_directory_in_place_of_the_key_file_is_refused(
        self, files: HomeFiles, master_key: bytes
    ) -> None:
        files.device_key.unlink()
        files.device_key.mkdir(mode=0o700)
        with pytest.raises(KeyUnavailable):
            load_master_key(files)
        files.device_key.rmdir()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(files.device_key))
            files.device_key.chmod(0o600)
            with pytest.raises(KeyUnavailable):
                load_master_key(files)

    @pytest.mark.parametrize("size", [0, 31, 33, 10_000])
    def test_a_key_file_of_another_length_is_refused(
        self, files: HomeFiles, master_key: bytes, size: int
    ) -> None:
        files.device_key.write_bytes(bytes(size))
        with pytest.raises(KeyUnavailable):
            load_master_key(files)

    def test_another_key_does_not_open_the_slot(self, files: HomeFiles, master_key: bytes) -> None:
        write_private(files.device_key, bytes(32))
        with pytest.raises(KeyUnavailable, match="does not open"):
            load_master_key(files)

    def test_a_slots_file_of_a_newer_version_is_refused(self, files: HomeFiles) -> None:
        write_private(files.slots, pack([2, ["whatever it is by then"]]))
        with pytest.raises(SchemaTooNew):
            load_master_key(files)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x00",
            pack([1]),
            pack([1, [["file", b"", b""], ["file"]]]),
            pack([1, [["file", b"", b""]] * 17]),
            pack([1, [["file", bytes(1025), b""]]]),
            pack(["1", []]),
            pack([1, []]) + b"\x00",
        ],
    )
    def test_a_slots_file_that_does_not_parse_is_corrupt(
        self, files: HomeFiles, content: bytes
    ) -> None:
        write_private(files.slots, content)
        with pytest.raises(StoreCorrupt):
            load_master_key(files)

    def test_a_slots_file_beyond_its_bound_is_not_read(self, files: HomeFiles) -> None:
        write_private(files.slots, bytes(SLOTS_FILE_BYTES_MAX + 1))
        with pytest.raises(KeyUnavailable, match="longer"):
            load_master_key(files)


class TestSlots:
    def test_every_slot_opens_with_its_own_unlocker(
        self, files: HomeFiles, master_key: bytes
    ) -> None:
        by_file, by_phrase = KeyFile(files.device_key), Passphrase(bytes(range(32)))
        slots = KeySlots(
            (
                Slot.wrap(master_key, by_phrase, b"salt", bytes(24)),
                Slot.wrap(master_key, by_file, b"", bytes(24)),
            )
        )
        slots.save(files.slots)
        assert KeySlots.load(files.slots) == slots
        assert slots.unlock([by_phrase]) == master_key
        assert slots.unlock([by_file]) == master_key
        assert load_master_key(files) == master_key

    def test_a_slot_that_does_not_open_leaves_the_others_their_turn(
        self, files: HomeFiles, master_key: bytes
    ) -> None:
        right, wrong = Passphrase(bytes(range(32))), Passphrase(bytes(32))
        slots = KeySlots(
            (
                Slot.wrap(master_key, wrong, b"salt", bytes(24)),
                Slot.wrap(master_key, right, b"salt", bytes(24)),
            )
        )
        assert slots.unlock([KeyFile(files.device_key), right]) == master_key

    def test_a_slot_is_bound_to_its_kind_and_parameters(
        self, files: HomeFiles, master_key: bytes
    ) -> None:
        unlocker = Passphrase(files.device_key.read_bytes())
        moved = Slot("passphrase", b"salt", KeySlots.load(files.slots).slots[0].wrapped)
        with pytest.raises(KeyUnavailable, match="does not open"):
            moved.unwrap(unlocker)

    def test_unknown_kinds_alone_open_nothing(self, files: HomeFiles, master_key: bytes) -> None:
        KeySlots((Slot("keyring", b"", bytes(72)),)).save(files.slots)
        with pytest.raises(KeyUnavailable, match="kind"):
            load_master_key(files)

    def test_a_key_file_slot_with_parameters_is_not_guessed_at(
        self, files: HomeFiles, master_key: bytes
    ) -> None:
        with pytest.raises(KeyUnavailable, match="parameters"):
            KeyFile(files.device_key).slot_key(b"new")

    def test_a_slot_with_a_key_of_another_length_is_corrupt(
        self, files: HomeFiles, master_key: bytes
    ) -> None:
        unlocker = KeyFile(files.device_key)
        with pytest.raises(StoreCorrupt):
            Slot.wrap(b"short", unlocker, b"", bytes(24)).unwrap(unlocker)


class TestPrivateFiles:
    def test_writing_replaces_the_whole_file_and_its_mode(self, tmp_path: Path) -> None:
        path = tmp_path / "secret"
        path.write_bytes(b"a longer old content")
        path.chmod(0o644)
        write_private(path, b"new")
        assert read_private(path, 100) == b"new"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_leftover_of_a_crash_is_overwritten(self, tmp_path: Path) -> None:
        leftover = tmp_path / "secret.new"
        leftover.write_bytes(b"half")
        leftover.chmod(0o644)
        write_private(tmp_path / "secret", b"whole")
        assert read_private(tmp_path / "secret", 100) == b"whole"

    def test_what_cannot_be_put_in_place_leaves_nothing_behind(self, tmp_path: Path) -> None:
        (tmp_path / "secret").mkdir()
        with pytest.raises(StoreUnwritable):
            write_private(tmp_path / "secret", b"a key, or what filled the disk")
        assert list(tmp_path.iterdir()) == [tmp_path / "secret"]

    def test_a_directory_that_is_not_there_is_unwritable(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnwritable):
            write_private(tmp_path / "missing" / "secret", b"")

    @pytest.mark.parametrize(
        ("number", "kind"),
        [
            (errno.ENOSPC, StoreFull),
            (errno.EDQUOT, StoreFull),
            (errno.EROFS, StoreUnwritable),
            (errno.EACCES, StoreUnwritable),
        ],
    )
    def test_what_the_system_says_becomes_an_error_of_ours(
        self, number: int, kind: type[StoreError]
    ) -> None:
        error = os_fault("cannot write it", OSError(number, os.strerror(number)))
        assert type(error) is kind
        assert str(error) == f"cannot write it: {os.strerror(number)}"


class TestLock:
    def test_the_lock_passes_on_when_it_is_released(self, tmp_path: Path) -> None:
        first = ExclusiveLock(tmp_path / "lock")
        with pytest.raises(StoreInUse):
            ExclusiveLock(tmp_path / "lock")
        first.release()
        with ExclusiveLock(tmp_path / "lock"):
            pass

    def test_a_lock_that_cannot_be_made_is_unwritable(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnwritable):
            ExclusiveLock(tmp_path / "missing" / "lock")
