"""Fuzzing the control protocol: lines, requests against their schema, and replies."""

import json
from contextlib import suppress

from fuzz.target import Target, chosen, pieces
from p2pvault.control.lines import Lines
from p2pvault.control.messages import (
    Answer,
    Failure,
    Fault,
    Notification,
    Request,
    decode_reply,
    decode_request,
    encode,
    error_from,
    read_json,
)
from p2pvault.control.schema import METHODS, check_request
from p2pvault.crdt.values import from_plain, plain
from p2pvault.errors import BadValue, LimitExceeded, MalformedMessage


def run(data: bytes) -> None:
    """Read a request, a reply, a stream of lines, or one value."""
    way, rest = chosen(4, data)
    (_request, _reply, _lines, _value)[way](rest)


def _request(data: bytes) -> None:
    request = decode_request(data)
    if isinstance(request, Failure):
        assert request.fault.message
        assert decode_reply(encode(request)) == request
        return
    assert decode_request(encode(request)) == request
    fault = check_request(request)
    if fault is not None:
        encode(Failure(request.id, fault))


def _reply(data: bytes) -> None:
    try:
        reply = decode_reply(data)
    except (MalformedMessage, LimitExceeded):
        return
    if isinstance(reply, Failure):
        str(error_from(reply.fault))
    with suppress(LimitExceeded):
        assert decode_reply(encode(reply)) == reply


def _lines(data: bytes) -> None:
    size, rest = chosen(256, data)
    whole, cut = Lines(), Lines()
    expected = whole.feed(rest)
    assert [line for part in pieces(rest, size + 1) for line in cut.feed(part)] == expected
    assert b"\n".join([*expected, b""]) == rest[: sum(len(line) + 1 for line in expected)]


def _value(data: bytes) -> None:
    """What a record can hold comes back from JSON as it was."""
    try:
        value = from_plain(read_json(data))
    except (MalformedMessage, LimitExceeded, BadValue):
        return
    assert from_plain(read_json(json.dumps(plain(value)))) == value


def seeds() -> list[bytes]:
    """Return a request for every method, with parameters for some, and every kind of reply."""
    calls = [encode(Request(7, method, {})) for method in METHODS]
    calls += [
        encode(Request(1, "get", {"path": "notes/one"})),
        encode(
            Request(2, "set", {"path": "a/b", "puts": [[["a", "b"], {"x": [1.5]}]], "deletes": []})
        ),
        b'{"jsonrpc":"2.0","id":1e400,"method":"get"}',
        b'{"jsonrpc":"2.0","id":1,"id":1}',
        b"[" * 200,
    ]
    fault = Fault(-32_000, "no such record", "no_such_record", "a hint", 5)
    replies = [
        encode(Answer(1, {"path": "notes/one", "value": {"a": None}})),
        encode(Failure(None, fault)),
        encode(Failure(3, fault)),
        encode(Notification(1, {"event": "end"})),
    ]
    values = [b'{"a":[1,2.5,"\\u00e4",null,true]}', b'{"$bytes":"AAEC"}', b'{"$time":"2026-01-01"}']
    return [
        *(b"\x00" + line for line in calls),
        *(b"\x01" + line for line in replies),
        *(b"\x02" + bytes([size]) + b"".join(calls[:3]) for size in (0, 7, 255)),
        *(b"\x03" + value for value in values),
    ]


TARGET = Target("control", run, seeds, 8_192)
