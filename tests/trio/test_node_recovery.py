"""The recovery key on running nodes: shown, forgotten, used, and in place of an admin."""

import pytest
import trio

from harness.nodes import event, founded, pair, settings, until, where
from p2pvault.core import asks
from p2pvault.errors import (
    BadRecoveryWords,
    MembershipError,
    NoRecoveryWords,
    NoSuchDevice,
)
from p2pvault.node.create import create_vault
from p2pvault.node.port import PairingEnded, RecoveryDecision
from p2pvault.node.running import open_node
from p2pvault.protocol.recovery_words import read_words, write_words
from p2pvault.types import Role

OTHER_WORDS = write_words(bytes(32))


async def test_the_words_are_told_once_kept_and_forgotten(tmp_path):
    made = await trio.to_thread.run_sync(create_vault, tmp_path, "ada", "home")
    assert made.recovery_words not in repr(made)
    async with open_node(settings(tmp_path)) as ada:
        assert await ada.recovery_words() == made.recovery_words
        await ada.forget_recovery()
        with pytest.raises(NoRecoveryWords):
            await ada.recovery_words()
    async with open_node(settings(tmp_path)) as ada:
        with pytest.raises(NoRecoveryWords):
            await ada.recovery_words()


async def test_a_device_takes_the_vault_over_from_one_that_is_gone(tmp_path):
    async with founded(tmp_path / "ada") as ada:
        words = await ada.recovery_words()
        await pair(ada, tmp_path / "bob", "bob")
    async with open_node(settings(tmp_path / "bob")) as bob:
        for wrong, error in (("zoo", BadRecoveryWords), (OTHER_WORDS, MembershipError)):
            with pytest.raises(error):
                await bob.recover(wrong, RecoveryDecision(("ada",), False, ()))
        with pytest.raises(NoSuchDevice):
            await bob.reinstate_device("ada")
        here = await bob.recover(words, RecoveryDecision(("ada",), False, ()))
        assert here.name == "bob"
        found = await bob.members()
        assert [(one.name, one.role) for one in found.members] == [("bob", Role.ADMIN)]
        assert [name for _, name in found.removed] == ["ada"]


async def test_the_key_admits_a_device_where_no_admin_is_left(tmp_path):
    async with founded(tmp_path / "ada") as ada:
        words = await ada.recovery_words()
        await pair(ada, tmp_path / "bob", "bob")
    async with open_node(settings(tmp_path / "bob")) as bob:
        async with bob.pair(admin=True, recovery=OTHER_WORDS) as session:
            ended = await event(session.events, PairingEnded)
            assert isinstance(ended.error, MembershipError)
        with pytest.raises(BadRecoveryWords):
            bob.pair(admin=True, recovery="zoo")
        paired = await pair(bob, tmp_path / "cyd", "cyd", recovery=words)
        found = {one.name: one for one in (await bob.members()).members}
        assert (found["cyd"].role, found["cyd"].added_by) == (Role.ADMIN, "the recovery key")
        async with open_node(settings(tmp_path / "cyd")) as cyd:
            await cyd.add_address("bob", where(bob))
            await cyd.wait_synced("bob")
            await cyd.revoke_device("ada")
            await until(bob, lambda: len(bob.shell.device.members.membership.members) == 2)
            assert cyd.shell.device.members.device == paired.device


async def test_a_seed_is_in_no_representation_of_what_goes_through_the_core():
    seed = read_words(OTHER_WORDS)
    for given in (
        asks.RecoveryRequested(1, seed, ("ada",)),
        asks.PairingRequested(1, admin=True, listening=(), seed=seed),
    ):
        assert "x00" not in repr(given)
