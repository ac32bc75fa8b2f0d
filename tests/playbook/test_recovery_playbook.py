"""The recovery key and equivocation, lived through by whole devices."""

import pytest

from harness.entropy import seeded
from harness.pairs import effects_of, only, say, world_of
from harness.party import Party
from harness.world import World
from p2pvault.core import asks, io
from p2pvault.core.kinds import Kind
from p2pvault.core.recovering import RECOVERY_SEED
from p2pvault.core.start import _new_vault
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.errors import (
    MembershipError,
    NoSuchDevice,
    Refused,
    RevokedDevice,
    SuspendedDevice,
)
from p2pvault.node.status import problems
from p2pvault.protocol.introduction import encode_operations
from p2pvault.protocol.membership import (
    Author,
    DeviceCard,
    MembershipLog,
    RecoveryKey,
    start_epoch,
)
from p2pvault.protocol.membership.operation import (
    Genesis,
    Rename,
    sign_genesis,
    sign_operation,
)
from p2pvault.types import LinkId, Role


def problems_of(party: Party) -> list[str]:
    return [one.code for one in problems(party.device)]


def seed_of(founder: Party) -> bytes:
    return founder.store.state().meta[RECOVERY_SEED]


def recover(world: World, party: Party, seed: bytes, *lost: str, **more: object) -> object:
    return world.ask(party, lambda r: asks.RecoveryRequested(r, seed, lost, **more))  # type: ignore[arg-type]


def members(party: Party) -> dict[str, Role]:
    return {one.name: one.role for one in party.device.members.membership.members.values()}


def current(party: Party) -> bytes:
    epoch = party.device.members.membership.current
    assert epoch is not None
    return epoch.id


def test_a_member_takes_over_and_the_lost_admin_learns_nothing_more() -> None:
    world, (ada, bob, cyd) = world_of(3, role=Role.MEMBER)
    seed = seed_of(ada)
    world.offline(ada)
    assert recover(world, bob, seed, "ada") == (bob.id, "bob")
    world.pass_time(5)
    assert members(cyd) == members(bob) == {"bob": Role.ADMIN, "cyd": Role.MEMBER}
    assert current(bob) in cyd.device.members.secrets
    world.put(bob, "notes/after", text="secret")
    world.online(ada)
    world.pass_time(900)
    assert world.value(cyd, "notes/after") is not None
    assert world.value(ada, "notes/after") is None
    assert current(bob) not in ada.device.members.secrets
    refused = {one.fields["reason"] for one in bob.reported("link_failed")}
    assert refused == {"revoked_device"}


def test_all_others_are_removed_without_being_named() -> None:
    world, (ada, bob, cyd) = world_of(3)
    recover(world, cyd, seed_of(ada), all_others=True)
    world.run()
    assert members(cyd) == {"cyd": Role.ADMIN}
    for party in (ada, bob):
        assert not party.device.members.is_member
        assert current(cyd) not in party.device.members.secrets


def purged(world: World, bob: Party, *victims: Party) -> None:
    """Bob is a thief: he removes everybody else."""
    for victim in victims:
        world.ask(bob, lambda r, victim=victim: asks.RevokeRequested(r, victim.id.hex()))
        world.pass_time(2)
    assert members(bob) == {"bob": Role.ADMIN}


def test_a_thief_that_removed_everybody_is_undone_on_a_device_that_knows_it() -> None:
    world, (ada, bob, cyd) = world_of(3)
    purged(world, bob, cyd, ada)
    assert not ada.device.members.is_member
    assert not cyd.device.members.is_member
    assert problems_of(ada) == problems_of(cyd) == ["removed"]
    with pytest.raises(RevokedDevice):
        world.put(ada, "notes/one", text="refused")
    recover(world, ada, seed_of(ada), "bob", restored=("cyd",))
    world.pass_time(300)
    assert members(ada) == members(cyd) == {"ada": Role.ADMIN, "cyd": Role.MEMBER}
    assert problems_of(ada) == problems_of(cyd) == []
    assert ada.linked(cyd)
    assert current(ada) in cyd.device.members.secrets
    world.put(cyd, "notes/one", text="back")
    world.pass_time(5)
    assert world.value(ada, "notes/one") is not None
    assert world.value(bob, "notes/one") is None
    assert not bob.linked(ada)
    assert not bob.linked(cyd)


def test_what_a_device_wrote_before_it_heard_of_its_removal_comes_in_when_it_is_restored() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.offline(cyd)
    world.ask(bob, lambda r: asks.RevokeRequested(r, "cyd"))
    world.put(cyd, "notes/alone", text="written in good faith")
    world.pass_time(5)
    recover(world, ada, seed_of(ada), "bob", restored=("cyd",))
    world.online(cyd)
    world.pass_time(300)
    assert world.value(ada, "notes/alone") is not None
    assert ada.linked(cyd)


def test_a_removal_that_the_key_did_not_know_is_undone_without_being_named() -> None:
    world, (ada, bob, cyd) = world_of(3)
    purged(world, bob, ada, cyd)
    assert "cyd" in members(ada), "nobody tells a removed device"
    recover(world, ada, seed_of(ada), "bob")
    world.pass_time(300)
    assert members(ada) == members(cyd) == {"ada": Role.ADMIN, "cyd": Role.ADMIN}
    assert ada.linked(cyd)


def test_a_member_that_only_the_thief_removed_brings_its_word_to_one_that_believed_it() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.ask(bob, lambda r: asks.RevokeRequested(r, "ada"))
    world.pass_time(5)
    assert "ada" not in members(cyd)
    recover(world, ada, seed_of(ada), "bob")
    world.pass_time(300)
    assert members(ada) == members(cyd) == {"ada": Role.ADMIN, "cyd": Role.ADMIN}
    assert ada.linked(cyd)


def test_a_device_that_fell_with_who_let_it_in_comes_back_by_its_name() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.offline(ada)
    dan = world.join("dan", bob, Role.ADMIN)
    world.pass_time(60)
    world.ask(ada, lambda r: asks.RevokeRequested(r, "bob"))
    world.online(ada)
    world.pass_time(900)
    assert members(ada) == members(cyd) == {"ada": Role.ADMIN, "cyd": Role.ADMIN}
    assert [one.name for one in ada.device.members.membership.fallen.values()] == ["dan"]
    recover(world, ada, seed_of(ada), restored=("dan",))
    world.pass_time(900)
    everybody = {"ada": Role.ADMIN, "cyd": Role.ADMIN, "dan": Role.MEMBER}
    assert members(ada) == members(cyd) == members(dan) == everybody
    assert ada.linked(dan)


def test_words_that_are_not_this_vaults_change_nothing() -> None:
    world, (ada, _) = world_of(2)
    before = ada.device.members.heads
    with pytest.raises(MembershipError, match="another vault"):
        recover(world, ada, bytes(32), "bob")
    seed = seed_of(ada)
    with pytest.raises(MembershipError, match="cannot be one that is lost"):
        recover(world, ada, seed, "ada")
    with pytest.raises(NoSuchDevice):
        recover(world, ada, seed, "nobody")
    with pytest.raises(NoSuchDevice):
        recover(world, ada, seed, restored=("bob",))
    with pytest.raises(Refused, match="either"):
        recover(world, ada, seed, "bob", all_others=True)
    assert ada.device.members.heads == before


def test_the_key_opens_epochs_that_this_device_missed() -> None:
    world, (ada, bob, _) = world_of(3, role=Role.MEMBER)
    world.ask(ada, lambda r: asks.RevokeRequested(r, "cyd"))
    world.pass_time(5)
    missed = current(bob)
    bob.device.members.secrets.pop(missed)
    recover(world, bob, seed_of(ada), "ada")
    assert missed in bob.device.members.secrets
    assert bob.store.state().meta["epoch/" + missed.hex()]


def test_two_uses_that_did_not_know_each_other_are_settled_and_reported() -> None:
    world, (ada, bob, cyd) = world_of(3, role=Role.MEMBER)
    seed = seed_of(ada)
    world.offline(ada)
    world.part(bob, cyd)
    for party in (bob, cyd):
        recover(world, party, seed, "ada")
    world.mend()
    world.pass_time(600)
    assert members(bob) == members(cyd)
    assert list(members(bob).values()).count(Role.ADMIN) == 1
    for party in (bob, cyd):
        assert party.device.members.membership.contested
        assert len(party.reported("recovery_contested")) == 1
        assert problems_of(party) == ["recovery_contested"]


def test_the_seed_is_kept_until_it_is_forgotten() -> None:
    world, (ada, bob) = world_of(2)
    assert RecoveryKey(seed_of(ada)).public == ada.device.members.membership.recovery
    assert RECOVERY_SEED not in bob.store.state().meta
    world.ask(ada, asks.RecoveryForgotten)
    assert RECOVERY_SEED not in ada.store.state().meta
    world.ask(ada, asks.RecoveryForgotten)


def test_no_input_and_no_report_shows_a_seed() -> None:
    world, (ada, bob) = world_of(2, role=Role.MEMBER)
    seed = seed_of(ada)
    recover(world, bob, seed, "ada")
    shown = "".join(map(repr, [*bob.trace, *bob.reports]))
    assert repr(seed)[2:-1] not in shown
    assert seed.hex() not in shown


# Equivocation ------------------------------------------------------------------------------


def forked(party: Party) -> list[bytes]:
    """Return two operations that a device signed with one number."""
    me = party.device.members
    header = me.log.header(me.device, 0)
    names = (Rename(me.device, name) for name in ("one", "two"))
    return [sign_operation(header, name, me.keys.signing) for name in names]


def suspended(world: World, ada: Party, bob: Party) -> None:
    """Bob says two things at once to Ada, who tells everybody."""
    for body in encode_operations(forked(bob)):
        say(world, bob, ada, (Kind.OPERATIONS, body))
    world.pass_time(5)


def test_a_device_that_contradicts_itself_is_cut_off_and_keeps_no_epoch() -> None:
    world, (ada, bob, cyd) = world_of(3)
    before = current(ada)
    suspended(world, ada, bob)
    for party in (ada, cyd):
        assert members(party).keys() == {"ada", "cyd"}
        assert not party.linked(bob)
        assert len(party.reported("device_suspended")) == 1
        assert problems_of(party) == ["device_suspended"]
        assert current(party) != before
        assert current(party) in party.device.members.secrets
    world.pass_time(600)
    assert current(ada) not in bob.device.members.secrets
    world.put(ada, "notes/after", text="not for bob")
    world.pass_time(60)
    assert world.value(bob, "notes/after") is None


def test_an_admin_lets_it_in_again_and_it_catches_up() -> None:
    world, (ada, bob, cyd) = world_of(3)
    suspended(world, ada, bob)
    world.put(ada, "notes/after", text="for all")
    (name,) = [one.name for one in ada.device.members.membership.suspended.values()]
    assert world.ask(ada, lambda r: asks.ReinstateRequested(r, name)) == (bob.id, name)
    world.pass_time(300)
    assert members(ada) == members(bob)
    assert bob.linked(ada)
    assert bob.linked(cyd)
    assert world.value(bob, "notes/after") is not None
    assert current(ada) in bob.device.members.secrets


def test_a_suspended_device_knows_it_and_writes_nothing() -> None:
    world, (_, bob) = world_of(2)
    bob.device.members.learn(forked(bob))
    assert bob.device.members.is_suspended
    assert problems_of(bob) == ["suspended"]
    with pytest.raises(SuspendedDevice):
        world.put(bob, "notes/one", text="refused")
    with pytest.raises(MembershipError, match="not an admin"):
        world.ask(bob, lambda r: asks.ReinstateRequested(r, bob.id.hex()))


def test_the_only_admin_comes_back_with_the_recovery_key() -> None:
    world, (ada, bob) = world_of(2, role=Role.MEMBER)
    seed = seed_of(ada)
    suspended(world, bob, ada)
    assert members(bob).keys() == {"bob"}
    recover(world, ada, seed, restored=())
    world.pass_time(300)
    assert members(ada) == members(bob)
    assert bob.device.members.membership.is_admin(ada.id)
    assert ada.linked(bob)


def test_only_a_suspended_device_is_let_in_and_only_by_its_name() -> None:
    world, (ada, _, _) = world_of(3)
    with pytest.raises(NoSuchDevice):
        world.ask(ada, lambda r: asks.ReinstateRequested(r, "bob"))
    world.ask(ada, lambda r: asks.RevokeRequested(r, "bob"))
    with pytest.raises(MembershipError, match="not suspended"):
        world.ask(ada, lambda r: asks.ReinstateRequested(r, "bob"))


def test_a_suspended_device_can_be_removed() -> None:
    world, (ada, bob, cyd) = world_of(3)
    suspended(world, ada, bob)
    world.ask(ada, lambda r: asks.RevokeRequested(r, bob.id.hex()))
    world.pass_time(5)
    assert not ada.device.members.membership.suspended
    assert bob.id in cyd.device.members.membership.removed


# Vaults without a recovery key, as earlier versions made them ------------------------------------


def old_world() -> tuple[World, Party, Party, Party]:
    """Three admins in a vault whose genesis names no recovery key."""
    world, entropy = World(), seeded("old")
    keys = DeviceKeys.generate(entropy)
    card = DeviceCard(keys.public, "ada", "computer")
    genesis = sign_genesis(Genesis("home", card, None, bytes(16)), keys, 0)
    written = start_epoch(MembershipLog.load([genesis]), Author(keys, entropy, 0))
    ada = world._party("ada", _new_vault(keys, entropy, written.log, written.secrets, ()))
    bob, cyd = (world.join(name, ada, Role.ADMIN) for name in ("bob", "cyd"))
    world.pass_time(5)
    return world, ada, bob, cyd


def test_a_vault_without_a_key_refuses_whom_it_removed_before_hearing_anything() -> None:
    world, ada, bob, cyd = old_world()
    world.offline(cyd)
    world.ask(ada, lambda r: asks.RevokeRequested(r, "cyd"))
    world.online(cyd)
    world.pass_time(300)
    refused = {one.fields["reason"] for one in ada.reported("link_failed")}
    assert refused == {"revoked_device"}
    with pytest.raises(MembershipError, match="without a recovery key"):
        recover(world, bob, bytes(32), "ada")


def test_a_removed_device_of_such_a_vault_hangs_up_on_everybody() -> None:
    world, ada, bob, cyd = old_world()
    world.part(ada, bob)
    world.ask(ada, lambda r: asks.RevokeRequested(r, "cyd"))
    world.pass_time(5)
    assert not cyd.device.members.is_member
    cyd.trace.clear()
    world.give(cyd, io.LinkUp(LinkId(999), None, bob.address))
    world.step()
    assert io.Hangup(LinkId(999)) in effects_of(cyd)


def test_a_removal_in_such_a_vault_ends_no_handshake_under_way() -> None:
    world, ada, bob, _ = old_world()
    world.give(ada, io.LinkUp(LinkId(999), None, bob.address))
    world.run()
    ada.trace.clear()
    world.ask(ada, lambda r: asks.RevokeRequested(r, "cyd"))
    world.run()
    assert len(only(io.Hangup, effects_of(ada))) == 1, "the one to cyd"
    assert io.Hangup(LinkId(999)) not in effects_of(ada)


def test_an_admin_lets_a_suspended_device_of_such_a_vault_in_again() -> None:
    world, ada, bob, cyd = old_world()
    suspended(world, ada, bob)
    assert members(cyd).keys() == {"ada", "cyd"}
    (name,) = [one.name for one in ada.device.members.membership.suspended.values()]
    world.ask(ada, lambda r: asks.ReinstateRequested(r, name))
    world.pass_time(300)
    assert bob.linked(ada)
    assert bob.linked(cyd)
