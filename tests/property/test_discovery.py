"""Laws of the rotating names and tags."""

from hypothesis import given
from hypothesis import strategies as st

from p2pvault.limits import DISCOVERY_RETRIES, DISCOVERY_SLOT_S, GATE_EPOCHS_MAX
from p2pvault.protocol import discovery
from p2pvault.types import Address, DeviceId

keys = st.binary(min_size=32, max_size=32)
devices = st.binary(min_size=32, max_size=32).map(DeviceId)
slots = st.integers(min_value=0, max_value=2**40)
retries = st.integers(min_value=0, max_value=DISCOVERY_RETRIES - 1)
ports = st.integers(min_value=1, max_value=65_535)
hosts = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
addresses = st.lists(hosts, min_size=1, max_size=16, unique=True).map(
    lambda found: [Address(host, 1) for host in found]
)

Maker = tuple[bytes, int, DeviceId]
makers = st.tuples(keys, slots, devices)


@given(keys, slots, retries, devices, st.integers(min_value=-1, max_value=1))
def test_a_member_recognises_every_name_of_this_slot_and_its_neighbours(
    key: bytes, slot: int, retry: int, device: DeviceId, drift: int
) -> None:
    name = discovery.instance_name(key, slot + drift, retry, device)
    found = discovery.expected([bytes(32), key], slot, [device])
    assert found[name] == discovery.Expected(device, key_index=1, slot=slot + drift)


@given(keys, slots, retries, devices, st.sampled_from([-2, 2]))
def test_a_name_of_two_slots_away_is_a_strangers(
    key: bytes, slot: int, retry: int, device: DeviceId, drift: int
) -> None:
    name = discovery.instance_name(key, slot + drift, retry, device)
    assert name not in discovery.expected([key], slot, [device])


@given(keys, slots, retries, devices)
def test_names_are_single_dns_labels_that_do_not_tell_each_other(
    key: bytes, slot: int, retry: int, device: DeviceId
) -> None:
    names = {
        discovery.instance_name(key, slot, retry, device),
        discovery.host_label(key, slot, retry, device),
    }
    assert len(names) == 2
    assert all(len(name) == 16 and name.isalnum() and name.islower() for name in names)


@given(st.data(), st.lists(devices, max_size=8, unique=True), slots)
def test_every_member_has_its_own_names(
    data: st.DataObject, members: list[DeviceId], slot: int
) -> None:
    epochs = data.draw(st.lists(keys, min_size=1, max_size=GATE_EPOCHS_MAX, unique=True))
    found = discovery.expected(epochs, slot, members)
    assert len(found) == len(members) * 3 * DISCOVERY_RETRIES * len(epochs)


@given(keys, slots, devices, addresses, ports)
def test_a_tag_verifies_whatever_the_order_and_the_scopes(
    key: bytes,
    slot: int,
    device: DeviceId,
    where: list[Address],
    port: int,
) -> None:
    genuine = discovery.tag(key, slot, device, where, port)
    seen = [
        Address(f"{address.host}%3" if address.host.startswith("fe80") else address.host, port)
        for address in reversed(where)
    ]
    expected = discovery.Expected(device, 0, slot)
    assert discovery.verify(key, expected, seen, port, {discovery.TAG_KEY: genuine})


@given(makers, addresses, ports, hosts)
def test_p22_a_tag_that_is_repeated_from_elsewhere_does_not_verify(
    maker: Maker, where: list[Address], port: int, elsewhere: str
) -> None:
    key, slot, device = maker
    text = {discovery.TAG_KEY: discovery.tag(key, slot, device, where, port)}
    expected = discovery.Expected(device, 0, slot)
    other_port = port % 65_535 + 1
    moved = [*where[1:], Address(elsewhere, 1)]
    unmoved = {address.host for address in moved} == {address.host for address in where}
    assert discovery.verify(key, expected, moved, port, text) == unmoved
    assert not discovery.verify(key, expected, where, other_port, text)
    assert not discovery.verify(key, discovery.Expected(device, 0, slot + 1), where, port, text)
    stranger = DeviceId(bytes(byte ^ 1 for byte in device))
    assert not discovery.verify(key, discovery.Expected(stranger, 0, slot), where, port, text)
    assert not discovery.verify(bytes(byte ^ 1 for byte in key), expected, where, port, text)


@given(makers, addresses, ports, st.dictionaries(st.text(max_size=3), st.binary()))
def test_forged_text_does_not_verify(
    maker: Maker, where: list[Address], port: int, text: dict[str, bytes]
) -> None:
    key, slot, device = maker
    assert not discovery.verify(key, discovery.Expected(device, 0, slot), where, port, text)


@given(st.integers(min_value=0, max_value=2**50), st.floats(min_value=0, max_value=1))
def test_names_rotate_after_their_slot_and_before_the_next_one_is_old(
    wall_ms: int, fraction: float
) -> None:
    slot = discovery.slot_of(wall_ms)
    rotates_ms = discovery.rotation_ms(slot, fraction)
    assert discovery.slot_of(rotates_ms) == slot + 1
    assert 0 < rotates_ms - wall_ms <= (DISCOVERY_SLOT_S + 60) * 1000


@given(keys, devices)
def test_a_machine_without_a_clock_can_compute_names(key: bytes, device: DeviceId) -> None:
    name = discovery.instance_name(key, discovery.slot_of(0), 0, device)
    assert name in discovery.expected([key], discovery.slot_of(0), [device])
