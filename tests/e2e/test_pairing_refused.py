"""Every way in which a pairing ends without a new member; neither side has changed afterwards."""

from collections.abc import Iterator

import pytest

from harness.daemons import Conversation, Device, Fleet

pytestmark = pytest.mark.e2e

OTHER_WORDS = "aardvark adroitness"
"""Two words that a device can show, but hardly ever does."""


@pytest.fixture(scope="module")
def laptop(shared: Fleet) -> Device:
    return shared.founder("laptop")


@pytest.fixture(scope="module")
def newcomer(shared: Fleet) -> Device:
    phone = shared.device("phone")
    phone.start()
    return phone


@pytest.fixture
def phone(laptop: Device, newcomer: Device) -> Iterator[Device]:
    yield newcomer
    laptop.hang_up()
    newcomer.hang_up()
    assert laptop.ask("status")["peers"] == []
    assert newcomer.ask("status")["vault"] is None


def test_wrong_words_pair_nothing(laptop: Device, phone: Device) -> None:
    window, joining, words = shake_hands(laptop, phone)
    window.type(OTHER_WORDS if words != OTHER_WORDS else "absurd adviser")
    assert window.refused() == (8, "wrong_code")
    assert joining.refused()[0] == 8


def test_words_that_no_device_shows_are_asked_for_again(laptop: Device, phone: Device) -> None:
    window, joining, words = shake_hands(laptop, phone)
    window.type(" ".join(reversed(words.split())))
    assert "none of the words" in window.event("attempt")["message"]
    window.event("confirm")
    window.type(OTHER_WORDS if words != OTHER_WORDS else "absurd adviser")
    assert window.refused() == (8, "wrong_code")
    assert joining.refused()[0] == 8


def test_no_words_pair_nothing(laptop: Device, phone: Device) -> None:
    window, joining, _ = shake_hands(laptop, phone)
    window.type("")
    assert window.refused() == (8, "pairing_refused")
    assert joining.refused()[0] == 8


def test_no_to_the_name_of_the_vault_pairs_nothing(laptop: Device, phone: Device) -> None:
    window, joining, words = shake_hands(laptop, phone)
    window.type(words)
    joining.type("no")
    assert joining.refused() == (8, "pairing_refused")
    window.event("attempt")


def test_ctrl_c_on_either_side_pairs_nothing(laptop: Device, phone: Device) -> None:
    window, joining, _ = shake_hands(laptop, phone)
    assert joining.interrupt().code == 130
    assert "hung up" in window.event("attempt")["message"]  # and the code is good for another try
    window.close()
    window, joining, _ = shake_hands(laptop, phone)
    assert window.interrupt().code == 130
    assert joining.refused()[0] == 8


def test_p15_three_wrong_codes_burn_the_window(laptop: Device, phone: Device) -> None:
    window = laptop.open("pair")
    shown = window.event("code")
    slot, *words = shown["code"].split("-")
    wrong = "-".join([slot, *reversed(words)])
    assert wrong.split("-")[1:] != words
    for _ in range(3):
        assert phone.refused("join", "--yes", wrong) == (8, "wrong_code")
    assert [window.any_event()["event"] for _ in range(2)] == ["attempt", "attempt"]
    assert window.refused()[0] == 8
    assert phone.refused("join", "--yes", shown["uri"])[0] == 7


def test_what_is_no_code_is_refused_at_once(phone: Device) -> None:
    assert phone.refused("join", "00-not-a-code") == (2, "bad_code")
    assert phone.refused("join", stdin=b"") == (2, "usage")


def test_a_device_with_a_vault_does_not_join_another(laptop: Device) -> None:
    assert laptop.refused("join", "42-lantern-tulip-violin") == (8, "vault_exists")
    assert laptop.refused("init") == (8, "vault_exists")


def test_an_address_of_a_window_that_closed_reaches_nobody(laptop: Device, phone: Device) -> None:
    window = laptop.open("pair")
    uri = window.event("code")["uri"]
    assert window.interrupt().code == 130
    assert phone.refused("join", "--yes", uri)[0] == 7


def shake_hands(laptop: Device, phone: Device) -> tuple[Conversation, Conversation, str]:
    """Go as far as both sides show the words."""
    window = laptop.open("pair")
    joining = phone.open("join")
    joining.type(window.event("code")["code"])
    words = str(joining.event("words")["words"])
    assert joining.event("vault")["name"] == "home"
    window.event("joiner")
    window.event("confirm")
    return window, joining, words
