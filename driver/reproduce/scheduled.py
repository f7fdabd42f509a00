"""A run's work inside a scenario: clients, a schedule of faults, heal, last reads, and what every checker says."""

from __future__ import annotations

import functools
import time
from typing import Any

from raftmon.driver.checkers.asked_for import checkers_for
from raftmon.driver.checkers.base import Result, Valid
from raftmon.driver.checkers.safe import check_safely
from raftmon.driver.cluster.cluster import Cluster
from raftmon.driver.faults.faults import fault_kind, random_faults
from raftmon.driver.faults.schedule import plan_faults
from raftmon.driver.faults.worker import FaultWorkers
from raftmon.driver.histories.formats import read_history
from raftmon.driver.results.verdict import stores_result
from raftmon.driver.results.wire import wire_results
from raftmon.driver.run.store_hashes import ask_stores
from raftmon.driver.testing.clients_fixture import TestClients

__all__ = ["all_results", "work_under"]

_CATCH_UP_S = 2.0


def work_under(
    cluster: Cluster, clients: TestClients, faults: str, seconds: float, seed: str, workload: str, /, **options: Any
) -> list[str]:
    """Let clients work for so long while the faults of a ``--fault`` text come and go; what each fault did.

    ``options`` are those of ``clients.working``. Raises InputError for a schedule that cannot be read.
    """
    names = cluster.topology.node_names()
    planned = plan_faults(
        faults, functools.partial(fault_kind, nodes=names), seconds, seed=seed, random_from=random_faults()
    )

    workers = FaultWorkers.on_cluster(cluster, planned, seed)
    with clients.working(workload, at_least=0, **options):
        began_ns = time.monotonic_ns()
        workers.begin(began_ns)
        try:
            time.sleep(seconds)  # the length of the work is what is asked for
        finally:
            workers.end()
    return [record.effect.sentence for record in workers.records if record.effect is not None]


def all_results(cluster: Cluster, workload: str) -> list[Result]:
    """Every checker's result: clients, wire and stores; the wire is asked again while its record catches up."""
    ask_stores(cluster.adapter, cluster.topology, cluster.folder, 2.0)
    history = read_history(cluster.folder.path)
    results = [check_safely(checker, history) for checker in checkers_for(workload, history)]
    results += stores_result(cluster.folder, cluster.topology.node_names())
    deadline = time.monotonic() + _CATCH_UP_S
    while True:
        wire = wire_results(cluster.folder, history, workload)
        if any(one.valid is Valid.NO for one in [*results, *wire]) or time.monotonic() > deadline:
            return [*results, *wire]
        time.sleep(0.1)
