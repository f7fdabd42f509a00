"""Watches: revisions over time as writes made them and as each watcher was told of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.driver.report.pictures.frame import ROW, Frame, examples_of, frame_of, label

__all__ = ["watch_picture"]

_MOST_SESSIONS, _MOST_WRITES, _TALL = 40, 3000, 12
_REVISION = re.compile(r"\brevision (\d+)")


def watch_picture(operations: Sequence[Operation], result: Mapping[str, Any], zero_ns: int | None) -> str:
    """Sessions as lines of the revisions they delivered, writes as dots, findings as crosses."""
    examples = examples_of(result)
    bad = {index for example in examples for index in example.get("operations") or ()}
    sessions = [one for one in operations if one.f in ("watch", "observe") and list(_told(one))]
    writes = [
        one
        for one in operations
        if one.f in ("write", "delete", "cas", "put", "create", "update")
        and isinstance((one.extra or {}).get("revision"), int)
        if one.outcome is Outcome.OK
    ]
    sessions.sort(key=lambda one: one.index not in bad)
    drawn = sessions[:_MOST_SESSIONS]
    frame = frame_of(drawn, zero_ns)
    if frame is None:
        return ""
    middle = frame.row("revision", _TALL)
    low, high = middle + _TALL * ROW / 2 - 8, middle - _TALL * ROW / 2 + 10
    revisions = [revision for one in drawn for _, revision in _told(one)]
    first, last = min(revisions), max(revisions)

    def y(revision: float) -> float:
        return low - (low - high) * (revision - first) / max(last - first, 1)

    frame.parts.append(f'<text x="106" y="{high:.0f}" text-anchor="end" class="tick">{last:,}</text>')
    frame.parts.append(f'<text x="106" y="{low:.0f}" text-anchor="end" class="tick">{first:,}</text>')
    for one in writes[:: max(1, len(writes) // _MOST_WRITES)]:
        revision = (one.extra or {})["revision"]
        if first <= revision <= last:
            x = frame.axis.x(one.return_ns or one.call_ns)
            frame.parts.append(
                f'<rect x="{x - 1.5:.1f}" y="{y(revision) - 1.5:.1f}" width="3" height="3" class="dot"/>'
            )
    for number, one in enumerate(drawn):
        _session(frame, one, y, number, one.index in bad)
    by_index = {one.index: one for one in drawn}
    for example in examples:
        _finding(frame, example, by_index, y)
    more = "" if len(drawn) == len(sessions) else f", {len(drawn)} drawn, odd ones first"
    trouble = "; red crosses: findings, at the revision they are about" if examples else ""
    return frame.svg(
        f"{len(sessions)} {'watch' if len(sessions) == 1 else 'watches'}{more}",
        f"dots: a write's revision when it was acknowledged; lines: what a watch delivered{trouble}",
    )


def _told(session: Operation) -> Iterator[tuple[int, int]]:
    """(when, revision) of each event; where arrivals are not recorded, spread over the session."""
    responses = session.value if isinstance(session.value, list | tuple) else ()
    end_ns = session.call_ns if session.return_ns is None else session.return_ns
    for place, response in enumerate(responses):
        if not isinstance(response, Mapping):
            continue
        arrived = response.get("time_ns")
        if not isinstance(arrived, int):
            arrived = session.call_ns + (end_ns - session.call_ns) * (place + 1) // (len(responses) + 1)
        for event in response.get("events") or ():
            revision = event.get("revision", event.get("mod")) if isinstance(event, Mapping) else None
            if isinstance(revision, int):
                yield arrived, revision


def _session(frame: Frame, session: Operation, y: Any, number: int, wrong: bool) -> None:
    points = list(_told(session))
    points = [*points[:: max(1, len(points) // 200)], points[-1]]
    path = "".join(
        f"{'L' if n else 'M'}{frame.axis.x(at):.1f} {y(revision):.1f}" for n, (at, revision) in enumerate(points)
    )
    kind = "wrong" if wrong else ("median", "p99", "maximum")[number % 3]
    asked = (session.extra or {}).get("start_revision")
    said = f"watch of process {session.process}" + (f" at {session.node}" if session.node else "")
    said += f" from revision {asked}" if asked else ""
    frame.parts.append(f'<path d="{path}" class="line {kind}"><title>{label(said, 200)}</title></path>')


def _finding(frame: Frame, example: Mapping[str, Any], sessions: Mapping[int, Operation], y: Any) -> None:
    """A cross where the sentence's (last named) revision meets the watch that it is about."""
    named = _REVISION.findall(str(example.get("sentence")))
    mine = [sessions[index] for index in example.get("operations") or () if index in sessions]
    if not mine or not named:
        return
    revision = int(named[0])
    told = list(_told(mine[-1]))
    at_ns = next((at for at, seen in told if seen >= revision), told[-1][0])
    frame.mark(y(revision), at_ns, "bad", f"{example.get('name')}: {example.get('sentence')}")
