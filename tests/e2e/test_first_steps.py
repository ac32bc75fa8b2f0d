"""What a new user types, with real daemons that find each other by mDNS on loopback."""

import re

import pytest

from harness.daemons import Conversation, Fleet, pair, wait_synced

pytestmark = pytest.mark.e2e

PHONE = "+44 20 7946 0000"


def test_the_transcript_of_a_first_hour(cold: Fleet) -> None:
    laptop, phone = cold.device("laptop"), cold.device("phone")
    assert "Made the vault" in laptop.do("init", "--name", "laptop")
    laptop.start()
    laptop.do("set", "contacts/ada", "name=Ada Lovelace", "email=ada@example.org")
    phone.start()
    pair(laptop, phone, by="code")

    assert phone.value("contacts/ada") == {"name": "Ada Lovelace", "email": "ada@example.org"}
    assert phone.do("get", "contacts/ada", "name") == "Ada Lovelace\n"
    watching = laptop.watch()
    phone.do("set", "contacts/ada", f"phone={PHONE}")
    assert re.fullmatch(r"\d\d:\d\d:\d\d  contacts/ada  phone  \(phone\)", watching.line())
    assert laptop.do("get", "contacts/ada", "phone") == f"{PHONE}\n"
    assert watching.interrupt().code == 130

    wait_synced(laptop, phone)
    assert re.search(r"● laptop +up, \S+ +same as here, proved \d+ s ago", phone.do("status"))
    assert re.search(r"● phone +up, \S+ +same as here, proved \d+ s ago", laptop.do("status"))
    assert laptop.peer("phone")["in_sync"] is True


def test_a_scanned_address_pairs_without_discovery(cold: Fleet) -> None:
    off = ("--listen", "127.0.0.1:0", "--mode", "off")
    laptop, phone = cold.founder("laptop", *off), cold.device("phone", off)
    laptop.do("set", "contacts/ada", "name=Ada")
    phone.start()
    pair(laptop, phone, by="uri")
    assert phone.paths() == ["contacts/ada"]


def test_a_code_in_the_arguments_is_taken_and_yes_asks_nothing(cold: Fleet) -> None:
    laptop, phone = cold.founder("laptop"), cold.device("phone")
    phone.start()
    window = laptop.open("pair")
    joining = phone.open("join", "--name", "phone", "--yes", window.event("code")["code"])
    type_words(window, joining)
    assert joining.event("vault")["name"] == "home"
    assert joining.event("paired")["vault"]["name"] == "home"
    assert window.event("paired")["device"]["name"] == "phone"


def test_a_first_three_letters_code_in_capitals_is_the_same_code(cold: Fleet) -> None:
    laptop, phone = cold.founder("laptop"), cold.device("phone")
    phone.start()
    window = laptop.open("pair")
    slot, *words = window.event("code")["code"].split("-")
    short = " ".join([slot, *(word[:3].upper() for word in words)])
    joining = phone.open("join", "--yes")
    joining.type(short)
    type_words(window, joining)
    window.event("paired")


def type_words(window: Conversation, joining: Conversation) -> None:
    words = joining.event("words")
    assert re.fullmatch(r"[a-z]+ [a-z]+", words["words"])
    window.event("joiner")
    window.event("confirm")
    window.type(words["words"])
