"""The fixtures ``clients`` and ``history``: a workload during a test, and the checkers' verdict on it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.checkers.base import Result, Valid, combine
from raftmon.driver.clients.fleet import ClientFleet, FleetConfig, FleetStats
from raftmon.driver.clients.plan import ClientPlan
from raftmon.driver.results.verdict import check_history, stores_result
from raftmon.driver.run.final_reads import FinalReader
from raftmon.driver.run.store_hashes import ask_stores
from raftmon.driver.testing.cluster_fixture import TestCluster
from raftmon.driver.testing.waiting import eventually
from raftmon.driver.workloads.workloads import workload
from raftmon.setup.errors import RaftmonError

__all__ = ["TestClients", "TestHistory", "Work"]


@dataclass(slots=True)
class Work:
    """What clients did in one ``working`` block; complete once the block has ended."""

    stats: FleetStats = field(default_factory=FleetStats)


class TestClients:
    """The fixture ``clients``: client hosts that run a workload during the test."""

    __test__ = False

    def __init__(self, cluster: TestCluster, seed: str) -> None:
        self._cluster = cluster
        self._seed = seed
        self._rounds = 0

    @contextlib.contextmanager
    def working(
        self,
        name: str = "register",
        *,
        clients: int = 5,
        rate: float | None = None,
        pin: str | None = None,
        op_timeout_s: float = 2.0,
        at_least: int = 1,
        **parameters: Any,
    ) -> Iterator[Work]:
        """Clients do workload ``name`` for the length of the block, which begins after ``at_least`` operations were ok.

        When the block ends they finish what is in flight, and everything is read once through every node. A cluster
        works on one set of keys: one ``working`` block a test.
        """
        self._rounds += 1
        if self._rounds > 1:
            raise RaftmonError("clients.working was used twice in one test: values would no longer be unique")
        inner = self._cluster.inner
        plan = ClientPlan(
            system=inner.system,
            slots=clients,
            seed=self._seed,
            options=inner.options.system_options,
            workload=name,
            parameters=parameters,
            rate=rate,
            op_timeout_s=op_timeout_s,
            pin=pin,
        )
        config = FleetConfig(inner.topology, inner.folder.path, inner.folder.history, plan)
        work = Work()
        fleet = ClientFleet(config, inner.launch)
        try:
            fleet.start()
            fleet.wait_connected()
            fleet.begin(time.monotonic_ns(), 24 * 3600.0)
            eventually(lambda: fleet.stats().ok >= at_least, f"{at_least} operations that were ok")
            yield work
            fleet.stop()
            work.stats = fleet.join()
        finally:
            fleet.close()
        reader = FinalReader(inner.adapter, inner.topology, workload(name, parameters), op_timeout_s)
        reader.read_into(inner.folder.history)

    def work(self, seconds: float, name: str = "register", **options: Any) -> FleetStats:
        """Let them work for so long with nothing done to the cluster; what they did."""
        with self.working(name, **options) as work:
            time.sleep(seconds)
        return work.stats


class TestHistory:
    """The fixture ``history``: what the clients did, and the checkers' verdict on it."""

    __test__ = False

    def __init__(self, cluster: TestCluster) -> None:
        self._cluster = cluster

    def check(self, workload_name: str = "register") -> list[Result]:
        """Every checker's result on what was recorded so far."""
        return check_history(self._cluster.inner.folder, workload_name)

    def assert_valid(self, workload_name: str = "register") -> None:
        """AssertionError with the checkers' sentences unless the verdict is *valid*."""
        results = self.check(workload_name)
        verdict = combine(results)
        words = "\n".join(result.sentence for result in results)
        assert verdict is Valid.YES, f"the history is {verdict.value}:\n{words}"

    def assert_stores_equal(self, timeout_s: float = 5.0) -> None:
        """AssertionError unless every node has the same hash at the newest revision; those behind are waited for.

        RaftmonError for a system without the capability Hash. Once a test, after the work.
        """
        inner = self._cluster.inner
        ask_stores(inner.adapter, inner.topology, inner.folder, timeout_s)
        results = stores_result(inner.folder, inner.topology.node_names())
        if not results:
            raise RaftmonError(f"{inner.system} has no hash of its stores that could be compared")
        assert combine(results) is Valid.YES, "\n".join(result.sentence for result in results)
