"""Explorations on Dask's workers: each plays batches of schedules on a warm cluster of its own; the corpus stays here.

A worker that dies has its batch played again by another. A batch ends at the first cluster that is odd or violated.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raftmon.driver.campaign.workers import DaskWorkers
from raftmon.driver.explore.explore import Explored, Explorer
from raftmon.driver.explore.schedules import Schedule
from raftmon.driver.explore.warm import WarmCluster
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run_folder import RunFolder
from raftmon.setup.errors import RaftmonError

__all__ = ["BATCH", "explore_far", "played_far_away"]

BATCH = 6
"""Schedules a task: one start of a cluster is shared by so many."""
_DEATHS = 3


def played_far_away(config: dict[str, Any], name: str, orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """On a worker: play ``orders`` (``number``, ``faults``) on one warm cluster; the answers of ``Arena.trial``.

    An answer with a violation has ``history`` (bytes). There are fewer answers than orders if the cluster became odd.
    """
    import distributed

    here = distributed.get_worker().local_directory  # goes with the worker, however it ends
    answers: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="raftmon-explore-", dir=here) as folder:
        cluster = WarmCluster(RunConfig.from_json(config), Path(folder), name)
        try:
            for order in orders:
                answer = cluster.order(order)
                if answer["failing"]:
                    answer["history"] = RunFolder(Path(answer["folder"])).history.read_bytes()
                answers.append({**answer, "folder": None})
                if answer["odd"] or answer["failing"]:
                    break
        except RaftmonError as error:
            answers.append({"failing": {}, "states": [], "odd": str(error), "faults": [], "folder": None})
        finally:
            cluster.close()
    return answers


def explore_far(
    explorer: Explorer, pool: DaskWorkers, arena: RunConfig, minutes: float, *, batch: int = BATCH
) -> Explored:
    """As ``Explorer.explore``, on every worker of ``pool``, with ``batch`` schedules a task (one of a cold cluster)."""
    result, began_s = explorer.begin(), time.monotonic()
    size = batch if explorer.warm else 1
    numbers = iter(range(1, 1 << 62))
    on: dict[Any, Sequence[Schedule]] = {}

    def submit() -> None:
        schedules = [explorer.next_schedule() for _ in range(size)]
        orders = [{"number": next(numbers), "faults": [fault.to_json() for fault in one.faults]} for one in schedules]
        name = f"warm-{explorer.config.system_name}"
        on[pool.client.submit(played_far_away, arena.to_json(), name, orders, pure=False, retries=_DEATHS)] = schedules

    try:
        for _ in range(pool.count):
            submit()
        while on and time.monotonic() - began_s < minutes * 60:
            for future in pool.ended(list(on), minutes * 60 - (time.monotonic() - began_s)):
                schedules = on.pop(future)
                result.clusters += 1
                error = future.exception()
                if error is not None:
                    explorer.say(f"      a worker's batch failed: {type(error).__name__}: {str(error)[:200]}")
                for schedule, answer in zip(schedules, () if error else future.result(), strict=False):
                    if explorer.take(result, schedule, answer, time.monotonic() - began_s):
                        return explorer.finish(result, began_s)
                submit()
    finally:
        pool.client.cancel(list(on))
    return explorer.finish(result, began_s)
