"""Names that rotate, and tags that cannot be moved: what discovery shows to the local network.

A device advertises itself under an instance name that changes every quarter of an hour. To
everybody else the name is random; a member of the vault computes the names of all other members in
advance and recognises them with one dictionary look-up. A tag over addresses and port goes with it,
so that whoever repeats a name from somewhere else draws no connection. See
docs/protocol/discovery.md; the idea is that of draft-ietf-dnssd-privacy-05, the requirements are
those of RFC 8882.

Pure: the wall clock comes in as a number, and nothing here touches the network.
"""

from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from ipaddress import ip_address
from typing import Final

from p2pvault.crypto.hashing import digest
from p2pvault.limits import DISCOVERY_JITTER_S, DISCOVERY_RETRIES, DISCOVERY_SLOT_S
from p2pvault.types import Address, DeviceId

TAG_KEY: Final = "a"
"""Key of the tag in the TXT record, the only one there is."""

_NAME_BYTES: Final = 10
"""80 bits, 16 characters: a chance meeting of two names takes about 2**40 of them."""

_PERSON_INSTANCE: Final = b"p2pv-mdns-n"
_PERSON_HOST: Final = b"p2pv-mdns-h"
_PERSON_TAG: Final = b"p2pv-mdns-a"


@dataclass(frozen=True, slots=True)
class Expected:
    """Whose name it is.

    Attributes:
        device: The member.
        key_index: Which of the discovery keys given to `expected` made the name.
        slot: The slot that the name belongs to.
    """

    device: DeviceId
    key_index: int
    slot: int


def slot_of(wall_ms: int) -> int:
    """Return the slot at a wall-clock time in milliseconds since 1970."""
    return wall_ms // (DISCOVERY_SLOT_S * 1000)


def rotation_ms(slot: int, fraction: float) -> int:
    """Return when to change from the names of `slot` to the next ones.

    Args:
        slot: The slot whose names are advertised.
        fraction: Random, from 0 to 1; spreads the devices over `DISCOVERY_JITTER_S`.

    Returns:
        Wall-clock milliseconds since 1970.
    """
    return (slot + 1) * DISCOVERY_SLOT_S * 1000 + int(fraction * DISCOVERY_JITTER_S * 1000)


def instance_name(key: bytes, slot: int, retry: int, device: DeviceId) -> str:
    """Return the instance name of a device: 16 characters of lower-case base32.

    Args:
        key: The epoch's discovery key, 32 bytes.
        slot: See `slot_of`.
        retry: 0, or how often a name of this slot was taken; below `DISCOVERY_RETRIES`.
        device: Whose name.
    """
    return _label(_PERSON_INSTANCE, key, slot, retry, device)


def host_label(key: bytes, slot: int, retry: int, device: DeviceId) -> str:
    """Return the host label that goes with `instance_name`, which does not tell the other."""
    return _label(_PERSON_HOST, key, slot, retry, device)


def tag(key: bytes, slot: int, device: DeviceId, addresses: Iterable[Address], port: int) -> bytes:
    """Return the TXT value that binds a name to addresses and a port.

    Args:
        key: The epoch's discovery key, 32 bytes.
        slot: The slot of the advertised name.
        device: Who advertises.
        addresses: All advertised addresses in any order. Their scopes are left out, since a scope
            numbers an interface of one machine; so are their ports.
        port: The advertised port.

    Returns:
        16 bytes of lower-case base32.
    """
    hosts = sorted({ip_address(address.host).packed for address in addresses})
    hashed = digest(
        _PERSON_TAG,
        _number(slot),
        device,
        _number(port),
        *hosts,
        size=_NAME_BYTES,
        key=key,
    )
    return b32encode(hashed).lower()


def expected(
    keys: Sequence[bytes], slot: int, devices: Iterable[DeviceId]
) -> Mapping[str, Expected]:
    """Compute every name under which other members may appear now.

    The neighbouring slots are included: clocks differ, and names outlive their slot in caches.
    64 devices and four keys make 3 072 names.

    Args:
        keys: Discovery keys of epochs, newest first, at most `GATE_EPOCHS_MAX` in practice.
        slot: The present slot.
        devices: The other members.

    Returns:
        Instance name to whose it is.
    """
    return {
        instance_name(key, near, retry, device): Expected(device, index, near)
        for device in devices
        for index, key in enumerate(keys)
        for near in (slot - 1, slot, slot + 1)
        for retry in range(DISCOVERY_RETRIES)
    }


def verify(
    key: bytes,
    sighted: Expected,
    addresses: Iterable[Address],
    port: int,
    text: Mapping[str, bytes],
) -> bool:
    """Tell whether a sighting carries the tag of the device whose name it shows.

    Args:
        key: The discovery key that `sighted.key_index` stands for.
        sighted: What `expected` says about the sighted name.
        addresses: All sighted addresses, literal IP addresses.
        port: The sighted port.
        text: The sighted TXT record.

    Returns:
        False for a missing tag, and for one made for other addresses, another port, another device
        or another slot. Nothing of such a sighting may be dialled.
    """
    genuine = tag(key, sighted.slot, sighted.device, addresses, port)
    return compare_digest(genuine, text.get(TAG_KEY, b""))


def _label(person: bytes, key: bytes, slot: int, retry: int, device: DeviceId) -> str:
    assert 0 <= retry < DISCOVERY_RETRIES, "no such retry"
    hashed = digest(person, _number(slot), bytes([retry]), device, size=_NAME_BYTES, key=key)
    return b32encode(hashed).decode().lower()


def _number(value: int) -> bytes:
    # Signed, because a machine without a clock is in slot 0 and looks at slot -1 too.
    return value.to_bytes(8, "big", signed=True)
