"""Every method of the control protocol, as data: the daemon checks requests against this table.

`docs/protocol/control.md` is printed from it, and the contract tests hold answers against it.
Adding an optional parameter, a method or an event keeps `SCHEMA_VERSION`; anything that an
existing caller would trip over raises it. Nothing was released yet: version 1 is what the first
release has.
"""

from dataclasses import dataclass
from typing import Final

from p2pvault.control.messages import BAD_PARAMS, NO_SUCH_METHOD, Fault, JsonObject, Request
from p2pvault.control.shape import (
    Both,
    Flag,
    Items,
    Members,
    Optional,
    Seconds,
    Shape,
    Text,
    Value,
    Whole,
    Words,
    members,
)
from p2pvault.limits import (
    ADDRESSES_PER_PEER_MAX,
    COLLECTION_CHARACTERS_MAX,
    CONTROL_WAIT_S_MAX,
    DEVICE_NAME_CHARACTERS_MAX,
    DEVICES_MAX,
    EDIT_RECORDS_MAX,
    FIELD_CHARACTERS_MAX,
    INTEGER_MAX,
    INTEREST_COLLECTIONS_MAX,
    LIST_ROWS_MAX,
    NAME_CHARACTERS_MAX,
    PAIRING_S,
    PARTIAL_COLLECTIONS_MAX,
    QUARANTINE_PATHS_MAX,
    RECOVERY_TEXT_CHARACTERS_MAX,
    SUBSCRIPTION_EVENTS_MAX,
    VALUE_DEPTH_MAX,
    VALUE_ITEMS_MAX,
)

SCHEMA_VERSION: Final = 1
"""What `hello` answers as `v`."""

_NOTHING: Final = members()
_ID: Final = Text(64, 32)
"""Hex: 32 characters for a record, 64 for a device or a vault."""
_LINE: Final = Text(4_096, 0)
"""A message for people, an address or a code; no bound of its own in the vault."""
_WORDS: Final = Text(RECOVERY_TEXT_CHARACTERS_MAX)
"""A recovery key; never in a log, nor among the arguments of a program."""
_NAME: Final = Text(DEVICE_NAME_CHARACTERS_MAX)
_PATH: Final = Text(COLLECTION_CHARACTERS_MAX + 1 + NAME_CHARACTERS_MAX)
_COLLECTION: Final = Text(COLLECTION_CHARACTERS_MAX)
_KEPT_OUT: Final = Items(_COLLECTION, INTEREST_COLLECTIONS_MAX)
_INCOMPLETE: Final = Items(_COLLECTION, PARTIAL_COLLECTIONS_MAX)
_STEPS: Final = Items(Text(FIELD_CHARACTERS_MAX), VALUE_DEPTH_MAX, 1)
_FIELDS: Final = Items(_LINE, VALUE_ITEMS_MAX)
_SELECTOR: Final = Text(DEVICE_NAME_CHARACTERS_MAX)
"""A device by name, id, or unique id prefix; an id in hex is 64 characters too."""
_COUNT: Final = Whole(INTEGER_MAX)
_SPAN: Final = Seconds(float(INTEGER_MAX))
_LINK: Final = Words(("up", "down"))
_ROLE: Final = Words(("admin", "member"))
_NAMED: Final = members(id=_ID, name=_NAME)
_RECORD: Final = members(path=_PATH, id=_ID)
_ADDRESSES: Final = Items(_LINE, ADDRESSES_PER_PEER_MAX)

BULK_RECORD: Final = members(path=_PATH, value=Value())
"""One record of `set_many`; its value must be an object."""

_PEER: Final = members(
    id=_ID,
    name=_NAME,
    link=_LINK,
    address=Optional(_LINE),
    in_sync=Optional(Flag()),
    proved_s=Optional(_SPAN),
    without=_COUNT,
    fetching=Flag(),
    behind=Optional(_COUNT),
    ahead=Optional(_COUNT),
    last_seen=Optional(_LINE),
)
_DEVICE: Final = members(
    id=_ID,
    name=_NAME,
    role=_ROLE,
    kind=_LINE,
    this=Flag(),
    link=Optional(_LINK),
    added_by=Optional(_NAME),
)
_QUARANTINED: Final = members(
    id=_ID,
    name=_NAME,
    entries=_COUNT,
    records=_COUNT,
    paths=Items(_PATH, QUARANTINE_PATHS_MAX),
    bytes=_COUNT,
    first=_LINE,
    last=_LINE,
)
_COLLECTION_KEPT: Final = members(
    name=_COLLECTION, records=Optional(_COUNT), whole=Flag(), seen=Flag()
)
_PROBLEM: Final = members(code=_LINE, message=_LINE, hint=_LINE)


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Attributes:
        summary: What it does, in one line.
        params: The shape of its parameters.
        result: The shape of its result; a stream's is `{"stream": K}`.
        events: The shape of each event of its stream by name, `end` and `error` left out; empty
            where it opens none.
    """

    summary: str
    params: Members
    result: Members
    events: dict[str, Members]


def _call(summary: str, params: Members, result: Members) -> Method:
    return Method(summary, params, result, {})


def _stream(summary: str, params: Members, **events: Members) -> Method:
    return Method(summary, params, members(stream=_COUNT), events)


METHODS: Final[dict[str, Method]] = {
    "hello": _call(
        "Who answers: schema version, daemon version, process id, whether there is a vault.",
        _NOTHING,
        members(v=_COUNT, version=_LINE, pid=_COUNT, vault=Flag(), uptime_s=_SPAN),
    ),
    "init": _call(
        "Make a vault with this device as its first member. Errors: vault_exists.",
        members({"vault_name": _NAME}, name=_NAME),
        members(vault=_NAMED, device=_NAMED, recovery_words=_WORDS),
    ),
    "status": _call(
        "This device, its vault, its peers with the proof of equality, and what is wrong.",
        _NOTHING,
        members(
            vault=Optional(
                members(
                    id=_ID, name=_NAME, records=_COUNT, not_kept=_KEPT_OUT, incomplete=_INCOMPLETE
                )
            ),
            device=Optional(members(id=_ID, name=_NAME, role=Optional(_ROLE))),
            peers=Items(_PEER, DEVICES_MAX),
            listening=_ADDRESSES,
            discovery=members(mode=Words(("normal", "quiet", "off")), problem=Optional(_LINE)),
            problems=Items(_PROBLEM, SUBSCRIPTION_EVENTS_MAX),
        ),
    ),
    "get": _call(
        "One record, or one field of it. Errors: not_found, ambiguous_path, bad_path.",
        members({"field": _LINE}, path=_PATH),
        members(path=_PATH, id=_ID, value=Value()),
    ),
    "set": _call(
        "Put and delete fields of one record, which is made if it is not there; one commit.",
        members(
            path=_PATH,
            puts=Items(Both(_STEPS, Value()), VALUE_ITEMS_MAX),
            deletes=Items(_STEPS, VALUE_ITEMS_MAX),
        ),
        members(path=_PATH, id=_ID, created=Flag(), fields=_FIELDS),
    ),
    "set_many": _call(
        "Put top-level fields of many records in one commit; their other fields stay.",
        members(
            records=Items(BULK_RECORD, EDIT_RECORDS_MAX, 1),
        ),
        members(records=_COUNT, changed=_COUNT),
    ),
    "ls": _call(
        "Paths and ids in order, a page at a time; `next` is the `after` of the next page.",
        members(
            {"collection": _COLLECTION, "limit": Whole(LIST_ROWS_MAX, 1), "after": _LINE},
        ),
        members(rows=Items(_RECORD, LIST_ROWS_MAX), next=Optional(_LINE)),
    ),
    "rm": _call(
        "Delete a record. Errors: not_found, ambiguous_path, bad_path.",
        members(path=_PATH),
        _RECORD,
    ),
    "watch": _stream(
        "Changes as they become durable here, of a record, a collection, or the whole vault.",
        members({"path": _PATH}),
        change=members(
            event=Words(("change",)),
            path=_PATH,
            id=_ID,
            device=_NAMED,
            fields=_FIELDS,
            kind=Words(("edit", "new", "delete")),
        ),
        missed=members(event=Words(("missed",)), count=_COUNT),
    ),
    "collections": _call(
        "The collections that this device keeps, and those that it does not, a page at a time.",
        members({"after": _COLLECTION}),
        members(collections=Items(_COLLECTION_KEPT, LIST_ROWS_MAX), next=Optional(_COLLECTION)),
    ),
    "collection_keep": _call(
        "Keep a collection on this device; what others hold of it is fetched. Errors: bad_path.",
        members(collection=_COLLECTION),
        members(collection=_COLLECTION_KEPT),
    ),
    "collection_forget": _call(
        "Erase a collection here, and keep it no longer. Errors: only_here, refused, bad_path.",
        members(collection=_COLLECTION, anyway=Flag()),
        members(collection=_COLLECTION_KEPT),
    ),
    "devices": _call(
        "The members of the vault, who was removed, who is suspended, and whose admission is void.",
        _NOTHING,
        members(
            devices=Items(_DEVICE, DEVICES_MAX),
            removed=Items(_NAMED, SUBSCRIPTION_EVENTS_MAX),
            suspended=Items(_NAMED, SUBSCRIPTION_EVENTS_MAX),
            fallen=Items(_NAMED, SUBSCRIPTION_EVENTS_MAX),
        ),
    ),
    "device_rename": _call(
        "Give a device another name. Errors: no_such_device, refused.",
        members(device=_SELECTOR, name=_NAME),
        members(device=_NAMED),
    ),
    "device_revoke": _call(
        "Remove a device from the vault, for good. Errors: no_such_device, refused.",
        members(device=_SELECTOR),
        members(device=_NAMED),
    ),
    "device_reinstate": _call(
        "Let a suspended device in again. Errors: no_such_device, membership.",
        members(device=_SELECTOR),
        members(device=_NAMED),
    ),
    "recovery_show": _call(
        "The words of the recovery key, where this device keeps them. Errors: no_recovery_words.",
        _NOTHING,
        members(words=_WORDS),
    ),
    "recovery_forget": _call(
        "Keep the words of the recovery key no longer on this device.",
        _NOTHING,
        _NOTHING,
    ),
    "recovery_use": _call(
        "Make this device an admin, remove lost devices, bring others back, start new keys. "
        "Errors: bad_recovery_words, membership, no_such_device, refused.",
        members(
            words=_WORDS,
            lost=Items(_SELECTOR, DEVICES_MAX),
            all_others=Flag(),
            restored=Items(_SELECTOR, DEVICES_MAX),
        ),
        members(device=_NAMED),
    ),
    "recovery_from": _stream(
        "Take a vault over on this device, which has none, from the home of a lost one, which is "
        "removed unless it is alive. Errors: vault_exists, bad_recovery_words, membership, "
        "no_such_device, no_vault, store_in_use, locked, store_corrupt, disk_full.",
        members(
            words=_WORDS,
            directory=_LINE,
            name=_NAME,
            lost=Items(_SELECTOR, DEVICES_MAX),
            all_others=Flag(),
            restored=Items(_SELECTOR, DEVICES_MAX),
            alive=Flag(),
        ),
        progress=members(event=Words(("progress",)), part=_LINE, done=_COUNT, total=_COUNT),
        taken_over=members(
            event=Words(("taken_over",)),
            vault=_NAMED,
            device=_NAMED,
            removed=Items(_NAME, DEVICES_MAX),
        ),
    ),
    "address_add": _call(
        "Remember an address of a device, and dial it. Errors: no_such_device, bad_value.",
        members(device=_SELECTOR, address=_LINE),
        members(device=_NAMED, addresses=_ADDRESSES),
    ),
    "address_remove": _call(
        "Forget an address that was given. Errors: no_such_device, not_found.",
        members(device=_SELECTOR, address=_LINE),
        members(device=_NAMED, addresses=_ADDRESSES),
    ),
    "addresses": _call(
        "Where the devices were reached, and where the person said that they are.",
        members({"device": _SELECTOR}),
        members(
            devices=Items(
                members(id=_ID, name=_NAME, given=_ADDRESSES, seen=_ADDRESSES), DEVICES_MAX
            )
        ),
    ),
    "quarantine": _call(
        "Entries of removed devices that do not count, by device; they are not in the vault.",
        _NOTHING,
        members(devices=Items(_QUARANTINED, SUBSCRIPTION_EVENTS_MAX)),
    ),
    "quarantine_accept": _call(
        "Repeat their effect as edits of this device. Errors: no_such_device, refused.",
        members({"device": _SELECTOR}),
        members(
            entries=_COUNT,
            left=_COUNT,
            changed=_COUNT,
            records=Items(_RECORD, QUARANTINE_PATHS_MAX),
        ),
    ),
    "quarantine_drop": _call(
        "Delete them from this device. Errors: no_such_device, refused.",
        members({"device": _SELECTOR}),
        members(entries=_COUNT),
    ),
    "pair": _stream(
        "Show a code for one new device; ends with the connection. Errors: refused, code_expired.",
        members({"recovery_words": _WORDS}, admin=Flag()),
        code=members(
            {"hidden": _LINE},
            event=Words(("code",)),
            code=_LINE,
            uri=_LINE,
            expires_s=Seconds(PAIRING_S),
        ),
        attempt=members(event=Words(("attempt",)), message=_LINE),
        joiner=members(event=Words(("joiner",)), name=_NAME),
        confirm=members({"digits": _LINE}, event=Words(("confirm",))),
        paired=members(event=Words(("paired",)), device=_NAMED),
    ),
    "pair_confirm": _call(
        "The two words that the new device shows; a wrong pair ends the pairing.",
        members(words=_LINE),
        _NOTHING,
    ),
    "join": _stream(
        "Join the vault of the device that shows this code. Errors: vault_exists, wrong_code.",
        members(code=_LINE, name=_NAME),
        search=members(event=Words(("search",)), problem=Optional(_LINE), hint=_LINE),
        words=members(event=Words(("words",)), words=_LINE, digits=_LINE),
        vault=members(event=Words(("vault",)), name=_NAME, devices=_COUNT, made=_LINE),
        paired=members(event=Words(("paired",)), vault=_NAMED),
    ),
    "join_accept": _call(
        "Whether the vault that was shown is the right one.",
        members(accept=Flag()),
        _NOTHING,
    ),
    "verify": _stream(
        "Check every page, record, entry and fingerprint; perhaps repair what is wrong.",
        members(repair=Flag()),
        progress=members(event=Words(("progress",)), part=_LINE, done=_COUNT, total=_COUNT),
        finding=members(event=Words(("finding",)), kind=_LINE, what=_LINE, detail=_LINE),
        repaired=members(event=Words(("repaired",)), kind=_LINE, what=_LINE),
        lost=members(event=Words(("lost",)), kind=_LINE, what=_LINE),
        kept=members(event=Words(("kept",)), what=_LINE),
        verified=members(
            event=Words(("verified",)),
            records=_COUNT,
            entries=_COUNT,
            findings=_COUNT,
            repaired=_COUNT,
        ),
    ),
    "wait": _call(
        "Return when there is a vault, or when content is proved equal. Errors: unreachable, "
        "no_such_device, refused.",
        members(
            {"device": _SELECTOR, "timeout_s": Seconds(CONTROL_WAIT_S_MAX)},
            **{"for": Words(("ready", "synced"))},
        ),
        _NOTHING,
    ),
}
"""The methods by name. `hello`, `init`, `join`, `recovery_from` and `wait` work without a vault."""


def check_request(request: Request) -> Fault | None:
    """Return why a request cannot be served, or None where it can be."""
    method = METHODS.get(request.method)
    if method is None:
        message = f"there is no method {request.method[:40]!r}"
        hint = "The daemon and its caller are of different versions: restart the daemon."
        return Fault(NO_SUCH_METHOD, message, "no_such_method", hint, 1)
    if problem := method.params.problem(request.params, ""):
        return Fault(BAD_PARAMS, f"{request.method}: {problem}", "bad_params", "", 2)
    return None


def problem_of_result(method: str, result: JsonObject) -> str:
    """Say what is wrong with a result, or return an empty string."""
    return METHODS[method].result.problem(result, "result")


def problem_of_event(method: str, event: JsonObject) -> str:
    """Say what is wrong with an event of a method's stream, or return an empty string."""
    name = event.get("event")
    if name == "end":
        return _END.problem(event, "event")
    if name == "error":
        return _ERROR.problem(event, "event")
    shape = METHODS[method].events.get(str(name))
    return shape.problem(event, "event") if shape else f"{method} has no event {name!r}"


_END: Final[Shape] = members(event=Words(("end",)))
_ERROR: Final[Shape] = members(
    event=Words(("error",)),
    error=members(code=_LINE, message=_LINE, hint=_LINE, exit_code=Whole(125, 1)),
)
