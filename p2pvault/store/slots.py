"""Key slots: the device master key, wrapped once for each way to unlock this device.

The master key is 32 random bytes that never leave the device; the store's key is derived from it.
`keys.slots` holds it encrypted, once per slot, so that a way to unlock can be added or removed
without touching the store. A slot of a kind that this version does not know is passed over.

Format of the file: the canonical packing of `[version, [[kind, parameters, wrapped], ...]]`, where
`wrapped` is XChaCha20-Poly1305 of the master key under the slot's own key, bound to kind and
parameters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from p2pvault.crypto.entropy import Entropy, draw
from p2pvault.crypto.seal import NONCE_BYTES, decrypt, encrypt
from p2pvault.errors import (
    KeyUnavailable,
    NoVault,
    RemoteProtocolError,
    SchemaTooNew,
    SealBroken,
    StoreCorrupt,
)
from p2pvault.limits import (
    SLOT_BYTES_MAX,
    SLOT_KIND_CHARACTERS_MAX,
    SLOTS_FILE_BYTES_MAX,
    SLOTS_MAX,
)
from p2pvault.store.home import HomeFiles
from p2pvault.store.lock import ExclusiveLock
from p2pvault.store.private_file import read_private, write_private
from p2pvault.wire.codec import Tree, pack, unpack
from p2pvault.wire.shape import binary, sequence, structure, text, to_tree, unsigned

KEY_BYTES: Final = 32
"""Every key here: the master key, and the key that a slot is wrapped under."""

VERSION: Final = 1
"""The version of the file's format that this code reads and writes."""


class Unlocker(Protocol):
    """One way to unlock: where the key of a slot of its kind comes from."""

    @property
    def kind(self) -> str:
        """The kind of slot that it opens."""
        ...

    def slot_key(self, parameters: bytes) -> bytes:
        """Return the 32-byte key of a slot.

        Args:
            parameters: What the slot says about making its key, public.

        Raises:
            KeyUnavailable: The key is not to be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Unlocks with a key that lies in a file of its own, readable by the owner only.

    It protects the vault where the file does not go: a copied database, a backup without it. It
    does not protect a stolen disk.
    """

    path: Path

    @property
    def kind(self) -> str:
        """See `Unlocker`."""
        return "file"

    def slot_key(self, parameters: bytes) -> bytes:
        """See `Unlocker`."""
        if parameters:
            raise KeyUnavailable("the key-file slot has parameters that this version does not know")
        key = read_private(self.path, KEY_BYTES)
        if len(key) != KEY_BYTES:
            raise KeyUnavailable(f"{self.path} has {len(key)} bytes where a key has {KEY_BYTES}")
        return key


@dataclass(frozen=True, slots=True)
class HeldKey:
    """Unlocks with the content of a key file, wherever that comes from."""

    key: bytes

    @property
    def kind(self) -> str:
        """See `Unlocker`."""
        return "file"

    def slot_key(self, parameters: bytes) -> bytes:
        """See `Unlocker`."""
        if parameters or len(self.key) != KEY_BYTES:
            raise KeyUnavailable("a key file or its slot is damaged")
        return self.key


@dataclass(frozen=True, slots=True)
class Slot:
    """The master key, wrapped for one way to unlock.

    Attributes:
        kind: Which unlocker opens it.
        parameters: What that unlocker needs to know besides its secret.
        wrapped: Nonce, ciphertext and tag.
    """

    kind: str
    parameters: bytes
    wrapped: bytes

    @classmethod
    def wrap(cls, master_key: bytes, unlocker: Unlocker, parameters: bytes, nonce: bytes) -> Self:
        """Wrap the master key.

        Args:
            master_key: 32 bytes.
            unlocker: Whose key to wrap it under.
            parameters: Handed to the unlocker, now and whenever it opens the slot.
            nonce: 24 random bytes.
        """
        context = _context(unlocker.kind, parameters)
        key = unlocker.slot_key(parameters)
        return cls(unlocker.kind, parameters, encrypt(key, master_key, nonce, context))

    def unwrap(self, unlocker: Unlocker) -> bytes:
        """Return the master key.

        Raises:
            KeyUnavailable: The unlocker's key is not to be had, or not the one of this slot.
        """
        key = unlocker.slot_key(self.parameters)
        try:
            master_key = decrypt(key, self.wrapped, _context(self.kind, self.parameters))
        except SealBroken as error:
            raise KeyUnavailable(
                f"the slot of kind {self.kind!r} does not open: another key, or a damaged slot",
                hint="Run `p2pvault verify --repair`, which puts a flipped bit back, or put back "
                "the key file that belongs to these key slots.",
            ) from error
        if len(master_key) != KEY_BYTES:
            raise StoreCorrupt(f"a key slot holds {len(master_key)} bytes, not {KEY_BYTES}")
        return master_key


_slots = sequence(
    structure(Slot, text(SLOT_KIND_CHARACTERS_MAX), binary(SLOT_BYTES_MAX), binary(SLOT_BYTES_MAX)),
    SLOTS_MAX,
)


@dataclass(frozen=True, slots=True)
class KeySlots:
    """The content of a `keys.slots` file."""

    slots: tuple[Slot, ...]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and check a file.

        Raises:
            KeyUnavailable: Missing, or open to others.
            SchemaTooNew: A newer P2PVault wrote it.
            StoreCorrupt: It does not parse.
        """
        return cls.read(read_private(path, SLOTS_FILE_BYTES_MAX), path)

    @classmethod
    def read(cls, data: bytes, path: Path) -> Self:
        """Read and check the content of a file; raises as `load`."""
        try:
            version, slots = _pair(unpack(data, SLOTS_FILE_BYTES_MAX))
            if version != VERSION:
                raise SchemaTooNew(f"{path} has version {version}; this P2PVault knows {VERSION}")
            return cls(_slots(slots))
        except RemoteProtocolError as error:
            raise StoreCorrupt(f"{path} does not parse: {error}") from error

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            StoreFull: No room on the disk.
            StoreUnwritable: The directory refuses.
        """
        write_private(path, pack([VERSION, to_tree(self.slots)]))

    def unlock(self, unlockers: Sequence[Unlocker]) -> bytes:
        """Return the master key from the first slot that one of the unlockers opens.

        Raises:
            KeyUnavailable: None of them does; the reason is the last one found.
        """
        refusal = KeyUnavailable("no key slot is of a kind that can be opened here")
        for slot in self.slots:
            for unlocker in unlockers:
                if unlocker.kind != slot.kind:
                    continue
                try:
                    return slot.unwrap(unlocker)
                except KeyUnavailable as error:
                    refusal = error
        raise refusal


def load_master_key(files: HomeFiles) -> bytes:
    """Return this device's master key.

    Raises:
        NoVault: There is neither a key nor a store.
        KeyUnavailable: The slots or the key file are missing, exposed, or do not fit together.
        SchemaTooNew: A newer P2PVault wrote the slots.
        StoreCorrupt: The slots do not parse.
    """
    if not files.slots.exists() and not files.database.exists():
        raise NoVault(f"there is no vault in {files.home}")
    return KeySlots.load(files.slots).unlock([KeyFile(files.device_key)])


def make_master_key(files: HomeFiles, entropy: Entropy) -> bytes:
    """Return this device's master key, made now where there is none.

    A key that is there is never replaced, not even by a second attempt after a crash: whatever it
    encrypts would be lost. So this may be called again until it succeeds.

    Args:
        files: Of a home that exists (`make_home`).
        entropy: A source of random bytes.

    Raises:
        StoreInUse: Another process is at work in this home.
        StoreFull: No room on the disk.
        StoreUnwritable: The directory refuses.
        KeyUnavailable: There is a key or a store already, and the key cannot be had.
        SchemaTooNew: A newer P2PVault wrote the slots.
        StoreCorrupt: The slots do not parse.
    """
    with ExclusiveLock(files.lock):
        if files.slots.exists() or files.database.exists():
            return load_master_key(files)
        if not files.device_key.exists():
            write_private(files.device_key, draw(entropy, KEY_BYTES))
        master_key = draw(entropy, KEY_BYTES)
        nonce = draw(entropy, NONCE_BYTES)
        KeySlots((Slot.wrap(master_key, KeyFile(files.device_key), b"", nonce),)).save(files.slots)
        return master_key


def mend_keys(files: HomeFiles) -> Path | None:
    """Put back one flipped bit in the key slots or in the key file, by trying every one.

    Both are authenticated, so only the right bit opens a slot.

    Returns:
        The file that was mended, or None where nothing was wrong.

    Raises:
        KeyUnavailable, StoreCorrupt, SchemaTooNew: More is wrong than one bit.
        StoreFull, StoreUnwritable: The file cannot be written.
    """
    slots = read_private(files.slots, SLOTS_FILE_BYTES_MAX)
    key = read_private(files.device_key, KEY_BYTES)
    if _opens(files, slots, key):
        return None
    for path, mended in _flipped(files, slots, key):
        write_private(path, mended)
        return path
    load_master_key(files)
    raise AssertionError("what does not open is refused")


def _flipped(files: HomeFiles, slots: bytes, key: bytes) -> Iterator[tuple[Path, bytes]]:
    for trial in _flips(key):
        if _opens(files, slots, trial):
            yield files.device_key, trial
    for trial in _flips(slots):
        if _opens(files, trial, key):
            yield files.slots, trial


def _flips(data: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(data)):
        trial = bytearray(data)
        trial[bit // 8] ^= 1 << (bit % 8)
        yield bytes(trial)


def _opens(files: HomeFiles, slots: bytes, key: bytes) -> bool:
    try:
        KeySlots.read(slots, files.slots).unlock([HeldKey(key)])
    except (KeyUnavailable, StoreCorrupt, SchemaTooNew):
        return False
    return True


def _context(kind: str, parameters: bytes) -> bytes:
    return pack(["p2pvault key slot", kind, parameters])


def _pair(tree: Tree) -> tuple[int, Tree]:
    return structure(lambda version, slots: (version, slots), unsigned(2**31), _any)(tree)


def _any(tree: Tree) -> Tree:
    return tree
