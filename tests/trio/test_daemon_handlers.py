"""Every method, in and out, against the schema and a node in a dictionary."""

import base64
from collections.abc import AsyncIterator

import pytest

from harness.fake_node import ADDRESS, HERE, PHONE, VAULT, FakeNode, FakeSource, record_id
from harness.handlers import ask, heard
from p2pvault.control.messages import Json, JsonObject
from p2pvault.control.schema import METHODS
from p2pvault.core.asks import Edit
from p2pvault.crdt.values import Timestamp
from p2pvault.errors import (
    BadRecoveryWords,
    BadValue,
    CodeExpired,
    NoRecoveryWords,
    NoSuchDevice,
    NoSuchRecord,
    NoVault,
    Refused,
)
from p2pvault.node.port import (
    ChangeEvent,
    CodeShown,
    DevicePaired,
    JoinerKnocks,
    MissedEvents,
    PairingEnded,
    RecoveryDecision,
    SearchHindered,
    WordsAsked,
    WrongGuess,
)
from p2pvaultd.config import Settings
from p2pvaultd.handlers.table import methods_of
from p2pvaultd.keeper import Keeper, open_keeper

PHONE_JSON = {"id": PHONE.hex(), "name": "phone"}
ADA_ID = record_id("contacts/ada").hex()


@pytest.fixture
def node() -> FakeNode:
    return FakeNode(
        records={
            "contacts/ada": {
                "name": "Ada",
                "key": b"\x00\x01",
                "born": Timestamp(0),
                "phone": {"home": "1", "a.b": None},
                "dotted.name": 5,
            },
            "contacts/bob": {},
            "notes/one": {},
        }
    )


@pytest.fixture
async def keeper(node: FakeNode) -> AsyncIterator[Keeper]:
    async with open_keeper(FakeSource(node), Settings()) as keeper:
        await keeper.run_existing()
        yield keeper


@pytest.fixture
async def empty(source: FakeSource) -> AsyncIterator[Keeper]:
    async with open_keeper(source, Settings()) as keeper:
        yield keeper


@pytest.fixture
async def source() -> FakeSource:
    return FakeSource()


async def test_every_method_of_the_schema_has_a_handler(keeper: Keeper) -> None:
    methods = methods_of(keeper)
    assert set(methods.streams) == {name for name, method in METHODS.items() if method.events}
    assert set(methods.calls) | set(methods.streams) == set(METHODS)


async def test_hello_says_who_answers(keeper: Keeper, empty: Keeper) -> None:
    assert (await ask(keeper, "hello"))["vault"] is True
    assert (await ask(empty, "hello"))["vault"] is False


async def test_a_record_is_read_as_json(keeper: Keeper) -> None:
    assert await ask(keeper, "get", path="contacts/ada") == {
        "path": "contacts/ada",
        "id": ADA_ID,
        "value": {
            "name": "Ada",
            "key": {"$bytes": base64.b64encode(b"\x00\x01").decode()},
            "born": {"$time": "1970-01-01T00:00:00.000Z"},
            "phone": {"home": "1", "a.b": None},
            "dotted.name": 5,
        },
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Ada"),
        ("phone.home", "1"),
        ("phone", {"home": "1", "a.b": None}),
        ("dotted.name", 5),
    ],
)
async def test_a_field_is_read_by_its_name_or_its_dotted_path(
    keeper: Keeper, field: str, value: Json
) -> None:
    assert (await ask(keeper, "get", path="contacts/ada", field=field))["value"] == value


@pytest.mark.parametrize("field", ["zip", "phone.zip", "name.first", "", "."])
async def test_a_field_that_is_not_there_is_not_found(keeper: Keeper, field: str) -> None:
    with pytest.raises(NoSuchRecord, match="has no field") as refused:
        await ask(keeper, "get", path="contacts/ada", field=field)
    assert refused.value.hint == "`p2pvault get contacts/ada` shows its fields."


async def test_a_record_is_written_from_json(keeper: Keeper, node: FakeNode) -> None:
    result = await ask(
        keeper,
        "set",
        path="contacts/eve",
        puts=[[["name"], "Eve"], [["at"], {"$time": "1970-01-01T00:00:01Z"}]],
        deletes=[["a", "b"]],
    )
    identifier = record_id("contacts/eve").hex()
    fields = {"created": True, "fields": ["name", "at"]}
    assert result == {"path": "contacts/eve", "id": identifier, **fields}
    puts = [(("name",), "Eve"), (("at",), Timestamp(1000))]
    assert node.edits == [Edit("contacts/eve", puts=puts, deletes=[("a", "b")])]


async def test_a_value_that_no_record_can_hold_is_refused_before_anything_is_written(
    keeper: Keeper, node: FakeNode
) -> None:
    with pytest.raises(BadValue):
        await ask(keeper, "set", path="a/b", puts=[[["n"], 2**63]], deletes=[])
    good: Json = {"path": "a/b", "value": {"n": 1}}
    with pytest.raises(BadValue, match="a map of fields"):
        await ask(keeper, "set_many", records=[good, {"path": "a/c", "value": 1}])
    assert node.edits == []


async def test_many_records_are_one_edit_and_the_changed_ones_are_counted(
    keeper: Keeper, node: FakeNode
) -> None:
    records: list[Json] = [
        {"path": "contacts/ada", "value": {"name": "Ada"}},
        {"path": "contacts/bob", "value": {"name": "Bob"}},
        {"path": "contacts/new", "value": {}},
    ]
    assert await ask(keeper, "set_many", records=records) == {"records": 3, "changed": 2}
    assert [edit.selector for edit in node.edits][:1] == ["contacts/ada"]


async def test_records_are_listed_in_pages(keeper: Keeper) -> None:
    first = await ask(keeper, "ls", collection="contacts", limit=1)
    assert first == {"rows": [{"path": "contacts/ada", "id": ADA_ID}], "next": "contacts/ada"}
    second = await ask(keeper, "ls", collection="contacts", limit=1, after=first["next"])
    assert second["next"] is None
    everything = await ask(keeper, "ls")
    rows = everything["rows"]
    assert isinstance(rows, list)
    assert len(rows) == 3


async def test_a_record_is_removed(keeper: Keeper, node: FakeNode) -> None:
    assert await ask(keeper, "rm", path="contacts/ada") == {"path": "contacts/ada", "id": ADA_ID}
    assert "contacts/ada" not in node.records


async def test_status_has_everything_that_the_node_knows(keeper: Keeper) -> None:
    away: JsonObject = dict.fromkeys(["address", "in_sync", "proved_s", "behind", "ahead"])
    assert await ask(keeper, "status") == {
        "vault": {
            "id": VAULT.hex(),
            "name": "home",
            "records": 3,
            "not_kept": [],
            "incomplete": [],
        },
        "device": {"id": HERE.hex(), "name": "laptop", "role": "admin"},
        "peers": [
            {
                **PHONE_JSON,
                "link": "up",
                "address": "192.168.1.5:47474",
                "in_sync": True,
                "proved_s": 1.5,
                "without": 0,
                "fetching": False,
                "behind": 0,
                "ahead": 2,
                "last_seen": "2023-11-14T22:13:20+00:00",
            },
            {"id": (b"t" * 32).hex(), "name": "tablet", "link": "down", "last_seen": None}
            | {**away, "without": 0, "fetching": False},
        ],
        "listening": ["192.168.1.5:47474"],
        "discovery": {"mode": "quiet", "problem": "no multicast"},
        "problems": [{"code": "disk_full", "message": "The disk is full.", "hint": "Make room."}],
    }


async def test_without_a_vault_there_is_a_status_and_nothing_else(empty: Keeper) -> None:
    status = await ask(empty, "status")
    assert (status["vault"], status["device"], status["problems"]) == (None, None, [])
    for method, params in {"get": {"path": "a/b"}, "ls": {}, "devices": {}}.items():
        with pytest.raises(NoVault):
            await ask(empty, method, **params)
    for stream, arguments in {"watch": {}, "pair": {"admin": False}}.items():
        with pytest.raises(NoVault):
            async with methods_of(empty).streams[stream](arguments):
                pass


async def test_devices_are_listed_renamed_and_revoked(keeper: Keeper) -> None:
    devices = await ask(keeper, "devices")
    laptop: Json = {
        "id": HERE.hex(),
        "name": "laptop",
        "role": "admin",
        "kind": "linux",
        "this": True,
        "link": None,
        "added_by": None,
    }
    phone: Json = {
        **PHONE_JSON,
        "role": "member",
        "kind": "android",
        "this": False,
        "link": "up",
        "added_by": "laptop",
    }
    old: Json = {"id": (b"o" * 32).hex(), "name": "old phone"}
    strange: Json = {"id": (b"s" * 32).hex(), "name": "strange phone"}
    friend: Json = {"id": (b"f" * 32).hex(), "name": "its friend"}
    outside: JsonObject = {"removed": [old], "suspended": [strange], "fallen": [friend]}
    assert devices == {"devices": [laptop, phone], **outside}
    renamed = await ask(keeper, "device_rename", device="phone", name="new phone")
    assert renamed == {"device": {"id": PHONE.hex(), "name": "new phone"}}
    with pytest.raises(NoSuchDevice):
        await ask(keeper, "device_rename", device="fridge", name="x")
    assert await ask(keeper, "device_revoke", device="phone") == {"device": PHONE_JSON}
    assert await ask(keeper, "device_reinstate", device="phone") == {"device": PHONE_JSON}


async def test_the_recovery_key_is_shown_used_and_forgotten(keeper: Keeper, node: FakeNode) -> None:
    words = (await ask(keeper, "recovery_show"))["words"]
    assert words == node.words
    decision: dict[str, Json] = {"lost": ["phone"], "all_others": False, "restored": ["old phone"]}
    used = await ask(keeper, "recovery_use", words=words, **decision)
    assert used == {"device": {"id": HERE.hex(), "name": "laptop"}}
    assert node.decisions == [RecoveryDecision(("phone",), False, ("old phone",))]
    with pytest.raises(BadRecoveryWords):
        await ask(keeper, "recovery_use", words="zoo", **decision)
    assert await ask(keeper, "recovery_forget") == {}
    with pytest.raises(NoRecoveryWords):
        await ask(keeper, "recovery_show")


async def test_addresses_are_added_read_and_removed(keeper: Keeper, node: FakeNode) -> None:
    added = await ask(keeper, "address_add", device="phone", address="[fe80::1%eth0]:5")
    assert added == {"device": PHONE_JSON, "addresses": ["[fe80::1%eth0]:5"]}
    page: Json = {**PHONE_JSON, "given": ["[fe80::1%eth0]:5"], "seen": [str(ADDRESS)]}
    assert await ask(keeper, "addresses") == {"devices": [page]}
    removed = await ask(keeper, "address_remove", device="phone", address="[fe80::1%eth0]:5")
    assert removed == {"device": PHONE_JSON, "addresses": []}
    with pytest.raises(NoSuchRecord, match="not added by hand"):
        await ask(keeper, "address_remove", device="phone", address="[fe80::1%eth0]:5")
    with pytest.raises(BadValue):
        await ask(keeper, "address_add", device="phone", address="phone.local:1")
    assert node.given == []


async def test_watching_passes_changes_on_until_the_watcher_leaves(
    keeper: Keeper, node: FakeNode
) -> None:
    record = record_id("contacts/ada")
    async with methods_of(keeper).streams["watch"]({"path": "contacts"}) as events:
        assert node.watched == ["contacts"]
        change = ChangeEvent(record, "contacts/ada", "edit", PHONE, "phone", ("name",))
        node.changes.send_nowait(change)
        assert await heard(events, "watch") == {
            "event": "change",
            "path": "contacts/ada",
            "id": ADA_ID,
            "device": PHONE_JSON,
            "fields": ["name"],
            "kind": "edit",
        }
        node.changes.send_nowait(MissedEvents(7))
        assert await heard(events, "watch") == {"event": "missed", "count": 7}
    assert node.watched == []


async def test_a_pairing_tells_its_steps_and_takes_the_words(
    keeper: Keeper, node: FakeNode
) -> None:
    methods = methods_of(keeper)
    with pytest.raises(Refused, match="waits for words"):
        await ask(methods, "pair_confirm", words="a b")
    async with methods.streams["pair"]({"admin": False}) as events:
        (pairing,) = node.pairings
        for step in (
            CodeShown("42-a-b-c", "p2pvault:1", 120.0),
            CodeShown("42-a-b-c", "p2pvault:1", 120.0, "quiet"),
            WrongGuess("no"),
            JoinerKnocks("phone"),
            WordsAsked("42", None),
            WordsAsked(None, "three words"),
        ):
            pairing.sender.send_nowait(step)
        code = {"event": "code", "code": "42-a-b-c", "uri": "p2pvault:1", "expires_s": 120.0}
        assert await heard(events, "pair") == code
        assert await heard(events, "pair") == {**code, "hidden": "quiet"}
        assert await heard(events, "pair") == {"event": "attempt", "message": "no"}
        assert await heard(events, "pair") == {"event": "joiner", "name": "phone"}
        assert await heard(events, "pair") == {"event": "confirm", "digits": "42"}
        assert await heard(events, "pair") == {"event": "attempt", "message": "three words"}
        assert await heard(events, "pair") == {"event": "confirm"}
        await ask(methods, "pair_confirm", words="apple pear")
        assert pairing.typed == ["apple pear"]
        pairing.sender.send_nowait(DevicePaired(PHONE, "phone"))
        assert await heard(events, "pair") == {"event": "paired", "device": PHONE_JSON}
        with pytest.raises(StopAsyncIteration):
            await anext(events)
        with pytest.raises(Refused, match="already"):
            async with methods.streams["pair"]({"admin": False}):
                pass
    assert not pairing.open
    with pytest.raises(Refused, match="waits for words"):
        await ask(methods, "pair_confirm", words="a b")


async def test_another_connection_cannot_confirm_a_pairing(keeper: Keeper, node: FakeNode) -> None:
    async with methods_of(keeper).streams["pair"]({"admin": False}):
        with pytest.raises(Refused, match="of this connection"):
            await ask(methods_of(keeper), "pair_confirm", words="a b")
    assert node.pairings[0].typed == []


async def test_a_pairing_that_fails_raises_its_reason(keeper: Keeper, node: FakeNode) -> None:
    async with methods_of(keeper).streams["pair"]({"admin": True}) as events:
        node.pairings[0].sender.send_nowait(PairingEnded(CodeExpired("too late")))
        with pytest.raises(CodeExpired, match="too late"):
            await anext(events)


async def test_joining_tells_what_hinders_the_search(source: FakeSource, empty: Keeper) -> None:
    async with methods_of(empty).streams["join"]({"code": "42-a-b-c", "name": "phone"}) as events:
        for step in (SearchHindered("no network", "wait"), SearchHindered(None, "")):
            source.joins[0].sender.send_nowait(step)
        hindered = {"event": "search", "problem": "no network", "hint": "wait"}
        assert await heard(events, "join") == hindered
        assert (await heard(events, "join"))["problem"] is None
