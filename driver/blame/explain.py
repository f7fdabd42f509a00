"""Three witnesses of each anomaly side by side, and one sentence of blame: clients, the wire, the nodes' stores."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.blame.collect import collect
from raftmon.driver.blame.evidence import Evidence, Restart, Witnessed
from raftmon.driver.blame.judge import blame, seconds
from raftmon.driver.checkers.base import Result, Valid
from raftmon.driver.histories.model import History
from raftmon.monitor.raft.database.store import open_store
from raftmon.setup.errors import InputError

__all__ = ["Explanation", "explain", "explain_results", "read_events"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One anomaly: ``blame`` is the sentence; each witness is a list of lines.

    ``clients``: what they were told. ``wire``: what was proposed and committed, and which messages arrived twice.
    ``nodes``: what each stores, and what its disk kept over a restart.
    """

    checker: str
    anomaly: str
    blame: str
    clients: tuple[str, ...]
    wire: tuple[str, ...]
    nodes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def explain(evidence: Evidence) -> Explanation:
    """The witnesses' words and the blame. Pure."""
    clients = [_client_line(evidence, one) for one in evidence.operations]
    wire = [line for one in evidence.operations for line in _wire_lines(evidence, one)]
    if evidence.rule is not None:
        wire.append(f"{evidence.rule}: {evidence.broken}")
        wire += [
            f"{one.sentence} at {seconds(evidence, one.time_ns)} [packet {one.packet}]" for one in evidence.messages
        ]
    wire += evidence.copies
    nodes = [f"{node} holds {words}" for node, words in evidence.stores.items()]
    nodes += [line for one in evidence.restarts for line in _restart_lines(evidence, one)]
    return Explanation(
        checker=evidence.checker,
        anomaly=evidence.sentence,
        blame=blame(evidence),
        clients=tuple(clients) or ("the anomaly names no operation of a client",),
        wire=tuple(wire)
        or (("nothing about these operations",) if evidence.wire else ("no Raft message was decoded",)),
        nodes=tuple(nodes) or ("they were not asked, and none was restarted",),
    )


def _client_line(evidence: Evidence, one: Witnessed) -> str:
    operation = one.operation
    value = repr(operation.value)
    shown = value if len(value) <= 60 else f"{value[:57]}…"
    told = f"process {operation.process} {operation.f} {operation.key} {shown} through {operation.node}"
    ended = f"{operation.outcome.value} at {seconds(evidence, operation.return_ns)}" if operation.return_ns else (
        operation.outcome.value
    )  # fmt: skip
    return f"{told}: called at {seconds(evidence, operation.call_ns)}, {ended}"


def _wire_lines(evidence: Evidence, one: Witnessed) -> Iterator[str]:
    operation = one.operation
    if operation.f == "read":
        if one.served_without_quorum_ns is not None:
            since = seconds(evidence, one.served_without_quorum_ns)
            yield f"{one.leader}, which served the read, led an older term and heard from no quorum since {since}"
        return
    for entry in one.entries:
        had = (
            f"a quorum had it at {seconds(evidence, entry.quorum_ns)}"
            if entry.quorum_ns
            else "no quorum had it"
            if entry.quorum_known
            else "whether a quorum had it is unknown"
        )
        yield (
            f"{operation.f} {operation.value!r}: entry {entry.index} of term {entry.term}, sent by {entry.leader} at "
            f"{seconds(evidence, entry.proposed_ns)} [packet {entry.packet}], {had}"
        )
    if not one.entries and evidence.wire:
        yield f"{operation.f} {operation.value!r}: no entry found"


def _restart_lines(evidence: Evidence, one: Restart) -> Iterator[str]:
    words = [f"{one.node} ended at {seconds(evidence, one.down_ns)}, started at {seconds(evidence, one.up_ns)}"]
    if one.log_before is not None and one.log_after is not None:
        words.append(f"log up to {one.log_before} before, {one.log_after} after")
    if one.term_before is not None and one.term_after is not None:
        words.append(f"term {one.term_before} before, {one.term_after} after")
    if one.lost:
        words.append(f"its disk lost {one.lost}")
    yield "; ".join(words)


def explain_results(
    folder: Path, results: Sequence[Result], history: History, stores: Mapping[str, str], zero_ns: int
) -> list[Explanation]:
    """An explanation for each *invalid* result; reads ``messages.sqlite`` and ``events.jsonl`` of the run's folder."""
    wrong = [one for one in results if one.valid is Valid.NO]
    if not wrong:
        return []
    events = list(read_events(folder / "events.jsonl"))
    with contextlib.ExitStack() as stack:
        wire = _wire(folder, stack)
        return [_explained(one, history, wire, events, stores, zero_ns) for one in wrong]


def _explained(
    result: Result,
    history: History,
    wire: sqlite3.Connection | None,
    events: Sequence[Mapping[str, Any]],
    stores: Mapping[str, str],
    zero_ns: int,
) -> Explanation:
    """An explanation, or why there is none: a verdict does not wait for it."""
    try:
        return explain(collect(result, history, wire, events, stores, zero_ns))
    except Exception as error:
        why = f"cause unknown: the evidence could not be read ({type(error).__name__}: {error})"
        return Explanation(result.checker, result.sentence, why, (), (), ())


def _wire(folder: Path, stack: contextlib.ExitStack) -> sqlite3.Connection | None:
    path = folder / "messages.sqlite"
    if not path.exists():
        return None
    try:
        return stack.enter_context(contextlib.closing(open_store(path)))
    except (InputError, sqlite3.Error):
        return None  # what cannot be read is no witness; the checkers say so


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of events.jsonl; a torn line is passed over."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict):
            yield event
