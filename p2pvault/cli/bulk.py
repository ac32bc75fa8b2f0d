"""`set --stdin`: read JSON lines and write them, one commit for every thousand records."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final

import click

from p2pvault.cli.session import Session
from p2pvault.cli.wording import count
from p2pvault.control.messages import JsonObject, decode_object, error_from, fault_from
from p2pvault.control.schema import BULK_RECORD
from p2pvault.crdt.schema import check_path_parts
from p2pvault.crdt.values import from_plain
from p2pvault.errors import BadPath, BadValue, RemoteProtocolError, RequestError, VaultError
from p2pvault.limits import CONTROL_LINE_BYTES_MAX, EDIT_RECORDS_MAX

_BATCH_BYTES_MAX: Final = CONTROL_LINE_BYTES_MAX // 2
"""Input bytes of one batch; encoded again it may be a little longer, and must fit one line."""

_LINE_HINT: Final = 'A line is {"path": "contacts/ada", "value": {"name": "Ada"}}.'


@dataclass(slots=True)
class Batch:
    """Records that become one commit, and the input lines that they stand on."""

    size_bytes: int = 0
    lines: list[int] = field(default_factory=list)
    records: list[JsonObject] = field(default_factory=list)


def write_lines(session: Session, source: BinaryIO) -> JsonObject:
    """Write every record that `source` names.

    Args:
        session: Where the daemon is.
        source: Lines of `{"path", "value"}`; empty ones are skipped.

    Returns:
        How many `records` were read, and how many of them `changed`.

    Raises:
        VaultError: A line is wrong, or the daemon refused a batch. Nothing of that batch is
            written; the batches before it are, as the hint says.
    """
    records = changed = 0
    try:
        for batch in read_batches(source):
            result = _write(session, batch)
            records += len(batch.records)
            changed += _number(result, "changed")
            _progress(session, records)
    except VaultError as error:
        _end_progress(session, records)
        before = f"The {count(records, 'record')} before are written." if records else ""
        fault = fault_from(error)
        raise error_from(replace(fault, hint=f"{fault.hint} {before}".strip())) from error
    _end_progress(session, records)
    return {"records": records, "changed": changed}


def read_batches(source: BinaryIO) -> Iterator[Batch]:
    """Cut the input into batches that fit one commit and one control message.

    Raises:
        BadValue: A line is not what `write_lines` takes; says which.
        BadPath: A path is not of the form COLLECTION/NAME; says where.
    """
    batch = Batch()
    for number, line in enumerate(_lines(source), start=1):
        too_large = batch.size_bytes + len(line) > _BATCH_BYTES_MAX
        if batch.records and (too_large or len(batch.records) == EDIT_RECORDS_MAX):
            yield batch
            batch = Batch()
        if line.strip():
            batch.records.append(_read_record(line, number))
            batch.size_bytes += len(line)
            batch.lines.append(number)
    if batch.records:
        yield batch


def _lines(source: BinaryIO) -> Iterator[bytes]:
    while line := source.readline(CONTROL_LINE_BYTES_MAX + 1):
        yield line


def _read_record(line: bytes, number: int) -> JsonObject:
    try:
        record = decode_object(line)
    except RemoteProtocolError as error:
        raise BadValue(f"line {number}: {error}", hint=_LINE_HINT) from error
    if problem := BULK_RECORD.problem(record, "") or _value_problem(record):
        raise BadValue(f"line {number}: {problem}", hint=_LINE_HINT)
    path = str(record["path"])
    if not path.startswith("id:") and "/" not in path:
        raise BadPath(f"line {number}: {path!r} has no slash")
    return record


def _value_problem(record: JsonObject) -> str:
    return "" if isinstance(record["value"], dict) else "value must be an object"


def _write(session: Session, batch: Batch) -> JsonObject:
    try:
        # A connection for each batch: the daemon lets go of a caller whose input is slow.
        with session.connect() as caller:
            return caller.call("set_many", records=[*batch.records])
    except VaultError as error:
        fault = fault_from(error)
        where = _guilty(batch) if isinstance(error, RequestError) else _span(batch.lines)
        raise error_from(replace(fault, message=f"{where}: {fault.message}")) from error


def _guilty(batch: Batch) -> str:
    """Name the line that the daemon refused: the first that its own checks refuse here, too."""
    for number, record in zip(batch.lines, batch.records, strict=True):
        path = str(record["path"])
        try:
            if not path.startswith("id:"):
                check_path_parts(*path.split("/", 1))
            from_plain(record["value"])
        except RequestError:
            return f"line {number}"
    return _span(batch.lines)  # a matter of what the vault holds


def _span(lines: list[int]) -> str:
    return f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}"


def _progress(session: Session, records: int) -> None:
    if sys.stderr.isatty() and not session.as_json:
        click.echo(f"\r{count(records, 'record')} written", nl=False, err=True)


def _end_progress(session: Session, records: int) -> None:
    """Leave the line of the progress, if there is one, to what is said next."""
    if sys.stderr.isatty() and records:
        session.report.note("")


def _number(result: JsonObject, name: str) -> int:
    number = result.get(name)
    return number if isinstance(number, int) else 0
