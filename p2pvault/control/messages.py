"""The messages of the control socket and their encoding: JSON-RPC 2.0, one object a line.

Strict in both directions (https://www.jsonrpc.org/specification, without batches and with
requests only, never notifications, from the caller): no duplicate keys, no NaN, no lone
surrogates, no unknown members, bounded size and depth. Nothing here reads or writes a socket.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, cast

from p2pvault.errors import BadValue, LimitExceeded, MalformedMessage, VaultError
from p2pvault.limits import CONTROL_DEPTH_MAX, CONTROL_LINE_BYTES_MAX

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""Any JSON value."""

JsonObject = dict[str, Json]
"""A JSON object."""

VAULT_ERROR: Final = -32000
"""JSON-RPC error number of every `VaultError`; `data.code` tells them apart."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
NO_SUCH_METHOD: Final = -32601
BAD_PARAMS: Final = -32602

_ID_MAX: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (RFC 8259 section 6)."""

_NO_TEXT: Final = re.compile("[\ud800-\udfff]")
"""What stands in a path for a byte of it that is no UTF-8 (PEP 383)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call."""

    id: int
    method: str
    params: JsonObject


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call returned."""

    id: int
    result: JsonObject


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something failed, as it travels.

    Attributes:
        number: The JSON-RPC error number.
        message: What happened and why.
        code: Stable name for programs, `VaultError.code`.
        hint: What to try, or empty.
        exit_code: How the command line ends.
    """

    number: int
    message: str
    code: str
    hint: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that failed; `id` is None where the request's own could not be read."""

    id: int | None
    fault: Fault


@dataclass(frozen=True, slots=True)
class Notification:
    """One event of an open stream."""

    stream: int
    event: JsonObject


Reply = Answer | Failure | Notification
"""What the daemon sends."""


def encode(message: Request | Reply) -> bytes:
    """Return the line of one message, with its line feed.

    Raises:
        LimitExceeded: Longer than `CONTROL_LINE_BYTES_MAX`.
        BadValue: A text of a request has no UTF-8, as an argument of a command line may.
    """
    tree = {"jsonrpc": "2.0", **_members(message)}
    text = json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        line = text.encode()
    except UnicodeEncodeError as error:
        if isinstance(message, Request):
            raise BadValue(
                "a text is not UTF-8", hint="Only `set` takes bytes, as FIELD=@FILE."
            ) from error
        # A reply names files of this device, and has to be said whatever these are called.
        line = _NO_TEXT.sub(_spelled_out, text).encode()
    if len(line) >= CONTROL_LINE_BYTES_MAX:
        raise LimitExceeded(
            f"{len(line)} bytes are more than one control message holds",
            hint=f"At most {CONTROL_LINE_BYTES_MAX} bytes travel at once.",
        )
    return line + b"\n"


def decode_request(line: bytes) -> Request | Failure:
    """Read one line from a caller.

    Returns:
        The request, or the failure to send back where it is none.
    """
    try:
        tree = decode_object(line)
    except (MalformedMessage, LimitExceeded) as error:
        return Failure(None, Fault(PARSE_ERROR, str(error), "malformed", "", 1))
    known = _id_of(tree)
    if problem := _request_problem(tree):
        return Failure(known, Fault(INVALID_REQUEST, problem, "invalid_request", "", 1))
    assert known is not None, "checked just before"
    return Request(known, cast("str", tree["method"]), cast("JsonObject", tree.get("params", {})))


def decode_reply(line: bytes) -> Reply:
    """Read one line from the daemon.

    Raises:
        MalformedMessage: It is not a message of this protocol.
        LimitExceeded: It is too long or too deep.
    """
    tree = decode_object(line)
    if tree.get("jsonrpc") != "2.0":
        raise MalformedMessage("not a JSON-RPC 2.0 message")
    match tree:
        case {"method": "event", "params": {"stream": int(stream), "event": dict(event)}}:
            return Notification(stream, event)
        case {"id": int(number), "result": dict(result)}:
            return Answer(number, result)
        case {"id": int() | None as number, "error": dict(error)}:
            return Failure(number, _read_fault(error))
    raise MalformedMessage("neither an answer, an error nor an event")


def decode_object(line: bytes) -> JsonObject:
    """Read one JSON object, strictly.

    Raises:
        MalformedMessage: Not UTF-8, not JSON, a key twice, no finite number, or not an object.
        LimitExceeded: Longer than `CONTROL_LINE_BYTES_MAX` or deeper than `CONTROL_DEPTH_MAX`.
    """
    if len(line) > CONTROL_LINE_BYTES_MAX:
        raise LimitExceeded(f"a line of {len(line)} bytes, at most {CONTROL_LINE_BYTES_MAX}")
    tree = read_json(line)
    if not isinstance(tree, dict):
        raise MalformedMessage("not a JSON object")
    return tree


def read_json(text: str | bytes) -> Json:
    """Read one JSON value, strictly; for requests, and for JSON that a person typed.

    Raises:
        MalformedMessage: Not UTF-8, not JSON, a key twice, or a number that is not finite.
        LimitExceeded: Deeper than `CONTROL_DEPTH_MAX`.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        tree: Json = json.loads(
            decoded, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_finite
        )
        _check_tree(tree, CONTROL_DEPTH_MAX)
    except RecursionError as error:
        raise LimitExceeded("nested too deeply") from error
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise MalformedMessage(f"not UTF-8: {error.reason}") from error
    except ValueError as error:  # JSONDecodeError, and integers of thousands of digits
        raise MalformedMessage(f"not JSON: {error}") from error
    return tree


def fault_from(error: VaultError) -> Fault:
    """Return what travels of an error."""
    return Fault(VAULT_ERROR, str(error), error.code, error.hint, error.exit_code)


def error_from(fault: Fault) -> VaultError:
    """Return the error that a fault stands for, of its own class where the code is known."""
    return _class_of(fault)(fault.message, hint=fault.hint)


def fault_members(fault: Fault) -> JsonObject:
    """Return the error object that an `error` event carries."""
    return {
        "code": fault.code,
        "message": fault.message,
        "hint": fault.hint,
        "exit_code": fault.exit_code,
    }


def read_fault_members(members: JsonObject, number: int = VAULT_ERROR) -> Fault:
    """Undo `fault_members`; what is missing or of a wrong type becomes a plain failure."""
    code, hint, exit_code = members.get("code"), members.get("hint"), members.get("exit_code")
    return Fault(
        number=number,
        message=str(members.get("message", "failed")),
        code=code if isinstance(code, str) else VaultError.code,
        hint=hint if isinstance(hint, str) else "",
        exit_code=exit_code if type(exit_code) is int and 0 < exit_code < 126 else 1,
    )


def _spelled_out(found: re.Match[str]) -> str:
    # Two backslashes in JSON are one in the text: what is read is plain text, not the half again.
    return f"\\\\u{ord(found[0]):04x}"


def _members(message: Request | Reply) -> JsonObject:
    match message:
        case Request(number, method, params):
            return {"id": number, "method": method, "params": params}
        case Answer(number, result):
            return {"id": number, "result": result}
        case Failure(failed, fault):
            data = fault_members(fault)
            text = data.pop("message")
            return {"id": failed, "error": {"code": fault.number, "message": text, "data": data}}
        case Notification(stream, event):
            return {"method": "event", "params": {"stream": stream, "event": event}}


def _request_problem(tree: JsonObject) -> str:
    """Say what keeps an object from being a request, or return an empty string."""
    if tree.get("jsonrpc") != "2.0":
        return '"jsonrpc" must be "2.0"'
    if _id_of(tree) is None:
        return '"id" must be an integer from 0 to 2**53 - 1'
    if not isinstance(tree.get("method"), str):
        return '"method" must be a string'
    if not isinstance(tree.get("params", {}), dict):
        return '"params" must be an object'
    if unknown := tree.keys() - {"jsonrpc", "id", "method", "params"}:
        return f"unknown members: {', '.join(sorted(unknown))}"
    return ""


def _id_of(tree: JsonObject) -> int | None:
    number = tree.get("id")
    if isinstance(number, bool) or not isinstance(number, int):
        return None
    return number if 0 <= number <= _ID_MAX else None


def _read_fault(error: JsonObject) -> Fault:
    number, data = error.get("code"), error.get("data")
    members = data if isinstance(data, dict) else {}
    return read_fault_members(
        {**members, "message": error.get("message", "failed")},
        number if type(number) is int else VAULT_ERROR,
    )


def _class_of(fault: Fault) -> Callable[..., VaultError]:
    known = _classes().get(fault.code)
    if known is not None:
        return known
    # A newer daemon may know errors that this version does not; its code and exit code still count.
    attributes = {"code": fault.code, "exit_code": fault.exit_code}
    return cast("type[VaultError]", type("UnknownFault", (VaultError,), attributes))


def _classes() -> dict[str, type[VaultError]]:
    found: dict[str, type[VaultError]] = {}
    waiting: list[type[VaultError]] = [VaultError]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if "code" in vars(kind) and kind.__module__ == VaultError.__module__:
            found[kind.code] = kind
    return found


def _object(pairs: list[tuple[str, Json]]) -> JsonObject:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("an object has the same key twice")
    return tree


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


def _check_tree(tree: Json, depth_left: int) -> None:
    """Bound the depth, and refuse lone surrogates, which no UTF-8 can carry on."""
    if isinstance(tree, str):
        if not tree.isascii():
            tree.encode()
    elif isinstance(tree, dict | list):
        if depth_left == 0:
            raise LimitExceeded(f"nested more than {CONTROL_DEPTH_MAX} deep")
        if isinstance(tree, dict):
            for key in tree:
                _check_tree(key, depth_left)
        for item in tree.values() if isinstance(tree, dict) else tree:
            _check_tree(item, depth_left - 1)
