"""How a device begins: what it takes over from a sponsor, and what it refuses."""

from dataclasses import replace

import pytest

from harness.entropy import seeded
from harness.memory_store import MemoryStore
from harness.world import World
from p2pvault.core.start import device_of, found_vault, join_vault, stored_members
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.errors import BadValue, MalformedMessage, RemoteProtocolError, StoreCorrupt
from p2pvault.limits import DEVICE_NAME_CHARACTERS_MAX
from p2pvault.protocol.handover import Handover, encode_handover
from p2pvault.protocol.membership import DeviceCard
from p2pvault.protocol.pairing import Received, VaultSummary
from p2pvault.types import Batch, Instant, OperationHash, Role, VaultId

NOW = Instant(1.0, 1_790_000_000_000)
KEYS = DeviceKeys.generate(seeded("phone"))


def sponsored() -> tuple[Handover, Received]:
    """Return what an honest sponsor hands over, and how it arrives."""
    members = World().found("ada").device.members
    members.admit(NOW, seeded("admit"), DeviceCard(KEYS.public, "phone", "phone"), Role.MEMBER)
    handover = Handover(
        tuple(each.data for each in members.log.operations), tuple(members.secrets.items()), ()
    )
    about = VaultSummary(members.vault, "home", 2, 0)
    return handover, Received(encode_handover(handover), about, members.keys.public)


def test_an_honest_handover_makes_a_device():
    _, received = sponsored()
    made = join_vault(KEYS, seeded("journal"), received)
    store = MemoryStore()
    store.persist(made.batch)
    device = device_of(store.state(), seeded("run"))
    assert device.members.is_member
    assert (made.vault_name, made.device_name) == ("home", "phone")
    assert len(device.members.gates()) == 1


def test_another_vault_than_the_person_agreed_to_is_refused():
    _, received = sponsored()
    other = replace(received.vault, id=VaultId(bytes(32)))
    with pytest.raises(MalformedMessage, match="another vault"):
        join_vault(KEYS, seeded("journal"), replace(received, vault=other))


def test_a_vault_without_this_device_or_without_the_sponsor_is_refused():
    _, received = sponsored()
    stranger = DeviceKeys.generate(seeded("stranger"))
    with pytest.raises(MalformedMessage, match="does not know"):
        join_vault(stranger, seeded("journal"), received)
    with pytest.raises(MalformedMessage, match="does not know"):
        join_vault(KEYS, seeded("journal"), replace(received, sponsor=stranger.public))


def test_a_secret_that_is_not_its_epochs_is_refused():
    handover, received = sponsored()
    ((epoch, _),) = handover.secrets
    forged = encode_handover(replace(handover, secrets=((epoch, bytes(32)),)))
    with pytest.raises(MalformedMessage, match="epoch secret"):
        join_vault(KEYS, seeded("journal"), replace(received, package=forged))


@pytest.mark.parametrize("package", [b"", b"\x93\x90\x90\x90", bytes(1_000)])
def test_what_is_no_handover_is_refused(package):
    _, received = sponsored()
    with pytest.raises(RemoteProtocolError):
        join_vault(KEYS, seeded("journal"), replace(received, package=package))


@pytest.mark.parametrize("name", ["", " ", "x" * (DEVICE_NAME_CHARACTERS_MAX + 1), "a\x1b[2J"])
def test_a_vault_is_not_made_under_a_name_that_cannot_be_shown(name):
    with pytest.raises(BadValue):
        found_vault(NOW, seeded(1), name, "ada", "computer")
    with pytest.raises(BadValue):
        found_vault(NOW, seeded(1), "home", name, "computer")


@pytest.mark.parametrize("lacking", ["device-keys", "journal"])
def test_a_store_without_its_keys_is_corrupt(lacking):
    store = MemoryStore()
    store.persist(found_vault(NOW, seeded(1), "home", "ada", "computer").batch)
    store.persist(Batch(meta={lacking: None}))
    with pytest.raises(StoreCorrupt):
        device_of(store.state(), seeded("run"))


def test_a_store_whose_operations_make_no_log_is_corrupt():
    store = MemoryStore()
    made = found_vault(NOW, seeded(1), "home", "ada", "computer").batch
    store.persist(replace(made, operations=tuple(reversed(made.operations))))
    with pytest.raises(StoreCorrupt):
        device_of(store.state(), seeded("run"))


def test_a_store_whose_rows_name_other_operations_than_they_hold_is_corrupt():
    store = MemoryStore()
    store.persist(found_vault(NOW, seeded(1), "home", "ada", "computer").batch)
    state = store.state()
    first, *others = state.operations
    renamed = replace(first, hash=OperationHash(bytes(32)))
    for operations in ([renamed, *others], [*state.operations, first]):
        with pytest.raises(StoreCorrupt, match="rows name"):
            stored_members(replace(state, operations=operations))
    assert stored_members(state).device == device_of(state, seeded("run")).members.device
