"""Who belongs to the vault as one device knows it: learning, finding, settling what is owed."""

from dataclasses import replace

import pytest

from harness.batches import author, digest
from harness.entropy import seeded
from harness.pairs import only, say, world_of
from harness.world import World
from p2pvault.core import asks, io
from p2pvault.core.content import Content
from p2pvault.core.kinds import Kind
from p2pvault.core.members import Learned, Members, accepted, members_of
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.errors import AmbiguousDevice, MalformedMessage, NoSuchDevice
from p2pvault.limits import EPOCHS_MAX, OPERATIONS_PER_AUTHOR_MAX
from p2pvault.protocol.bootstrap import CutHead, Fetching
from p2pvault.protocol.introduction import encode_operations
from p2pvault.protocol.membership import Author, DeviceCard, epoch_id
from p2pvault.protocol.membership.log import MembershipLog
from p2pvault.protocol.membership.operation import Rename, sign_operation
from p2pvault.protocol.membership.write import revoke
from p2pvault.types import DeviceId, EntryHash, EpochId, Instant, JournalHead, Role

NOW = Instant(1.0, 1_790_000_000_000)
NOTHING = Content({}, {}, {}, 0)


def trio_of_devices() -> tuple[World, list[Members]]:
    world, parties = world_of(3)
    return world, [party.device.members for party in parties]


def test_a_device_is_found_by_name_id_and_the_beginning_of_its_id():
    _, (ada, bob, _) = trio_of_devices()
    digits = bob.device.hex()
    for selector in ("bob", digits, digits[:4], digits[:9].upper()):
        assert ada.find(selector).device == bob.device
    for selector in ("nobody", digits[:3], digits + "0", ""):
        with pytest.raises(NoSuchDevice):
            ada.find(selector)


def test_a_name_that_two_devices_carry_is_ambiguous_and_their_ids_are_named():
    _, (ada, bob, cyd) = trio_of_devices()
    ada.rename(NOW, seeded(1), cyd.device, "bob")
    with pytest.raises(AmbiguousDevice, match=bob.device.hex()[:8]):
        ada.find("bob")


def fallen_with_bob(name: str) -> tuple[Members, DeviceId]:
    """Return what ada knows when bob, whom it removed, had let in somebody, and that one's id."""
    _, (ada, bob, _) = trio_of_devices()
    card = DeviceCard(DeviceKeys.generate(seeded(name)).public, name, "phone")
    ada.revoke(NOW, seeded(1), bob.device, NOTHING)
    ada.learn(each.data for each in bob.admit(NOW, seeded(2), card, Role.ADMIN).operations)
    assert ada.membership.fallen.keys() == {card.id}
    return ada, card.id


def test_a_device_that_fell_with_another_is_known_by_its_name_and_its_id():
    ada, dan = fallen_with_bob("dan")
    assert ada.name_of(dan) == "dan"
    for selector in ("dan", dan.hex(), dan.hex()[:4]):
        assert ada.find_outside(selector).device == dan
    for find in (ada.find, ada.find_inside):
        with pytest.raises(NoSuchDevice):
            find("dan")


def test_one_that_fell_under_the_name_of_another_has_to_be_named_by_its_id():
    for name in ("bob", "cyd"):  # of which one is outside, too, and one a member
        ada, stranger = fallen_with_bob(name)
        with pytest.raises(AmbiguousDevice, match=stranger.hex()[:8]):
            ada.find_outside(name)
        assert ada.find_outside(stranger.hex()).device == stranger


def test_who_is_inside_is_not_looked_for_outside():
    _, (ada, _, _) = trio_of_devices()
    with pytest.raises(NoSuchDevice, match="is in the vault"):
        ada.find_outside("bob")
    with pytest.raises(NoSuchDevice, match="no device"):
        ada.find_outside("nobody")


def test_who_was_removed_already_is_said_to_be():
    _, (ada, bob, _) = trio_of_devices()
    ada.revoke(NOW, seeded(1), bob.device, NOTHING)
    for find in (ada.find, ada.find_inside):
        for selector in ("bob", bob.device.hex(), bob.device.hex()[:4]):
            with pytest.raises(NoSuchDevice, match="“bob” was removed from the vault already"):
                find(selector)
        with pytest.raises(NoSuchDevice, match="no device"):
            find("nobody")


def test_a_namesake_of_one_that_was_removed_is_found():
    _, (ada, bob, cyd) = trio_of_devices()
    ada.rename(NOW, seeded(1), cyd.device, "bob")
    ada.revoke(NOW, seeded(2), bob.device, NOTHING)
    assert ada.find("bob").device == cyd.device


def test_somebody_unknown_is_called_by_the_beginning_of_its_id():
    _, (ada, _, _) = trio_of_devices()
    assert ada.name_of(bytes(32)) == "00000000"
    assert ada.name_of(ada.membership.recovery.id) == "the recovery key"


def test_what_is_known_already_is_no_news():
    _, (ada, bob, _) = trio_of_devices()
    assert ada.learn(each.data for each in bob.log.operations).is_nothing
    assert ada.learn_secrets(tuple(bob.secrets.items())).is_nothing


def test_what_is_learned_is_in_force_at_once_and_told_once_it_is_durable():
    _, (ada, _, cyd) = trio_of_devices()
    before = ada.durable
    learned = ada.revoke(NOW, seeded(1), cyd.device, NOTHING)
    assert not ada.membership.is_member(cyd.device)
    assert ada.durable is before
    assert {each.hash for each in learned.operations}.isdisjoint(
        each.hash for each in ada.durable.operations
    )


def test_a_batch_of_what_was_learned_loads_to_the_same_membership():
    _, (ada, _, cyd) = trio_of_devices()
    operations, secrets = ada.log.operations, dict(ada.secrets)
    learned = ada.revoke(NOW, seeded(1), cyd.device, NOTHING)
    meta = {name: value for name, value in learned.batch.meta.items() if value is not None}
    meta |= {"epoch/" + epoch.hex(): secret for epoch, secret in secrets.items()}
    again = members_of(ada.keys, [*operations, *learned.batch.operations], meta)
    assert again.membership == ada.membership
    assert again.secrets == ada.secrets


def test_a_secret_that_is_not_its_epochs_is_refused_and_one_of_no_epoch_ignored():
    _, (ada, _, _) = trio_of_devices()
    (epoch,) = ada.secrets
    with pytest.raises(MalformedMessage):
        ada.learn_secrets([(epoch, bytes(32))])
    stray = bytes(32)
    assert ada.learn_secrets([(epoch_id(ada.vault, stray), stray)]).is_nothing


def test_an_epoch_secret_that_was_missed_is_learned_from_a_member():
    _, (ada, bob, cyd) = trio_of_devices()
    written = ada.revoke(NOW, seeded(1), cyd.device, NOTHING)
    (epoch,) = set(ada.secrets) - set(bob.secrets)
    bob.learn(each.data for each in written.operations)
    del bob.secrets[epoch]
    assert bob.learn_secrets([(epoch, ada.secrets[epoch])]).secrets == {epoch: ada.secrets[epoch]}


def test_no_more_secrets_are_shared_than_a_message_holds():
    _, (ada, _, _) = trio_of_devices()
    assert ada.shared_secrets == ada.secrets
    ada.secrets |= {EpochId(bytes([1, n % 256]) + bytes(30)): bytes(32) for n in range(EPOCHS_MAX)}
    assert len(ada.shared_secrets) == 1, "those of epochs that count"


def test_a_removed_device_is_told_of_its_removal_and_of_nothing_behind_it():
    _, (ada, bob, cyd) = trio_of_devices()
    learned = ada.revoke(NOW, seeded(1), cyd.device, NOTHING)
    assert len(learned.operations) > 1, "an epoch without it follows"
    assert ada.farewell(cyd.device, learned.operations) == learned.operations[:1]
    assert ada.farewell(bob.device, learned.operations) == (), "it stays"
    renamed = bob.rename(NOW, seeded(2), bob.device, "another name")
    later = bob.learn(each.data for each in learned.operations)
    both = Learned(renamed.operations + later.operations, {})
    assert bob.farewell(cyd.device, both.operations) == both.operations[:2], "causal order"
    assert bob.farewell(cyd.device, renamed.operations) == (), "no news to it"


def test_what_snapshots_may_bring_counts_as_accepted():
    """Until all of a cut are here, records may hold more than the journals say, or less."""
    cyd, dan = DeviceId(b"c" * 32), DeviceId(b"d" * 32)
    held = [JournalHead(author(by), 5, EntryHash(digest(by))) for by in (1, 2)]
    cut = tuple(
        CutHead(author(by), device, n, EntryHash(digest(by)))
        for by, device, n in ((1, cyd, 3), (2, cyd, 9), (3, cyd, 7), (4, dan, 8))
    )
    content = Content({head.author: head for head in held}, {author(1): cyd, author(2): cyd}, {}, 0)
    assert accepted(content, cyd) == {author(1): 5, author(2): 5}
    fetching = replace(content, fetching=Fetching(cut, None))
    assert accepted(fetching, cyd) == {author(1): 5, author(2): 9, author(3): 7}


def test_what_is_owed_is_written_once():
    _, (ada, bob, cyd) = trio_of_devices()
    written = ada.revoke(NOW, seeded(1), cyd.device, NOTHING)
    assert ada.settle(NOW, seeded(2), NOTHING).is_nothing, "the remover has said it"
    bob.learn(each.data for each in written.operations)
    settled = bob.settle(NOW, seeded(3), NOTHING)
    assert len(settled.operations) == 1
    assert bob.settle(NOW, seeded(4), NOTHING).is_nothing


def test_an_admin_starts_the_epoch_that_a_removal_left_open():
    """The remover crashed, or was removed itself, between its removal and its epoch."""
    _, (ada, bob, cyd) = trio_of_devices()
    author = Author(ada.keys, seeded(1), NOW.wall_ms)
    removal, _ = revoke(ada.log, author, cyd.device, {}).added
    bob.learn([removal.data])
    assert bob.membership.needs_epoch
    settled = bob.settle(NOW, seeded(2), NOTHING)
    assert not bob.membership.needs_epoch
    assert len(settled.operations) == 2
    assert set(settled.secrets) == {bob.membership.current.id}


def full(log: MembershipLog, members: Members) -> MembershipLog:
    """Return the log after a device has written all that one device may."""
    header = log.header(members.device, 0)
    for _ in range(OPERATIONS_PER_AUTHOR_MAX - header.n + 1):
        header = log.header(members.device, 0)
        rename = sign_operation(header, Rename(members.device, "bob"), members.keys.signing)
        log = log.add([rename]).log
    assert header.n == OPERATIONS_PER_AUTHOR_MAX
    return log


def test_a_device_that_may_write_no_more_still_learns_and_leaves_its_debts():
    _, (ada, bob, cyd) = trio_of_devices()
    log = full(bob.log, bob)
    bob.learn(each.data for each in log.operations)
    written = ada.revoke(NOW, seeded(1), cyd.device, NOTHING)
    learned = bob.learn(each.data for each in written.operations)
    assert not learned.is_nothing
    assert bob.settle(NOW, seeded(2), NOTHING) == Learned((), {})
    assert not bob.membership.is_member(cyd.device)


def test_a_removal_and_an_epoch_by_two_admins_at_once_end_in_one_current_epoch():
    world, (ada, bob, cyd, dan) = world_of(4)
    world.part(ada, bob)
    for remover, removed in ((ada, "cyd"), (bob, "dan")):
        world.ask(remover, lambda request, who=removed: asks.RevokeRequested(request, who))
    world.heal()
    world.pass_time(60)
    assert ada.linked(bob)
    memberships = [party.device.members.membership for party in (ada, bob)]
    assert memberships[0] == memberships[1]
    assert set(memberships[0].members) == {ada.id, bob.id}
    assert not memberships[0].needs_epoch
    current = memberships[0].current.id
    assert current in ada.device.members.secrets
    assert current in bob.device.members.secrets
    for party in (cyd, dan):
        assert current not in party.device.members.secrets


def test_a_device_without_any_epoch_secret_takes_no_links():
    world, (ada, bob) = world_of(2)
    world.part(ada, bob)
    ada.device.members.secrets.clear()
    world.heal()
    world.pass_time(60)
    assert not ada.linked(bob)
    assert only(io.Hangup, ada.trace)


def test_a_link_that_failed_and_is_not_down_yet_is_not_closed_twice():
    world, (ada, bob) = world_of(2)
    (body,) = encode_operations([b"garbage"])
    say(world, ada, bob, (Kind.OPERATIONS, body))
    world.give(bob, io.Stop())
    world.step()
    world.step()
    assert len(only(io.Hangup, bob.trace)) == 1
    world.run()
