"""From a run's folder to its verdict: everything is read from disk, so it can be judged again at any time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from raftmon.driver.checkers.assumptions import Assumptions
from raftmon.driver.checkers.availability.checker import Availability, Window
from raftmon.driver.checkers.base import Result, Valid, combine
from raftmon.driver.checkers.registry import checkers_for
from raftmon.driver.checkers.safe import check_safely
from raftmon.driver.histories import read_history
from raftmon.driver.histories.model import NEVER, OUTCOMES, History
from raftmon.driver.results.wire import Invariants, unread_wire, wire_results
from raftmon.driver.run.store_hashes import stores_result
from raftmon.driver.run_folder import CONFIG, RunFolder

__all__ = ["OUTAGE_MS", "check_history", "fault_windows", "judge_run", "operation_table", "outages"]

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


def _work_ended_ns(config: dict[str, Any], facts: dict[str, Any]) -> int | None:
    """When clients began nothing more: the run itself waits for what was in flight then."""
    began_ns, ended_ns = facts.get("began_ns"), facts.get("ended_ns")
    if began_ns is None or ended_ns is None or "duration_s" not in config:
        return ended_ns
    return int(min(ended_ns, began_ns + round(config["duration_s"] * 1e9)))


def fault_windows(faults: Sequence[dict[str, Any]]) -> list[Window]:
    """When and where faults were in force, from the rows of results.json; those that never started are left out."""
    return [
        Window(fault["name"], fault["start_ns"], fault["stop_ns"], tuple(fault["nodes"]), tuple(fault["links"]))
        for fault in faults
        if fault["start_ns"] is not None and fault["did"]
    ]


def check_history(folder: RunFolder, workload: str) -> list[Result]:
    """What the workload's checkers say to the history as it is now."""
    history = read_history(folder.path)
    return [check_safely(checker, history) for checker in checkers_for(workload, history)]


def _goes_without_saying(result: Result) -> bool:
    return result.checker == Assumptions().name and result.valid is Valid.YES


def judge_run(folder: RunFolder, facts: dict[str, Any]) -> dict[str, Any]:
    """The content of ``results.json``.

    ``facts`` are what only the live run knew (times, faults, leaders); they are kept in the results. Raises InputError
    where the folder has no history that can be read.
    """
    plan = folder.load(CONFIG) or {}
    config = plan.get("config", {})
    history = read_history(folder.path)
    workload = config.get("workload", "register")
    results = [check_safely(checker, history) for checker in checkers_for(workload, history)]
    results += wire_results(folder, history, workload)
    results += stores_result(folder, list(plan.get("nodes", {})))
    faults = facts.get("faults", [])
    # A broken invariant says how the servers went wrong; whether clients saw it is what the other checkers say.
    consistency = [result for result in results if result.checker != Invariants.name]
    availability = check_safely(Availability(fault_windows(faults), consistency), history)
    reasons = [str(problem) for problem in history.problems]
    reasons += [f"the fault {fault['name']} failed: {fault['error']}" for fault in faults if fault["error"]]
    if facts.get("interrupted"):
        reasons.append("the run was interrupted: only what was recorded until then was checked")
    if not len(history):
        reasons.append("the clients completed no operation")
    sentences = [result.sentence for result in [*results, availability] if not _goes_without_saying(result)]
    if unread := unread_wire(folder.load("monitor.json"), config.get("system", "")):
        sentences.append(unread)
    final = facts.get("final_reads") or {}
    if final.get("made", 0) < final.get("wanted", 0):
        sentences.append(
            f"last reads: a sample, {final['made']:,} of {final['wanted']:,} through each node, for want of time; "
            "what the others hold was not looked at again"
        )
    valid = combine(results)
    if valid is Valid.YES and reasons:
        valid = Valid.UNKNOWN
    return {
        "valid": valid.value,
        "sentences": sentences,
        "reasons": reasons,
        "checkers": {result.checker: result.as_json() for result in [*results, availability]},
        "operations": operation_table(history),
        "outages": outages(history, facts.get("began_ns"), _work_ended_ns(config, facts)),
        **facts,
        "monitor": folder.load("monitor.json"),
        "config": config,
    }
