"""From a run's folder to its verdict: everything is read from disk, so it can be judged again at any time."""

from __future__ import annotations

from typing import Any

import numpy as np

from driver.checkers.base import Result, Valid, combine
from driver.checkers.registry import checkers_for
from driver.checkers.safe import check_safely
from driver.histories import read_history
from driver.histories.model import NEVER, OUTCOMES, History
from driver.store import RunFolder
from monitor.fidelity import judge as judge_fidelity

__all__ = ["check_history", "judge_run", "operation_table"]


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


def _fault_reasons(facts: dict[str, Any]) -> list[str]:
    faults = facts.get("faults", [])
    return [f"the fault {fault['name']} failed: {fault['error']}" for fault in faults if fault["error"]]


def _results(history: History, workload: str) -> list[Result]:
    return [check_safely(checker, history) for checker in checkers_for(workload)]


def check_history(folder: RunFolder, workload: str) -> list[Result]:
    """What the workload's checkers say to the history as it is now."""
    return _results(read_history(folder.history), workload)


def judge_run(folder: RunFolder, facts: dict[str, Any]) -> dict[str, Any]:
    """The content of ``results.json``.

    ``facts`` are what only the live run knew (times, faults, leaders); they are kept in the results. Raises InputError
    where the folder has no history that can be read.
    """
    plan = folder.load("config.json") or {}
    config = plan.get("config", {})
    history = read_history(folder.history)
    results = _results(history, config.get("workload", "register"))
    counters = folder.load("monitor.json")
    reasons = [str(problem) for problem in history.problems]
    if config.get("monitored", True) and plan.get("nodes"):
        reasons += judge_fidelity(counters) if counters else ["the monitor left no counters behind"]
    reasons += _fault_reasons(facts)
    valid = combine(results)
    if not len(history):
        reasons.append("the clients completed no operation")
    if valid is Valid.YES and reasons:
        valid = Valid.UNKNOWN
    return {
        "valid": valid.value,
        "sentences": [result.sentence for result in results],
        "reasons": reasons,
        "checkers": {result.checker: result.as_json() for result in results},
        "operations": operation_table(history),
        **facts,
        "monitor": counters,
        "config": config,
    }
