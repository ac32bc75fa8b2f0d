"""The pairing window of a device: codes, guesses, expiry, admission and its failures."""

import pytest

from harness.entropy import seeded
from harness.memory_store import MemoryStore
from harness.pairs import only, say, world_of
from harness.party import Party
from harness.world import World
from p2pvault.core import asks, io, news
from p2pvault.core.kinds import Kind
from p2pvault.core.recovering import RECOVERY_SEED
from p2pvault.core.start import device_of, join_vault
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.errors import MembershipError, PairingRefused, Refused, VaultError
from p2pvault.limits import HANDSHAKE_S, PAIRING_CONFIRM_S, PAIRING_S, RETRY_S
from p2pvault.protocol.code import parse_code
from p2pvault.protocol.introduction import encode_operations
from p2pvault.protocol.invitation import parse_invitation
from p2pvault.protocol.membership import Author
from p2pvault.protocol.membership.write import change_role
from p2pvault.protocol.pairing import (
    ConfirmVault,
    Failed,
    Hangup,
    Joiner,
    Newcomer,
    Paired,
    Received,
    Scanned,
    Send,
    ShowWords,
    Typed,
)
from p2pvault.types import Address, LinkId, Role

REQUEST = 700
LISTENING = (Address("10.0.0.1", 5_000),)


class Guest:
    """A device without a vault, at the door of a party."""

    def __init__(
        self,
        world: World,
        host: Party,
        ticket: Typed | Scanned,
        name: str = "phone",
        number: int = 9_001,
    ) -> None:
        self.world, self.host, self.link = world, host, LinkId(number)
        self.keys = DeviceKeys.generate(seeded(name))
        self.machine = Joiner(Newcomer(self.keys, name, "phone"), ticket, seeded((name, "joiner")))
        self.effects = []
        world.give(host, io.PairingStreamUp(self.link))
        self.do(self.machine.start())

    def do(self, effects) -> None:
        """Carry out what the machine asks for, and bring back what the host says."""
        for effect in effects:
            self.effects.append(effect)
            if isinstance(effect, Send):
                self.world.give(self.host, io.BytesReceived(self.link, effect.data))
        self.world.run()
        if data := self.host.loose.pop(self.link, b""):
            self.do(self.machine.receive(data))

    def agree(self, words: str | None = None) -> None:
        """Let both people say yes; the words are typed as they are shown here, or others."""
        (shown,) = only(ShowWords, self.effects)
        self.do(self.machine.vault_accepted(accepted=True))
        typed = " ".join(shown.words) if words is None else words
        self.world.give(self.host, asks.WordsTyped(REQUEST, typed))
        self.do([])

    def store(self) -> None:
        self.do(self.machine.stored())

    def hang_up(self) -> None:
        self.world.give(self.host, io.LinkDown(self.link))
        self.do([])

    def failure(self) -> VaultError:
        (failed,) = only(Failed, self.effects)
        return failed.error


def opened(count: int = 1, *, admin: bool = False) -> tuple[World, Party, news.CodeMade]:
    world, (host, *_) = world_of(count)
    world.give(host, asks.PairingRequested(REQUEST, admin, LISTENING))
    world.run()
    (code,) = only(news.CodeMade, host.news)
    return world, host, code


def typed(code: news.CodeMade) -> Typed:
    parsed = parse_code(code.code)
    return Typed(parsed.slot, parsed.secret)


def wrong(code: news.CodeMade) -> Typed:
    return Typed(parse_code(code.code).slot, b"not the secret")


def test_a_window_shows_a_code_and_an_address_and_is_advertised():
    world, host, code = opened()
    (shown,) = only(io.AdvertisePairing, host.trace)
    assert len(shown.instance) == 10
    assert code.expires_s == PAIRING_S
    invitation = parse_invitation(code.uri)
    assert invitation.addresses == LISTENING
    assert invitation.expires == world.now.wall_ms // 1_000 + PAIRING_S
    assert code.code not in repr(code)


def test_a_device_that_knows_the_code_becomes_a_member_and_gets_the_vault():
    world, host, code = opened()
    guest = Guest(world, host, typed(code))
    assert only(news.JoinerNamed, host.news)[0].name == "phone"
    (offered,) = only(ConfirmVault, guest.effects)
    assert offered.vault.id == host.device.members.vault
    guest.agree()
    (received,) = only(Received, guest.effects)
    made = join_vault(guest.keys, seeded("run"), received)
    assert made.vault == host.device.members.vault
    guest.store()
    done = only(news.PairingDone, host.news)
    assert [each.device for each in done] == [device_id(guest.keys.public)]
    assert only(Paired, guest.effects) == [Paired()]
    assert host.device.members.membership.members[done[0].device].role is Role.MEMBER
    assert only(io.AdvertisePairing, host.trace)[-1].instance is None
    assert guest.link in host.hung_up


def test_the_scanned_secret_works_too_and_an_admin_may_be_made():
    world, host, code = opened(admin=True)
    invitation = parse_invitation(code.uri)
    guest = Guest(world, host, Scanned(invitation.secret, invitation.fingerprint))
    guest.agree()
    device = device_id(guest.keys.public)
    assert host.device.members.membership.members[device].role is Role.ADMIN


def test_the_vault_is_handed_over_only_when_the_admission_is_durable():
    world, host, code = opened()
    guest = Guest(world, host, typed(code))
    host.trace.clear()
    guest.agree()
    typed_at, persist, persisted, told = (
        next(i for i, each in enumerate(host.trace) if isinstance(each, kind))
        for kind in (asks.WordsTyped, io.Persist, io.Persisted, io.Write)
    )
    assert typed_at < persist < persisted < told


def test_an_admission_that_does_not_fit_is_finished_once_there_is_room():
    world, host, code = opened()
    guest = Guest(world, host, typed(code))
    host.disk_full = True
    guest.agree()
    assert only(Received, guest.effects) == []
    assert host.reported("persist_failed")
    host.disk_full = False
    world.pass_time(RETRY_S + 1)
    guest.do([])
    assert len(only(Received, guest.effects)) == 1


def test_an_admission_that_comes_late_is_not_taken_for_the_next_devices():
    world, host, code = opened()
    first = Guest(world, host, typed(code))
    host.disk_full = True
    first.agree()
    first.hang_up()
    assert only(news.AttemptFailed, host.news)
    second = Guest(world, host, typed(code), "tablet", 9_002)
    host.disk_full = False
    world.pass_time(RETRY_S + 1)
    second.do([])
    assert only(Received, second.effects) == []
    second.agree()
    assert len(only(Received, second.effects)) == 1


def test_an_admission_that_is_durable_after_its_session_is_over_hands_nothing_over():
    world, host, code = opened()
    guest = Guest(world, host, typed(code))
    host.disk_full = True
    guest.agree()
    guest.hang_up()
    host.disk_full = False
    world.pass_time(RETRY_S + 1)
    assert host.loose == {}
    assert device_id(guest.keys.public) in host.device.members.membership.members


def test_p15_three_wrong_guesses_burn_the_code():
    world, host, code = opened()
    for number in range(3):
        Guest(world, host, wrong(code), f"guess {number}", 9_100 + number)
    assert len(only(news.AttemptFailed, host.news)) == 2
    (over,) = only(news.PairingOver, host.news)
    assert over.error.code == "code_expired"
    late = Guest(world, host, typed(code), "late", 9_200)
    assert isinstance(late.failure(), VaultError)
    assert late.link in host.hung_up
    assert only(io.AdvertisePairing, host.trace)[-1].instance is None


def test_a_wrong_guess_leaves_the_code_to_the_right_device():
    world, host, code = opened()
    Guest(world, host, wrong(code), "guess", 9_100)
    guest = Guest(world, host, typed(code))
    guest.agree()
    assert len(only(Received, guest.effects)) == 1


def test_p15_only_one_device_at_a_time_may_try():
    world, host, code = opened()
    Guest(world, host, typed(code))
    second = Guest(world, host, typed(code), "second", 9_002)
    assert isinstance(second.failure(), PairingRefused)
    assert second.link in host.hung_up


def test_wrong_words_burn_the_code_and_unclear_ones_are_asked_again():
    world, host, code = opened()
    guest = Guest(world, host, typed(code))
    guest.agree("no such words at all")
    assert only(news.WordsUnclear, host.news)
    assert not only(news.PairingOver, host.news)
    elsewhere = opened()
    (shown,) = only(ShowWords, Guest(*elsewhere[:2], typed(elsewhere[2]), "elsewhere").effects)
    world.give(host, asks.WordsTyped(REQUEST, " ".join(shown.words)))
    guest.do([])
    assert only(news.PairingOver, host.news)
    assert isinstance(guest.failure(), VaultError)


def test_words_that_nobody_asked_for_are_refused():
    world, host, _ = opened()
    for request in (REQUEST, 999):
        world.give(host, asks.WordsTyped(request, "one two"))
        world.run()
        assert isinstance(host.answers[request], Refused)


def test_a_code_that_nobody_uses_expires():
    world, host, _ = opened()
    world.pass_time(PAIRING_S - 1)
    assert not only(news.PairingOver, host.news)
    world.pass_time(2)
    (over,) = only(news.PairingOver, host.news)
    assert over.error.code == "code_expired"
    assert only(io.AdvertisePairing, host.trace)[-1].instance is None
    world.give(host, asks.PairingRequested(REQUEST + 1, False, LISTENING))
    world.run()
    assert len(only(news.CodeMade, host.news)) == 2


def test_a_session_may_outlast_its_code():
    world, host, code = opened()
    world.pass_time(PAIRING_S - 5)
    guest = Guest(world, host, typed(code))
    world.pass_time(20)
    guest.agree()
    assert len(only(Received, guest.effects)) == 1


def test_p15_a_guess_after_the_code_expired_ends_the_window():
    world, host, code = opened()
    world.pass_time(PAIRING_S - 2)
    guest = Guest(world, host, typed(code))
    world.pass_time(PAIRING_CONFIRM_S + 1)
    guest.do([])
    assert isinstance(guest.failure(), PairingRefused)
    assert len(only(news.PairingOver, host.news)) == 1


def test_a_stream_that_says_nothing_gives_its_place_to_another():
    world, host, code = opened()
    world.give(host, io.PairingStreamUp(LinkId(9_300)))
    world.pass_time(HANDSHAKE_S + 1)
    assert LinkId(9_300) in host.hung_up
    guest = Guest(world, host, typed(code))
    guest.agree()
    assert len(only(Received, guest.effects)) == 1


def test_a_window_closes_with_the_program_that_opened_it():
    world, host, code = opened()
    world.give(host, asks.PairingCancelled(999))
    world.run()
    guest = Guest(world, host, typed(code))
    world.give(host, asks.PairingCancelled(REQUEST))
    guest.do([])
    assert isinstance(guest.failure(), VaultError)
    assert guest.link in host.hung_up
    assert only(io.AdvertisePairing, host.trace)[-1].instance is None
    late = Guest(world, host, typed(code), "late", 9_002)
    assert isinstance(late.failure(), VaultError)


def test_a_window_without_a_guest_closes_too():
    world, host, _ = opened()
    world.give(host, asks.PairingCancelled(REQUEST))
    world.run()
    assert only(io.AdvertisePairing, host.trace)[-1].instance is None
    world.pass_time(2 * PAIRING_S)
    assert only(news.PairingOver, host.news) == []


def test_there_is_one_window_at_a_time():
    world, host, _ = opened()
    with pytest.raises(Refused, match="shows a pairing code already"):
        world.ask(host, lambda request: asks.PairingRequested(request, False, LISTENING))


def test_only_an_admin_opens_a_window():
    world, (_, member) = world_of(2, role=Role.MEMBER)
    with pytest.raises(Refused, match="not an admin"):
        world.ask(member, lambda request: asks.PairingRequested(request, False, LISTENING))


def test_whoever_has_the_recovery_key_pairs_from_any_device():
    world, (founder, host) = world_of(2, role=Role.MEMBER)
    key = founder.store.state().meta[RECOVERY_SEED]
    with pytest.raises(MembershipError, match="recovery key"):
        world.ask(host, lambda r: asks.PairingRequested(r, False, LISTENING, bytes(32)))
    world.give(host, asks.PairingRequested(REQUEST, False, LISTENING, key))
    world.run()
    guest = Guest(world, host, typed(only(news.CodeMade, host.news)[-1]))
    guest.agree()
    members = host.device.members.membership.members
    assert members[device_id(guest.keys.public)].role is Role.ADMIN
    assert members[host.id].role is Role.MEMBER, "having it typed in makes no admin"


def test_p15_many_wrong_guesses_lock_pairing():
    world, host, code = opened()
    number = 9_400
    while True:
        for _ in range(3):
            number += 1
            Guest(world, host, wrong(only(news.CodeMade, host.news)[-1]), "guess", number)
        world.give(host, asks.PairingRequested(number, False, LISTENING))
        world.run()
        if number in host.answers:
            break
    assert isinstance(host.answers[number], PairingRefused)
    assert number - 9_400 <= 12
    assert code.code


def test_p20_a_device_that_is_a_member_is_not_paired_again():
    world, host, code = opened()
    guest = Guest(world, host, typed(code))
    guest.agree()
    guest.store()
    world.give(host, asks.PairingRequested(REQUEST, False, LISTENING))
    world.run()
    again = Guest(world, host, typed(only(news.CodeMade, host.news)[-1]), "phone", 9_002)
    assert isinstance(again.failure(), PairingRefused)


def test_an_admission_that_the_rules_refuse_ends_the_window():
    """Ada admits bob as an admin; while a guest is at her door, he takes her own role away."""
    world, (ada, bob) = world_of(2)
    world.give(ada, asks.PairingRequested(REQUEST, False, LISTENING))
    world.run()
    guest = Guest(world, ada, typed(only(news.CodeMade, ada.news)[0]))
    demote(world, bob, ada)
    guest.agree()
    (over,) = only(news.PairingOver, ada.news)
    assert isinstance(over.error, PairingRefused | MembershipError)
    assert only(Received, guest.effects) == []
    assert Hangup() in guest.effects


def demote(world: World, admin: Party, other: Party) -> None:
    members = admin.device.members
    author = Author(members.keys, seeded("demote"), 0)
    written = change_role(members.log, author, other.id, Role.MEMBER)
    (body,) = encode_operations([each.data for each in written.added])
    say(world, admin, other, (Kind.OPERATIONS, body))
    world.run()


def test_the_new_device_links_with_its_sponsor_from_what_it_was_given():
    world, host, code = opened()
    guest = Guest(world, host, typed(code))
    guest.agree()
    (received,) = only(Received, guest.effects)
    made = join_vault(guest.keys, seeded("run"), received)
    (row,) = made.batch.peers
    assert (row.device, row.seen) == (host.id, (host.address,))
    store = MemoryStore()
    store.persist(made.batch)
    assert device_of(store.state(), seeded("run")).members.is_member
