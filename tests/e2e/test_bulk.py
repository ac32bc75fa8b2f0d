"""Much at once: ten thousand records, long prose, bytes."""

import json
from pathlib import Path

import pytest

from harness.daemons import Device, wait_synced

pytestmark = pytest.mark.e2e

RECORDS = 10_000


def test_ten_thousand_records_are_few_entries_and_arrive(couple: tuple[Device, Device]) -> None:
    laptop, phone = couple
    phone.stop()
    lines = b"".join(
        json.dumps({"path": f"people/{n:05}", "value": {"name": f"Person {n}", "age": n % 90}})
        .encode() + b"\n"
        for n in range(RECORDS)
    )  # fmt: skip
    assert laptop.ask("set", "--stdin", stdin=lines) == {
        "v": 1,
        "records": RECORDS,
        "changed": RECORDS,
    }
    # Each commit of 1 000 is more work than one entry may be, and less than two.
    assert laptop.peer("phone")["ahead"] == RECORDS / 500

    phone.start()
    wait_synced(laptop, phone)
    assert phone.ask("status")["vault"]["records"] == RECORDS
    assert phone.ask("ls")["rows"] == laptop.ask("ls")["rows"]
    assert phone.value("people/09999") == {"name": "Person 9999", "age": 9_999 % 90}
    assert laptop.ask("set", "--stdin", stdin=lines)["changed"] == 0


def test_a_wrong_line_is_named_and_keeps_its_batch_out(couple: tuple[Device, Device]) -> None:
    laptop, _ = couple
    good = b"".join(b'{"path": "batch/%d", "value": {}}\n' % n for n in range(1_000))
    late = b'{"path": "batch/late", "value": {}}\n'
    done = laptop.run("--json", "set", "--stdin", stdin=good + late + b'{"path": "nowhere"}\n')
    assert done.code == 2
    assert done.error["message"].startswith("line 1002: ")
    assert "1 000 records before are written" in done.error["hint"]
    assert len(laptop.ask("ls", "batch")["rows"]) == 1_000


def test_long_prose_travels_and_a_small_edit_stays_one(
    couple: tuple[Device, Device], tmp_path: Path
) -> None:
    laptop, phone = couple
    prose = "".join(f"Line {n}: the quick brown fox, ü 家.\n" for n in range(1_300))
    book = tmp_path / "book.txt"
    book.write_text(prose)
    laptop.do("set", "notes/book", f"body=@{book}")
    wait_synced(laptop, phone)
    assert phone.value("notes/book") == {"body": prose}
    edited = prose.replace("Line 700:", "Line seven hundred:")
    book.write_text(edited)
    phone.do("set", "notes/book", f"body=@{book}")
    wait_synced(laptop, phone)
    assert laptop.value("notes/book") == {"body": edited}


def test_bytes_of_a_file_arrive_unchanged(couple: tuple[Device, Device], tmp_path: Path) -> None:
    laptop, phone = couple
    data = bytes(range(256)) * 900
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(data)
    laptop.do("set", "contacts/ada", f"photo=@{photo}")
    wait_synced(laptop, phone)
    assert phone.run("get", "contacts/ada", "photo").out == data


def test_what_is_too_large_is_refused_and_nothing_is_lost(
    couple: tuple[Device, Device], tmp_path: Path
) -> None:
    laptop, _ = couple
    large = tmp_path / "large"
    large.write_bytes(b"\xff" * 300_000)
    assert laptop.refused("set", "contacts/ada", f"photo=@{large}") == (2, "bad_value")
    large.write_text("x" * 50_001)
    assert laptop.refused("set", "contacts/ada", f"note=@{large}") == (2, "bad_value")
    assert "photo" in laptop.value("contacts/ada")
