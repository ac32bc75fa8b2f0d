"""What any daemon must do on the control socket: the fake one and the real one pass the same suite.

Every answer and event is held against the schema on its way.
"""

import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.endpoints import ENDPOINTS
from harness.fake_recovery import RECOVERY_WORDS
from p2pvault.control.caller import Caller, connect
from p2pvault.control.home import Home, find_home, private_directory, short_path
from p2pvault.control.messages import JsonObject, Request, encode
from p2pvault.control.schema import SCHEMA_VERSION, problem_of_event, problem_of_result
from p2pvault.errors import (
    BadPath,
    NoSuchDevice,
    NoSuchRecord,
    NoVault,
    Refused,
    Unreachable,
    VaultError,
    VaultExists,
)
from p2pvault.limits import CONTROL_LINE_BYTES_MAX


class Checked:
    """A caller that holds every answer and event against the schema."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def call(self, method: str, **params: object) -> JsonObject:
        result = self._caller.call(method, **params)
        assert problem_of_result(method, result) == ""
        return result

    def stream(self, method: str, **params: object) -> Iterator[JsonObject]:
        for event in self._caller.stream(method, **params):
            assert problem_of_event(method, event) == ""
            yield event


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.heavy)])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """The home of a running daemon without a vault."""
    place = find_home(private_directory(tmp_path / "device"))
    with ENDPOINTS[request.param](place):
        yield place


@pytest.fixture
def bare(home: Home) -> Iterator[Checked]:
    """A caller of a daemon without a vault."""
    with connect(home) as caller:
        yield Checked(caller)


@pytest.fixture
def vault(bare: Checked) -> Checked:
    """A caller of a daemon with an empty vault."""
    bare.call("init", name="laptop", vault_name="home")
    return bare


@pytest.fixture
def raw(home: Home) -> Iterator[socket.socket]:
    """A plain connection, for what no caller of ours would send."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60.0)
        with short_path(home.socket) as path:
            connection.connect(path)
        yield connection


def answer_to(connection: socket.socket, line: bytes) -> JsonObject:
    connection.sendall(line + b"\n")
    with connection.makefile("rb") as lines:
        return json.loads(lines.readline())


def put(path: str, **fields: object) -> dict[str, object]:
    puts = [[name.split("__"), value] for name, value in fields.items()]
    return {"path": path, "puts": puts, "deletes": []}


def test_the_socket_is_closed_to_others(home: Home) -> None:
    assert stat.S_IMODE(home.socket.parent.stat().st_mode) == 0o700
    assert stat.S_ISSOCK(home.socket.stat().st_mode)


def test_hello_names_the_schema_and_says_whether_there_is_a_vault(bare: Checked) -> None:
    assert bare.call("hello")["v"] == SCHEMA_VERSION
    assert bare.call("hello")["vault"] is False
    bare.call("init", name="laptop")
    assert bare.call("hello")["vault"] is True


def test_a_vault_is_made_once(bare: Checked) -> None:
    made = bare.call("init", name="laptop", vault_name="home")
    assert (made["vault"]["name"], made["device"]["name"]) == ("home", "laptop")
    with pytest.raises(VaultExists):
        bare.call("init", name="laptop")


def test_status_without_a_vault_is_an_answer_and_no_error(bare: Checked) -> None:
    answer = bare.call("status")
    assert (answer["vault"], answer["device"], answer["peers"]) == (None, None, [])


def test_what_needs_a_vault_says_so(bare: Checked) -> None:
    for method, params in (
        ("get", {"path": "contacts/ada"}),
        ("ls", {}),
        ("devices", {}),
        ("addresses", {}),
        ("watch", {}),
        ("pair", {"admin": False}),
    ):
        with pytest.raises(NoVault):
            bare.call(method, **params)


def test_a_record_is_read_as_it_was_written(vault: Checked) -> None:
    value = {
        "name": "Ada",
        "born": 1815,
        "known": True,
        "none": None,
        "half": 0.5,
        "tags": ["a", 1],
        "key": {"$bytes": "AAEC"},
        "at": {"$time": "2024-05-06T07:08:09.010Z"},
        "inner": {"city": "Ely"},
    }
    done = vault.call(
        "set", path="contacts/ada", puts=[[[k], v] for k, v in value.items()], deletes=[]
    )
    assert (done["path"], done["created"]) == ("contacts/ada", True)
    assert min(done["fields"]) == "at"
    answer = vault.call("get", path="contacts/ada")
    assert answer["value"] == value
    assert answer["id"] == done["id"]


def test_a_record_is_found_by_its_id_and_by_a_prefix_of_it(vault: Checked) -> None:
    number = vault.call("set", **put("contacts/ada", name="Ada"))["id"]
    assert vault.call("get", path=f"id:{number}")["path"] == "contacts/ada"
    assert vault.call("get", path=f"id:{number[:12]}")["path"] == "contacts/ada"


def test_one_field_is_read_with_dots_for_what_is_inside(vault: Checked) -> None:
    vault.call("set", **put("contacts/ada", address__city="Ely"))
    assert vault.call("get", path="contacts/ada", field="address.city")["value"] == "Ely"
    with pytest.raises(NoSuchRecord):
        vault.call("get", path="contacts/ada", field="address.street")


def test_a_set_that_changes_nothing_names_no_fields(vault: Checked) -> None:
    vault.call("set", **put("contacts/ada", name="Ada"))
    again = vault.call("set", **put("contacts/ada", name="Ada"))
    assert (again["created"], again["fields"]) == (False, [])


def test_fields_are_deleted_and_the_others_stay(vault: Checked) -> None:
    vault.call("set", **put("contacts/ada", name="Ada", phone="1"))
    vault.call("set", path="contacts/ada", puts=[], deletes=[["phone"]])
    assert vault.call("get", path="contacts/ada")["value"] == {"name": "Ada"}


def test_many_records_are_put_at_once_and_their_other_fields_stay(vault: Checked) -> None:
    vault.call("set", **put("contacts/ada", phone="1"))
    records = [{"path": f"contacts/{name}", "value": {"n": 1}} for name in ("ada", "bob")]
    assert vault.call("set_many", records=records)["records"] == 2
    assert vault.call("get", path="contacts/ada")["value"] == {"phone": "1", "n": 1}


def test_a_listing_can_be_read_in_pages(vault: Checked) -> None:
    names = [f"contacts/n{number}" for number in range(5)]
    for name in [*names, "notes/other"]:
        vault.call("set", **put(name, n=1))
    found: list[object] = []
    params: dict[str, object] = {"collection": "contacts", "limit": 2}
    while True:
        page = vault.call("ls", **params)
        assert len(page["rows"]) <= 2
        found += [row["path"] for row in page["rows"]]
        if page["next"] is None:
            break
        params["after"] = page["next"]
    assert found == names


def test_a_deleted_record_is_gone(vault: Checked) -> None:
    number = vault.call("set", **put("contacts/ada", name="Ada"))["id"]
    assert vault.call("rm", path="contacts/ada") == {"path": "contacts/ada", "id": number}
    assert vault.call("ls")["rows"] == []
    for method in ("get", "rm"):
        with pytest.raises(NoSuchRecord):
            vault.call(method, path="contacts/ada")


@pytest.mark.parametrize("path", ["contacts", "/ada", "contacts/"])
def test_a_path_must_have_a_collection_and_a_name(vault: Checked, path: str) -> None:
    with pytest.raises(BadPath):
        vault.call("set", **put(path, name="Ada"))


def test_watchers_see_a_new_record_an_edit_and_a_deletion(home: Home, vault: Checked) -> None:
    with connect(home) as other:
        events = other.stream("watch", path="contacts/ada")
        vault.call("set", **put("contacts/ada", name="Ada"))
        vault.call("set", **put("contacts/ada", phone="1"))
        vault.call("rm", path="contacts/ada")
        seen = [next(events) for _ in range(3)]
    assert [problem_of_event("watch", event) for event in seen] == ["", "", ""]
    assert [event["kind"] for event in seen] == ["new", "edit", "delete"]
    assert [event["fields"] for event in seen][1] == ["phone"]
    assert {event["path"] for event in seen} == {"contacts/ada"}
    assert {event["device"]["name"] for event in seen} == {"laptop"}


def test_this_device_is_listed_and_an_unknown_one_refused(vault: Checked) -> None:
    (device,) = vault.call("devices")["devices"]
    assert (device["name"], device["this"], device["role"]) == ("laptop", True, "admin")
    with pytest.raises(NoSuchDevice):
        vault.call("device_rename", device="tablet", name="slate")
    with pytest.raises(NoSuchDevice):
        vault.call("address_add", device="tablet", address="127.0.0.1:1")


def test_nothing_is_in_quarantine_of_a_lonely_device(vault: Checked) -> None:
    assert vault.call("quarantine") == {"devices": []}
    for method in ("quarantine_accept", "quarantine_drop"):
        with pytest.raises(Refused, match="nothing is in quarantine"):
            vault.call(method)


def test_an_audit_ends_with_what_it_looked_at(vault: Checked) -> None:
    vault.call("set", **put("contacts/ada", name="Ada"))
    events = list(vault.stream("verify", repair=False))
    assert [problem_of_event("verify", event) for event in events] == [""] * len(events)
    assert events[-1] == {
        "event": "verified",
        "records": 1,
        "entries": 1,
        "findings": 0,
        "repaired": 0,
    }


def test_pairing_begins_with_a_code(vault: Checked) -> None:
    event = next(vault.stream("pair", admin=False))
    assert event["event"] == "code"
    assert event["uri"].startswith("p2pvault:")
    assert event["code"] not in event["uri"]


def test_a_device_with_a_vault_cannot_join_another(vault: Checked) -> None:
    with pytest.raises(VaultExists):
        list(vault.stream("join", code="42-acid-bird-cave", name="phone"))


def test_a_vault_is_taken_over_where_there_is_none_and_from_where_there_is_one(
    bare: Checked, tmp_path: Path
) -> None:
    lists: dict[str, object] = {"lost": [], "restored": []}
    asked = {**lists, "all_others": False, "alive": False, "name": "new", "words": RECOVERY_WORDS}
    with pytest.raises(NoVault, match="no vault in"):
        list(bare.stream("recovery_from", directory=str(tmp_path / "missing"), **asked))
    bare.call("init", name="laptop")
    with pytest.raises(VaultExists):
        list(bare.stream("recovery_from", directory=str(tmp_path), **asked))


def test_ready_means_that_there_is_a_vault(bare: Checked) -> None:
    with pytest.raises(Unreachable):
        bare.call("wait", **{"for": "ready"}, timeout_s=0.0)
    bare.call("init", name="laptop")
    assert bare.call("wait", **{"for": "ready"}, timeout_s=30.0) == {}


def test_a_lonely_device_is_never_synced(vault: Checked) -> None:
    with pytest.raises(VaultError) as caught:
        vault.call("wait", **{"for": "synced"}, timeout_s=0.0)
    assert (caught.value.code, caught.value.exit_code) == ("unreachable", 7)


BAD_LINES = [
    (b"GET / HTTP/1.1", -32700),
    (b"\xff\xfe", -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"hello","id":2}', -32700),
    (b'{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}", -32700),
    (b"[]", -32700),
    (b"{}", -32600),
    (b'{"jsonrpc":"2.0","id":true,"method":"hello"}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"hello","params":[]}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"nothing"}', -32601),
    (b'{"jsonrpc":"2.0","id":1,"method":"hello","params":{"x":1}}', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"get","params":{"path":1}}', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"ls","params":{"limit":0}}', -32602),
]


def test_bad_lines_are_answered_with_their_error_number(raw: socket.socket) -> None:
    answers = [answer_to(raw, line)["error"]["code"] for line, _ in BAD_LINES]
    assert answers == [number for _, number in BAD_LINES]


def test_a_line_without_end_closes_that_connection_only(home: Home, raw: socket.socket) -> None:
    endless = b"x" * (4 * CONTROL_LINE_BYTES_MAX)
    with pytest.raises(OSError):  # noqa: PT011  # reset or broken pipe, whichever comes first
        raw.sendall(endless)
    with connect(home) as caller:
        assert caller.call("hello")["v"] == SCHEMA_VERSION


def test_one_connection_takes_several_requests_in_one_piece(raw: socket.socket) -> None:
    raw.sendall(b"".join(encode(Request(number, "hello", {})) for number in (7, 8)))
    with raw.makefile("rb") as lines:
        assert [json.loads(lines.readline())["id"] for _ in range(2)] == [7, 8]
