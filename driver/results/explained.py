"""The anomalies of a run's folder, judged again from its files and explained."""

from __future__ import annotations

from collections.abc import Sequence

from raftmon.driver.blame.explain import Explanation, explain_results
from raftmon.driver.checkers.asked_for import checkers_for
from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.safe import check_safely
from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.model import History
from raftmon.driver.results.stores import store_words, stores_result
from raftmon.driver.results.wire import wire_results
from raftmon.driver.run_folder import CONFIG, RESULTS, RunFolder

__all__ = ["explain_run", "explained"]


def explain_run(folder: RunFolder) -> list[Explanation]:
    """An explanation for each anomaly. Raises InputError if the folder has no history that can be read."""
    plan = folder.load(CONFIG)
    plan = plan if isinstance(plan, dict) else {}
    config = plan.get("config")
    workload = config.get("workload", "register") if isinstance(config, dict) else "register"
    history = read_history(folder.path)
    results = [check_safely(checker, history) for checker in checkers_for(workload, history)]
    results += wire_results(folder, history, workload)
    results += stores_result(folder, list(plan.get("nodes") or ()))
    saved = folder.load(RESULTS)
    began_ns = saved.get("began_ns") if isinstance(saved, dict) else None
    return explained(folder, results, history, began_ns)


def explained(
    folder: RunFolder, results: Sequence[Result], history: History, began_ns: int | None
) -> list[Explanation]:
    """An explanation for each *invalid* one of these results; times count from ``began_ns``, or the first call."""
    calls = history.columns.call_ns
    zero_ns = began_ns or (int(calls.min()) if len(calls) else 0)
    return explain_results(folder.path, results, history, store_words(folder), zero_ns)
