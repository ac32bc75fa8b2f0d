"""The events of `verify` as JSON: for the daemon, and for the command line where none runs."""

from typing import assert_never

from p2pvault.control.messages import JsonObject
from p2pvault.node.port import Finding, Kept, Lost, Progress, Repaired, Verified, VerifyEvent


def written(event: VerifyEvent) -> JsonObject:
    """Return an event as the schema has it."""
    match event:
        case Progress(part, done, total):
            return {"event": "progress", "part": part, "done": done, "total": total}
        case Finding(kind, what, detail):
            return {"event": "finding", "kind": kind, "what": what, "detail": detail}
        case Repaired(finding):
            return {"event": "repaired", "kind": finding.kind, "what": finding.what}
        case Lost(kind, what):
            return {"event": "lost", "kind": kind, "what": what}
        case Kept(what):
            return {"event": "kept", "what": what}
        case Verified(records, entries, findings, repaired):
            counts: JsonObject = {"records": records, "entries": entries}
            return {"event": "verified", **counts, "findings": findings, "repaired": repaired}
        case _:
            assert_never(event)
