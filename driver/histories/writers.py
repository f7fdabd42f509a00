"""Write a history: raftmon's JSONL, Jepsen's EDN or its text log."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.setup.errors import InputError

__all__ = ["WRITERS", "write_history"]

Event = dict[str, Any]


def _events(history: History) -> Iterator[Event]:
    """Events in order of time; at equal times invocations first, because intervals are closed."""
    moments: list[tuple[int, int, int, Event]] = []
    for number, operation in enumerate(history.operations):
        common = {"process": operation.process, "f": operation.f, "key": operation.key}
        value = None if operation.f in ("read", "get") else operation.value
        call: Event = {**common, "type": "invoke", "value": value, "time_ns": operation.call_ns}
        for name in ("node", "host"):
            if getattr(operation, name) is not None:
                call[name] = getattr(operation, name)
        moments.append((operation.call_ns, 0, number, call))
        if operation.return_ns is not None:
            moments.append((operation.return_ns, 1, number, _completion(operation, common, operation.return_ns)))
        elif operation.error is not None:
            moments.append((operation.call_ns, 1, number, _completion(operation, common, operation.call_ns)))
    moments.sort(key=lambda moment: moment[:3])
    for index, (_, _, _, event) in enumerate(moments):
        yield {"index": index, **event}


def _completion(operation: Operation, common: Event, time_ns: int) -> Event:
    event: Event = {**common, "type": operation.outcome.value, "value": operation.value, "time_ns": time_ns}
    if operation.outcome is not Outcome.OK and operation.f in ("read", "get"):
        event["value"] = None
    if operation.has_seen:
        event["seen"] = operation.seen
    if operation.error is not None:
        event["error"] = operation.error
    return {**event, **(operation.extra or {})}


def _edn(value: Any) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return orjson.dumps(value).decode()
    if isinstance(value, list | tuple):
        return "[" + " ".join(map(_edn, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_edn(name)} {_edn(item)}" for name, item in value.items()) + "}"
    return repr(value)


def _write_jsonl(history: History, file: BinaryIO) -> None:
    for event in _events(history):
        file.write(orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS) + b"\n")


def _write_edn(history: History, file: BinaryIO) -> None:
    for event in _events(history):
        event["time"] = event.pop("time_ns")
        if event["key"] is None:
            del event["key"]
        fields = [
            f":{name} :{value}" if name in ("type", "f") else f":{name} {_edn(value)}" for name, value in event.items()
        ]
        file.write(("{" + ", ".join(fields) + "}\n").encode())


def _write_text_log(history: History, file: BinaryIO) -> None:
    keyed = any(operation.key is not None for operation in history.operations)
    for event in _events(history):
        value = [event["key"], event["value"]] if keyed else event["value"]
        text = f":{str(event['error']).replace(' ', '-')}" if "error" in event else _edn(value)
        if event["type"] == "info" and "error" not in event:
            text = ":info"
        file.write(f"INFO  jepsen.util - {event['process']}\t:{event['type']}\t:{event['f']}\t{text}\n".encode())


WRITERS: dict[str, Callable[[History, BinaryIO], None]] = {
    "jsonl": _write_jsonl,
    "edn": _write_edn,
    "jepsen-log": _write_text_log,
    "append-kv": _write_edn,
}
_ENDINGS = {".jsonl": "jsonl", ".json": "jsonl", ".edn": "edn", ".log": "jepsen-log", ".txt": "jepsen-log"}


def write_history(history: History, path: Path | str, format: str = "auto") -> str:
    """Write ``history`` to ``path``, packed if its name ends in .gz; returns the format's name.

    ``auto`` goes by the ending: .jsonl, .edn, .log, .txt. Raises InputError if that tells nothing or the file cannot
    be written. A text log holds no times, and a failed cas loses there what it saw.
    """
    path = Path(path)
    plain = Path(path.stem) if path.suffix == ".gz" else path
    if format == "auto":
        if plain.suffix not in _ENDINGS:
            raise InputError(f"{path}: the ending tells no format; name one with --to: {', '.join(WRITERS)}")
        format = _ENDINGS[plain.suffix]
    if format not in WRITERS:
        raise InputError(f"unknown format {format!r} (available: {', '.join(WRITERS)})")
    try:
        with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
            WRITERS[format](history, file)  # type: ignore[arg-type]  # GzipFile is a BinaryIO in all but name
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    return format
