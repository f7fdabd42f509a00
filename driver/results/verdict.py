"""From a run's folder to its verdict: everything is read from disk, so it can be judged again at any time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raftmon.driver.checkers.asked_for import checkers_for
from raftmon.driver.checkers.assumptions import Assumptions
from raftmon.driver.checkers.availability.checker import Availability
from raftmon.driver.checkers.availability.measure import Window
from raftmon.driver.checkers.base import Result, Valid, combine
from raftmon.driver.checkers.safe import check_safely
from raftmon.driver.histories.formats import read_history
from raftmon.driver.results.explained import explained
from raftmon.driver.results.facts import RunFacts
from raftmon.driver.results.results import Results
from raftmon.driver.results.statistics import operation_table, outages, work_ended_ns
from raftmon.driver.results.stores import stores_result
from raftmon.driver.results.wire import Invariants, unread_wire, wire_results
from raftmon.driver.run_folder import CONFIG, RunFolder

__all__ = ["check_history", "fault_windows", "judge_run", "stores_result"]


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


def judge_run(folder: RunFolder, facts: RunFacts) -> Results:
    """The results of a run that ended. Raises InputError if the folder has no history that can be read."""
    plan = folder.load(CONFIG) or {}
    config = plan.get("config", {})
    history = read_history(folder.path)
    workload = config.get("workload", "register")
    results = [check_safely(checker, history) for checker in checkers_for(workload, history)]
    results += wire_results(folder, history, workload)
    results += stores_result(folder, list(plan.get("nodes", {})))
    faults = facts.faults
    # A broken invariant says how the servers went wrong; whether clients saw it is what the other checkers say.
    consistency = [result for result in results if result.checker != Invariants.name]
    availability = check_safely(Availability(fault_windows(faults), consistency), history)
    reasons = [str(problem) for problem in history.problems]
    reasons += [f"the fault {fault['name']} failed: {fault['error']}" for fault in faults if fault["error"]]
    if facts.interrupted:
        reasons.append("the run was interrupted: only what was recorded until then was checked")
    if not len(history):
        reasons.append("the clients completed no operation")
    sentences = [result.sentence for result in [*results, availability] if not _goes_without_saying(result)]
    if unread := unread_wire(folder.load("monitor.json"), config.get("system", "")):
        sentences.append(unread)
    final = facts.final_reads
    if final.made < final.wanted:
        sentences.append(
            f"last reads: a sample, {final.made:,} of {final.wanted:,} through each node, for want of time; "
            "what the others hold was not looked at again"
        )
    valid = combine(results)
    if valid is Valid.YES and reasons:
        valid = Valid.UNKNOWN
    explanations = [one.to_json() for one in explained(folder, results, history, facts.began_ns)]
    return Results(
        valid=valid,
        facts=facts,
        sentences=sentences,
        reasons=reasons,
        checkers={result.checker: result.as_json() for result in [*results, availability]},
        operations=operation_table(history),
        outages=outages(history, facts.began_ns, work_ended_ns(config, facts)),
        monitor=folder.load("monitor.json"),
        config=config,
        explanations=explanations,
    )
