"""The report's charts as SVG text: one time axis for faults, service per node, latency and failures.

Times come in as CLOCK_MONOTONIC ns and are shown as seconds from the clients' first operation. Reads no files.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.checkers.availability.measure import answered
from raftmon.driver.histories.operation import Operation

__all__ = ["Axis", "fault_chart", "latency_chart", "service_chart"]

WIDTH, LEFT, RIGHT = 1000, 110, 12
BUCKETS = 120
_SERVED = ("#c62828", "#e57373", "#f0b429", "#a5c882", "#2e7d32")  # shares of 0, below 50%, below 80%, below 99%, above


@dataclass(frozen=True, slots=True)
class Axis:
    """The run's time, from its first to its last moment; labels count from ``zero_ns`` (default: the first)."""

    begin_ns: int
    end_ns: int
    zero_ns: int | None = None

    def x(self, time_ns: float) -> float:
        """Where a time stands, in SVG units."""
        span = max(self.end_ns - self.begin_ns, 1)
        share = min(max((time_ns - self.begin_ns) / span, 0.0), 1.0)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def bucket(self, time_ns: int) -> int:
        """Which of the 120 equal parts of the run a time lies in."""
        span = max(self.end_ns - self.begin_ns, 1)
        return min(max((time_ns - self.begin_ns) * BUCKETS // span, 0), BUCKETS - 1)

    def ticks(self, height: float) -> str:
        """Lines and labels at round seconds."""
        seconds = max((self.end_ns - self.begin_ns) / 1e9, 1e-9)
        step = next(
            (base * 10.0**power for power in range(-6, 7) for base in (1, 2, 5) if base * 10.0**power >= seconds / 10),
            seconds,
        )
        parts = []
        zero_ns = self.begin_ns if self.zero_ns is None else self.zero_ns
        first = math.ceil((self.begin_ns - zero_ns) / (step * 1e9))
        for number in range(first, first + int(seconds / step) + 1):
            time_ns = zero_ns + number * step * 1e9
            if time_ns > self.end_ns:
                break
            x = self.x(time_ns)
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}" class="grid"/>'
                f'<text x="{x:.1f}" y="{height + 13}" class="tick">{number * step:.9g} s</text>'
            )
        return "".join(parts)

    def bands(self, faults: Sequence[dict[str, Any]], height: float) -> str:
        """Each fault's time as a band behind a chart."""
        parts = []
        for fault in faults:
            if fault.get("start_ns") is not None:
                left, right = self.x(fault["start_ns"]), self.x(fault.get("stop_ns") or self.end_ns)
                title = html.escape(str(fault.get("name", "")))
                parts.append(
                    f'<rect x="{left:.1f}" width="{max(right - left, 1):.1f}" y="0" height="{height}" class="fault">'
                    f"<title>{title}</title></rect>"
                )
        return "".join(parts)


def _svg(height: float, body: str, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height + 18:.0f}" role="img" aria-label="{html.escape(label)}">'
        f"<title>{html.escape(label)}</title>{body}</svg>"
    )


def fault_chart(faults: Sequence[dict[str, Any]], axis: Axis) -> str:
    """One line a fault that was started, with its name; rows are those of results.json."""
    started = [fault for fault in faults if fault.get("start_ns") is not None]
    if not started:
        return ""
    height = 22.0 * len(started)
    parts = [axis.ticks(height)]
    for row, fault in enumerate(started):
        left, right = axis.x(fault["start_ns"]), axis.x(fault.get("stop_ns") or axis.end_ns)
        name = html.escape(str(fault.get("name", "fault")))
        did = html.escape(str(fault.get("did") or fault.get("error") or ""))
        parts.append(
            f'<text x="4" y="{22 * row + 15}" class="name">{name[:18]}</text>'
            f'<rect x="{left:.1f}" y="{22 * row + 3}" width="{max(right - left, 2):.1f}" height="16" class="bar">'
            f"<title>{name}: {did}</title></rect>"
        )
        where = f'x="{right + 4:.1f}"' if right < WIDTH * 0.7 else f'x="{left - 4:.1f}" text-anchor="end"'
        parts.append(f'<text {where} y="{22 * row + 15}" class="tick">{did[:90]}</text>')
    return _svg(height, "".join(parts), "faults over time")


def service_chart(
    operations: Sequence[Operation],
    faults: Sequence[dict[str, Any]],
    axis: Axis,
    answer: Callable[[Operation], bool] = answered,
) -> str:
    """One line a node: the share of its operations that were answered, by when they were called."""
    nodes = sorted({operation.node for operation in operations if operation.node})
    if not nodes:
        return ""
    place = {node: row for row, node in enumerate(nodes)}
    asked = np.zeros((len(nodes), BUCKETS), dtype=np.int64)
    good = np.zeros_like(asked)
    for operation in operations:
        if operation.node:
            cell = place[operation.node], axis.bucket(operation.call_ns)
            asked[cell] += 1
            good[cell] += answer(operation)
    height = 20.0 * len(nodes)
    wide = (WIDTH - LEFT - RIGHT) / BUCKETS
    parts = [axis.bands(faults, height)]
    for node, row in place.items():
        parts.append(f'<text x="4" y="{20 * row + 14}" class="name">{html.escape(node)[:18]}</text>')
        for bucket in np.flatnonzero(asked[row]).tolist():
            share = good[row, bucket] / asked[row, bucket]
            told = f"{html.escape(node)}: {good[row, bucket]} of {asked[row, bucket]} answered"
            parts.append(
                f'<rect x="{LEFT + bucket * wide:.2f}" y="{20 * row + 2}" width="{wide + 0.3:.2f}" height="16" '
                f'fill="{_colour(share)}"><title>{told}</title></rect>'
            )
    parts.append(axis.ticks(height))
    return _svg(height, "".join(parts), "share of operations answered, by node")


def _colour(share: float) -> str:
    return _SERVED[0] if share == 0 else _SERVED[1 + int(np.searchsorted([0.5, 0.8, 0.99], share, side="right"))]


def latency_chart(operations: Sequence[Operation], faults: Sequence[dict[str, Any]], axis: Axis) -> str:
    """Median, 99th percentile and maximum of the latency of what succeeded, on a logarithmic scale, by return."""
    times: list[list[float]] = [[] for _ in range(BUCKETS)]
    for operation in operations:
        if operation.return_ns is not None and answered(operation):
            times[axis.bucket(operation.return_ns)].append(max(operation.return_ns - operation.call_ns, 1) / 1e6)
    filled = [bucket for bucket in range(BUCKETS) if times[bucket]]
    if not filled:
        return ""
    height = 160.0
    lowest = min(min(times[bucket]) for bucket in filled)
    highest = max(max(times[bucket]) for bucket in filled)
    low, high = np.floor(np.log10(lowest)), np.ceil(np.log10(max(highest, lowest * 1.01)))
    high = max(high, low + 1)

    def y(milliseconds: float) -> float:
        return float(height - (np.log10(milliseconds) - low) / (high - low) * height)

    parts = [axis.bands(faults, height), axis.ticks(height)]
    for power in range(int(low), int(high) + 1):
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(10.0**power):.1f}" y2="{y(10.0**power):.1f}" class="grid"/>'
            f'<text x="{LEFT - 6}" y="{max(y(10.0**power) + 4, 10):.1f}" class="tick" text-anchor="end">'
            f"{10.0**power:g} ms</text>"
        )
    spread = {bucket: np.percentile(times[bucket], [50, 99, 100]) for bucket in filled}
    for column, name in enumerate(("median", "p99", "maximum")):
        parts.append(_line(spread, column, name, y))
    parts.append('<text x="4" y="40" class="name median">median</text><text x="4" y="58" class="name p99">p99</text>'
                 '<text x="4" y="76" class="name maximum">maximum</text>')  # fmt: skip
    return _svg(height, "".join(parts), "latency over time")


def _line(spread: dict[int, NDArray[np.float64]], column: int, name: str, y: Callable[[float], float]) -> str:
    """A line over the filled buckets, broken where one is empty, so that a gap in service shows as a gap."""
    wide = (WIDTH - LEFT - RIGHT) / BUCKETS
    path, before = [], -2
    for bucket, values in spread.items():
        x = LEFT + (bucket + 0.5) * wide
        path.append(f"{'L' if bucket == before + 1 else 'M'}{x:.1f} {y(float(values[column])):.1f}")
        if bucket != before + 1:
            path.append("h0.1")
        before = bucket
    return f'<path d="{" ".join(path)}" class="line {name}"/>'
