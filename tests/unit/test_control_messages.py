"""The codec of the control socket: what is sent is what is read, and nothing else is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault import errors
from p2pvault.control.lines import Lines
from p2pvault.control.messages import (
    BAD_PARAMS,
    INVALID_REQUEST,
    NO_SUCH_METHOD,
    PARSE_ERROR,
    VAULT_ERROR,
    Answer,
    Failure,
    Fault,
    Notification,
    Request,
    decode_reply,
    decode_request,
    encode,
    error_from,
    fault_from,
    fault_members,
    read_fault_members,
    read_json,
)
from p2pvault.control.schema import METHODS, check_request, problem_of_event
from p2pvault.errors import (
    BadValue,
    LimitExceeded,
    MalformedMessage,
    NoSuchRecord,
    VaultError,
)
from p2pvault.limits import CONTROL_DEPTH_MAX, CONTROL_LINE_BYTES_MAX

texts = st.text(st.characters(codec="utf-8"), max_size=20)
trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(texts, trees, max_size=4)
ids = st.integers(0, 2**53 - 1)
faults = st.builds(
    Fault,
    st.integers(-40_000, 40_000),
    texts,
    texts,
    texts,
    st.integers(1, 125),
)
replies = (
    st.builds(Answer, ids, objects)
    | st.builds(Failure, st.none() | ids, faults)
    | st.builds(Notification, ids, objects)
)


@given(ids, texts, objects)
def test_a_request_arrives_as_it_was_sent(number: int, method: str, params: dict) -> None:
    request = Request(number, method, params)
    line = encode(request)
    assert line.count(b"\n") == 1
    assert decode_request(line.removesuffix(b"\n")) == request


@given(replies)
def test_a_reply_arrives_as_it_was_sent(reply: Answer | Failure | Notification) -> None:
    assert decode_reply(encode(reply).removesuffix(b"\n")) == reply


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_refusal(line: bytes) -> None:
    assert isinstance(decode_request(line), Request | Failure)


@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=8),
    st.data(),
)
def test_lines_do_not_depend_on_how_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(line + b"\n" for line in lines) + b"rest"
    found: list[bytes] = []
    cutter = Lines()
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        found += cutter.feed(whole[:size])
        whole = whole[size:]
    assert found == lines


def test_a_line_that_never_ends_is_refused() -> None:
    cutter = Lines()
    cutter.feed(b"x" * CONTROL_LINE_BYTES_MAX)
    with pytest.raises(LimitExceeded):
        cutter.feed(b"x")


def test_a_message_too_long_to_be_read_is_not_sent() -> None:
    with pytest.raises(LimitExceeded):
        encode(Request(1, "set", {"text": "x" * CONTROL_LINE_BYTES_MAX}))
    fits = encode(Request(1, "set", {"text": "x" * (CONTROL_LINE_BYTES_MAX - 100)}))
    assert isinstance(decode_request(fits.removesuffix(b"\n")), Request)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        "NaN",
        "[Infinity]",
        "-1e999",
        "9" * 5_000,
        '"\\ud800"',
        "{",
        "",
        "'a'",
        '{"a" 1}',
    ],
)
def test_what_is_not_strict_json_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage):
        read_json(text)


def test_depth_is_bounded_before_it_is_used() -> None:
    assert read_json("[" * CONTROL_DEPTH_MAX + "]" * CONTROL_DEPTH_MAX)
    for depth in (CONTROL_DEPTH_MAX + 1, 1_000_000):
        with pytest.raises(LimitExceeded):
            read_json("[" * depth + "]" * depth)


def call(method: str, **params: object) -> Request:
    return Request(1, method, params)  # type: ignore[arg-type]  # tests pass JSON


@pytest.mark.parametrize(
    ("request_", "number"),
    [
        (call("nothing"), NO_SUCH_METHOD),
        (call("get"), BAD_PARAMS),
        (call("get", path=""), BAD_PARAMS),
        (call("get", path="x" * 266), BAD_PARAMS),
        (call("get", path="a/b", fields=[]), BAD_PARAMS),
        (call("pair", admin=1), BAD_PARAMS),
        (call("ls", limit=True), BAD_PARAMS),
        (call("ls", limit=10_001), BAD_PARAMS),
        (call("set", path="a/b", puts=[[["a"]]], deletes=[]), BAD_PARAMS),
        (call("set", path="a/b", puts=[[[], 1]], deletes=[]), BAD_PARAMS),
        (call("set_many", records=[]), BAD_PARAMS),
        (call("set_many", records=[{"path": "a/b", "value": {}}] * 1_001), BAD_PARAMS),
        (call("wait", **{"for": "ever"}), BAD_PARAMS),
        (call("wait", **{"for": "ready"}, timeout_s=-1), BAD_PARAMS),
        (call("wait", **{"for": "ready"}, timeout_s="1"), BAD_PARAMS),
    ],
)
def test_a_request_outside_the_schema_is_refused(request_: Request, number: int) -> None:
    fault = check_request(request_)
    assert fault is not None
    assert fault.number == number


def test_a_refusal_names_the_place() -> None:
    fault = check_request(call("set", path="a/b", puts=[[["a"], 1], [["b", ""], 1]], deletes=[]))
    assert fault is not None
    assert fault.message == "set: puts[1][0][1] must have 1 to 200 characters"


def test_every_method_takes_a_request_of_its_own_shape() -> None:
    smallest = {
        "init": {"name": "a"},
        "collection_keep": {"collection": "a"},
        "collection_forget": {"collection": "a", "anyway": False},
        "get": {"path": "a/b"},
        "set": {"path": "a/b", "puts": [], "deletes": []},
        "set_many": {"records": [{"path": "a/b", "value": {}}]},
        "rm": {"path": "a/b"},
        "device_rename": {"device": "a", "name": "b"},
        "device_revoke": {"device": "a"},
        "device_reinstate": {"device": "a"},
        "recovery_use": {"words": "a", "lost": [], "all_others": True, "restored": []},
        "recovery_from": {
            "words": "a",
            "directory": "/",
            "name": "a",
            "lost": [],
            "all_others": False,
            "restored": [],
            "alive": True,
        },
        "address_add": {"device": "a", "address": "b"},
        "address_remove": {"device": "a", "address": "b"},
        "verify": {"repair": False},
        "pair": {"admin": False},
        "pair_confirm": {"words": ""},
        "join": {"code": "", "name": "a"},
        "join_accept": {"accept": False},
        "wait": {"for": "ready"},
    }
    for name in METHODS:
        assert check_request(Request(1, name, smallest.get(name, {}))) is None, name


def test_events_are_checked_by_their_name() -> None:
    assert problem_of_event("watch", {"event": "end"}) == ""
    assert problem_of_event("watch", {"event": "missed", "count": 1}) == ""
    assert "no event" in problem_of_event("watch", {"event": "code"})
    assert "lacks" in problem_of_event("watch", {"event": "missed"})
    error = {"code": "x", "message": "y", "hint": "", "exit_code": 0}
    assert "exit_code" in problem_of_event("watch", {"event": "error", "error": error})


def every_error() -> list[type[VaultError]]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    return [kind for kind in kinds if issubclass(kind, VaultError)]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_keeps_what_the_command_line_needs(kind: type[VaultError]) -> None:
    error = kind("it broke", hint="mend it")
    back = error_from(read_fault_members(fault_members(fault_from(error))))
    assert issubclass(kind, type(back))
    assert (str(back), back.hint) == ("it broke", "mend it")
    assert (back.code, back.exit_code) == (error.code, error.exit_code)


def test_an_error_keeps_its_class_on_the_way() -> None:
    assert type(error_from(fault_from(NoSuchRecord("gone")))) is NoSuchRecord
    assert type(error_from(fault_from(BadValue("odd")))) is BadValue


def test_an_error_of_a_newer_daemon_keeps_its_code_and_exit_code() -> None:
    error = error_from(Fault(VAULT_ERROR, "new", "quarantined", "wait", 42))
    assert (error.code, error.exit_code, error.hint) == ("quarantined", 42, "wait")


@pytest.mark.parametrize("exit_code", [0, -1, 126, "3", True, None])
def test_an_exit_code_that_is_none_becomes_plain_failure(exit_code: object) -> None:
    members = {"code": "x", "message": "y", "hint": "", "exit_code": exit_code}
    assert read_fault_members(members).exit_code == 1  # type: ignore[arg-type]  # hostile JSON


@pytest.mark.parametrize(
    ("tree", "number"),
    [
        ("[]", PARSE_ERROR),
        ('{"jsonrpc":"1.0","id":1,"method":"hello"}', INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":-1,"method":"hello"}', INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":9007199254740992,"method":"hello"}', INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":"1","method":"hello"}', INVALID_REQUEST),
        ('{"jsonrpc":"2.0","method":"hello"}', INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":1,"method":"hello","more":1}', INVALID_REQUEST),
    ],
)
def test_a_failure_says_which_rule_was_broken(tree: str, number: int) -> None:
    failure = decode_request(tree.encode())
    assert isinstance(failure, Failure)
    assert failure.fault.number == number


def test_a_bad_request_is_answered_under_its_own_id() -> None:
    line = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "hello", "more": 1}).encode()
    failure = decode_request(line)
    assert isinstance(failure, Failure)
    assert failure.id == 7


@pytest.mark.parametrize("tree", ["{}", '{"jsonrpc":"2.0"}', '{"jsonrpc":"2.0","id":1,"result":1}'])
def test_a_reply_of_another_protocol_is_refused(tree: str) -> None:
    with pytest.raises(MalformedMessage):
        decode_reply(tree.encode())
