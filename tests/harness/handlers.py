"""Handlers of the daemon, called as the conversation with a caller would."""

from p2pvault.control.messages import Json, JsonObject, Request
from p2pvault.control.schema import check_request, problem_of_event, problem_of_result
from p2pvaultd.handlers.table import methods_of
from p2pvaultd.keeper import Keeper
from p2pvaultd.methods import Events, Methods


async def ask(where: Keeper | Methods, method: str, **params: Json) -> JsonObject:
    """Call a handler as the conversation would, and hold its answer against the schema."""
    assert check_request(Request(1, method, params)) is None
    methods = where if isinstance(where, Methods) else methods_of(where)
    result = await methods.calls[method](params)
    assert problem_of_result(method, result) == ""
    return result


async def heard(events: Events, method: str) -> JsonObject:
    event = await anext(events)
    assert problem_of_event(method, event) == ""
    return event
