"""What clients did, in numbers: operations by kind and outcome, latencies, outages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from raftmon.driver.histories.model import NEVER, OUTCOMES, History
from raftmon.driver.results.facts import RunFacts

__all__ = ["OUTAGE_MS", "operation_table", "outages", "work_ended_ns"]

OUTAGE_MS = 500.0
"""From how long without any success on it is an outage."""


def operation_table(history: History) -> dict[str, dict[str, Any]]:
    """Per kind of operation: how many of each outcome, and the latency of the ok ones in ms (p50, p99, max)."""
    columns = history.columns
    table = {}
    for code, name in enumerate(columns.f_names):
        rows = columns.f == code
        counts = {
            outcome.value: int(np.count_nonzero(rows & (columns.outcome == number)))
            for number, outcome in enumerate(OUTCOMES)
        }
        done = rows & (columns.outcome == 0) & (columns.return_ns != NEVER)
        latency_ms = (columns.return_ns[done] - columns.call_ns[done]) / 1e6
        spread = {}
        if latency_ms.size:
            p50, p99 = np.percentile(latency_ms, [50, 99])
            spread = {"p50": float(p50), "p99": float(p99), "max": float(latency_ms.max())}
        table[name] = {**counts, "latency_ms": spread}
    return table


def outages(history: History, began_ns: int | None, ended_ns: int | None) -> list[dict[str, float]]:
    """When no client had success for OUTAGE_MS or longer while they worked: ``start_s`` from the start, and ``ms``."""
    if began_ns is None or ended_ns is None:
        return []
    columns = history.columns
    done = columns.return_ns[(columns.outcome == 0) & (columns.return_ns != NEVER)]
    inside = np.sort(done[(done > began_ns) & (done < ended_ns)])
    edges = np.concatenate(([began_ns], inside, [ended_ns])).astype(np.int64)
    gaps_ms = np.diff(edges) / 1e6
    return [
        {"start_s": round((int(edges[row]) - began_ns) / 1e9, 3), "ms": round(float(gaps_ms[row]), 1)}
        for row in np.flatnonzero(gaps_ms >= OUTAGE_MS)
    ]


def work_ended_ns(config: Mapping[str, Any], facts: RunFacts) -> int | None:
    """When clients began nothing more: the run itself waits for what was in flight then."""
    began_ns, ended_ns = facts.began_ns, facts.ended_ns
    if began_ns is None or ended_ns is None or "duration_s" not in config:
        return ended_ns
    return int(min(ended_ns, began_ns + round(config["duration_s"] * 1e9)))
