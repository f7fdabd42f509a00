"""The story of a live run, told in parts: each poll gets what is new since the one before.

Pure: ``tail`` reads the run's files and feeds the lines and rows in. Everything is bounded; of what is too much every
k-th is kept. Rows have the shapes of ``report/story.py``, operations a further last column, a number of their own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from raftmon.driver.report.story import faults_of
from raftmon.driver.report.story_messages import text_of
from raftmon.driver.serve.bins import Bins
from raftmon.monitor.raft.message import STEADY_KINDS

__all__ = ["MAX_MESSAGES", "MAX_OPERATIONS", "Feed", "Kept"]

MAX_OPERATIONS, MAX_MESSAGES, MAX_STATES = 12_000, 16_000, 6_000
_MAX_OPEN, _MAX_WAITING, _MAX_INDEXES, _MAX_NAMES = 10_000, 4_000, 300_000, 20_000
_CODES = {"ok": 0, "fail": 1, "info": 2}


@dataclass(slots=True)
class Kept:
    """Rows with the version they came in, at most ``most``: beyond that every second of the plain ones goes."""

    most: int
    rows: list[tuple[int, bool, Any]] = field(default_factory=list)

    def add(self, version: int, row: Any, *, plain: bool = True) -> None:
        """A further row."""
        self.rows.append((version, plain, row))
        if len(self.rows) > self.most:
            going = [n for n, one in enumerate(self.rows) if one[1]][::2]
            gone = set(going or range(0, len(self.rows), 2))
            self.rows = [one for n, one in enumerate(self.rows) if n not in gone]

    def since(self, version: int) -> list[Any]:
        """The rows that came after ``version``."""
        return [row for came, _, row in self.rows if came > version]


@dataclass(slots=True)
class Names:
    """Texts by number; further ones count as the first (which is empty) when there are too many."""

    places: dict[str, int] = field(default_factory=lambda: {"": 0})
    versions: list[int] = field(default_factory=lambda: [0])

    def place(self, text: str, version: int) -> int:
        """Its number; a new one came in ``version``."""
        known = self.places.get(text)
        if known is not None:
            return known
        if len(self.places) >= _MAX_NAMES:
            return 0
        self.places[text] = len(self.places)
        self.versions.append(version)
        return self.places[text]

    def since(self, version: int) -> dict[str, Any]:
        """``from``: the number of the first that came after ``version``, and the ``texts`` from there on."""
        first = 0 if version <= 0 else bisect_right(self.versions, version)
        return {"from": first, "texts": list(islice(self.places, first, None))}


@dataclass(slots=True)
class Feed:
    """What is known of one run. ``began_ns`` is the zero of all times; ``version`` counts the updates."""

    began_ns: int
    version: int = 0
    end_s: float = 1.0
    operations: Kept = field(default_factory=lambda: Kept(MAX_OPERATIONS))
    messages: Kept = field(default_factory=lambda: Kept(MAX_MESSAGES))
    states: Kept = field(default_factory=lambda: Kept(MAX_STATES))
    events: Kept = field(default_factory=lambda: Kept(2_000))
    patches: Kept = field(default_factory=lambda: Kept(_MAX_WAITING))
    names: Names = field(default_factory=Names)
    entries: dict[int, tuple[int, str]] = field(default_factory=dict)
    service: Bins = field(default_factory=Bins)
    kinds: Bins = field(default_factory=Bins)
    links: Bins = field(default_factory=Bins)
    counts: dict[str, int] = field(default_factory=lambda: {"operations": 0, "messages": 0})
    _open: dict[int, dict[str, Any]] = field(default_factory=dict)
    _indexes: dict[tuple[str, str], int] = field(default_factory=dict)
    _waiting: dict[tuple[str, str], int] = field(default_factory=dict)
    _last: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def _place(self, text: str) -> int:
        return self.names.place(text, self.version)

    def seconds(self, time_ns: int) -> float:
        """A time on the axis; the axis grows to it."""
        at_s = round((time_ns - self.began_ns) / 1e9, 6)
        self.end_s = max(self.end_s, at_s)
        return at_s

    # ------------------------------------------------------------------ what comes in
    def add_history(self, events: Iterable[dict[str, Any]], most_plain: int) -> None:
        """Events of history.jsonl in the order of the file; of those that ended ok at most ``most_plain`` are drawn."""
        ended = []
        for event in events:
            process, kind = event.get("process"), event.get("type")
            if not isinstance(process, int) or not isinstance(event.get("time_ns"), int):
                continue
            if kind == "invoke":
                if len(self._open) < _MAX_OPEN:
                    self._open[process] = event
            elif kind in _CODES and process in self._open:
                ended.append((self._open.pop(process), event))
        step = max(1, -(-sum(event["type"] == "ok" for _, event in ended) // most_plain)) if ended else 1
        for number, (call, event) in enumerate(ended):
            self._operation(call, event, drawn=event["type"] != "ok" or number % step == 0)

    def _operation(self, call: dict[str, Any], event: dict[str, Any], *, drawn: bool) -> None:
        self.counts["operations"] += 1
        at_s, kind = self.seconds(call["time_ns"]), event["type"]
        self.seconds(event["time_ns"])
        latency_ms = round((event["time_ns"] - call["time_ns"]) / 1e6, 3)
        self.service.add(at_s, kind, self.version, latency_ms if kind == "ok" else None)
        if not drawn:
            return
        value = event.get("value")
        written = value[-1] if isinstance(value, list) and value else value
        named = (text_of(call.get("key")), text_of(written))
        name, place = text_of(call.get("f") or ""), self._place
        index = self._indexes.get(named) if name != "read" else None
        number = self.counts["operations"]
        if index is None and name != "read" and kind != "fail" and len(self._waiting) < _MAX_WAITING:
            self._waiting[named] = number
        self.operations.add(
            self.version,
            [
                at_s,
                None if kind == "info" else latency_ms,
                _CODES[kind],
                call["process"],
                place(text_of(call.get("node") or "")),
                place(name),
                place(named[0][:60]),
                text_of(value)[:60],
                text_of(event.get("error") or "")[:120],
                index,
                number,
            ],
            plain=kind == "ok",
        )

    def add_messages(self, rows: Sequence[Sequence[Any]], entries: Iterable[Sequence[Any]], most_steady: int) -> None:
        """Rows of ``messages`` (id, time_ns, kind, source, target, ..., as the story has them), and of ``entries``:
        (message, operation, key, value, log index).
        """
        steady = sum(row[2] in STEADY_KINDS for row in rows)
        step = max(1, -(-steady // most_steady))
        place = self._place
        drawn = set()
        for number, (identity, time_ns, kind, source, target, *fields) in enumerate(rows):
            self.counts["messages"] += 1
            at_s = self.seconds(time_ns)
            self.kinds.add(at_s, kind, self.version)
            self.links.add(at_s, f"{source}->{target}", self.version)
            if kind in STEADY_KINDS and number % step and fields[-2] != 0:
                continue
            fields[9] = place(fields[9] or "")
            drawn.add(identity)
            row = [identity, at_s, place(kind), place(source or ""), place(target or ""), *fields]
            self.messages.add(self.version, row, plain=kind in STEADY_KINDS)
        for identity, operation, key, value, log_index in entries:
            named = (text_of(key or ""), text_of(value))
            if key is not None and value is not None and log_index > 0 and len(self._indexes) < _MAX_INDEXES:
                self._indexes.setdefault(named, log_index)
                if named in self._waiting:
                    self.patches.add(self.version, [self._waiting.pop(named), log_index])
            if identity in drawn and identity not in self.entries:
                text = "" if value is None else f" = {named[1][:32]}"
                self.entries[identity] = (self.version, f"{operation} {named[0][:32]}{text}")
        for identity in list(self.entries)[: max(0, len(self.entries) - MAX_MESSAGES // 2)]:
            del self.entries[identity]

    def add_states(self, rows: Iterable[Sequence[Any]], most_plain: int) -> None:
        """Rows of ``states``: (time_ns, node, term, role, commit, match, leader); all changes of term or role."""
        plain: list[list[Any]] = []
        changed: list[list[Any]] = []
        for time_ns, node, *values in rows:
            before = self._last.get(node)
            if before == tuple(values):
                continue
            self._last[node] = tuple(values)
            row = [self.seconds(time_ns), node, *values]
            (changed if before is None or before[:2] != tuple(values[:2]) else plain).append(row)
        told = {id(row) for row in changed}
        step = max(1, -(-len(plain) // most_plain))
        for row in sorted(changed + plain[::step], key=lambda one: float(one[0])):
            self.states.add(self.version, row, plain=id(row) not in told)

    def add_events(self, rows: Iterable[dict[str, Any]]) -> None:
        """Rows of ``story.events_of``."""
        for row in rows:
            self.end_s = max(self.end_s, row["t"])
            self.events.add(self.version, row)

    # ------------------------------------------------------------------ what goes out
    def delta(self, since: int) -> dict[str, Any]:
        """What came after version ``since`` (0: everything that is kept)."""
        return {
            "version": self.version,
            "operations": self.operations.since(since),
            "messages": self.messages.since(since),
            "states": self.states.since(since),
            "events": self.events.since(since),
            "faults": faults_of(self.events.since(0)) if self.events.since(since) else None,
            "patches": self.patches.since(since),
            "entries": {number: text for number, (came, text) in self.entries.items() if came > since},
            "names": self.names.since(since),
            "service": self.service.since(since, tuple(_CODES)),
            "kinds": self.kinds.since(since),
            "links": self.links.since(since),
            "counts": self.counts,
            "end": self.end_s,
        }
