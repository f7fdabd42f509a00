"""What a scenario is given: the cluster, its monitor, recorded clients, working client hosts, checkers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.etcd_api import EtcdApi
from raftmon.driver.checkers.base import Result, Valid
from raftmon.driver.cluster.cluster import Cluster
from raftmon.driver.reproduce.scenario import CouldNotSetUp, Scenario
from raftmon.driver.reproduce.scheduled import all_results, work_under
from raftmon.driver.results.verdict import check_history
from raftmon.driver.testing.clients_fixture import TestClients
from raftmon.driver.testing.cluster_fixture import TestCluster, TestMonitor
from raftmon.driver.testing.recording import RecordedClient
from raftmon.driver.testing.waiting import eventually
from raftmon.monitor.raft.conformance.rules import RULES
from raftmon.monitor.raft.database.store import open_store
from raftmon.monitor.recorder.leader_board import caught_up
from raftmon.setup.errors import RaftmonError

__all__ = ["Stage"]

T = TypeVar("T")

ETCD_CLIENT_PORT = 2379


class Stage:
    """The cluster of one attempt; its methods are those of the pytest fixtures, with recorded clients."""

    def __init__(self, scenario: Scenario, cluster: Cluster, seed: str) -> None:
        self.scenario = scenario
        self.inner = cluster
        self.cluster = TestCluster(cluster)
        self.monitor = TestMonitor(self.cluster)
        self.clients = TestClients(self.cluster, seed)
        self._seed = seed
        self._stack = contextlib.ExitStack()
        self._stack.callback(self.cluster.close)

    def close(self) -> None:
        """Close every client."""
        self._stack.close()

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes' names."""
        return self.cluster.nodes

    def client(self, node: str, timeout_s: float = 5.0) -> RecordedClient:
        """A new client of that node; what it does enters the history."""
        return self.cluster.recorded(node, timeout_s)

    def etcd(self, node: str, timeout_s: float = 5.0) -> EtcdApi:
        """Etcd's own API at that node."""
        if not self.inner.adapter.name.startswith("etcd"):
            raise RaftmonError(f"{self.inner.adapter.name} has no etcd API: use stage.client")
        made = EtcdApi(f"{self.inner.topology.host(node).address}:{ETCD_CLIENT_PORT}", timeout_s)
        self._stack.callback(made.close)
        return made

    def judge(self, workload: str | None = None) -> list[Result]:
        """Every checker's result on the history so far, and Raft's invariants on the wire."""
        name = workload or self.scenario.workload
        return check_history(self.inner.folder, name)

    def violation(self, invariant: str | None = None) -> str | None:
        """The sentence of the first violation of an invariant or rule of Raft on the wire so far, None if none."""
        caught_up(self.inner.folder.path)
        with contextlib.closing(open_store(self.inner.folder.path / "messages.sqlite")) as record:
            query = "SELECT invariant, sentence FROM violations WHERE ?1 IS NULL OR invariant = ?1 ORDER BY id LIMIT 1"
            row = record.execute(query, (invariant,)).fetchone()
        return (
            f"Raft {'rule' if row[0] in RULES else 'invariant'} {row[0]} violated: {row[1]}"
            if row is not None
            else None
        )

    def ask_wire(self, query: str, *values: object) -> Any:
        """The first column of the first row of a query on the record so far (docs/messages.md), None if none."""
        caught_up(self.inner.folder.path)
        with contextlib.closing(open_store(self.inner.folder.path / "messages.sqlite")) as record:
            row = record.execute(query, values).fetchone()
        return row[0] if row is not None else None

    def until_wire(self, ask: Callable[[], T | None], timeout_s: float = 3.0) -> T | None:
        """The first true answer of ``ask`` within a time, None if there is none: the record lags behind a little."""
        deadline = time.monotonic() + timeout_s
        while not (answer := ask()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return answer or None

    def anomaly(self, workload: str | None = None) -> str | None:
        """The sentence of the first checker that says *invalid*, None if none does."""
        return next((one.sentence for one in self.judge(workload) if one.valid is Valid.NO), None)

    def work_under(
        self, faults: str, seconds: float, workload: str | None = None, seed: str | None = None, **options: Any
    ) -> list[str]:
        """Let clients work for so long under a schedule (the text of ``--fault``); the sentences of what was done.

        ``options`` are those of ``clients.working``: ``clients``, ``rate``, ``pin``, ``op_timeout_s``, the workload's.
        """
        workload = workload or self.scenario.workload
        return work_under(self.inner, self.clients, faults, seconds, seed or self._seed, workload, **options)

    def broken(self, *checkers: str, workload: str | None = None) -> str | None:
        """The sentence of the first of these checkers (all where none is named) that says *invalid*: clients, wire
        and stores; None if none does.
        """
        results = all_results(self.inner, workload or self.scenario.workload)
        wanted = [one for one in results if one.valid is Valid.NO and (not checkers or one.checker in checkers)]
        return wanted[0].sentence if wanted else None

    def leader(self, timeout_s: float = 30.0) -> str:
        """The leader, waited for."""
        return self.cluster.leader(timeout_s)

    def until(self, ask: Any, what: str, timeout_s: float = 30.0) -> Any:
        """The first true answer of ``ask``. Raises CouldNotSetUp that says ``what`` did not come true."""
        try:
            return eventually(ask, what, timeout_s)
        except AssertionError as error:
            raise CouldNotSetUp(str(error)) from error

    def write(self, node: str, key: str, value: Any, timeout_s: float = 30.0) -> None:
        """Write through a node until one attempt is acknowledged; every attempt enters the history.

        Raises CouldNotSetUp if none is within the time.
        """
        client = self.client(node)

        def done() -> bool:
            try:
                client.write(key, value)
            except (Definite, Indefinite):
                return False
            return True

        self.until(done, f"a write through {node}", timeout_s)

    def wait(self, seconds: float) -> None:
        """Let time pass; only where the scenario is about a length of time."""
        time.sleep(seconds)

    @contextlib.contextmanager
    def paused(self, *nodes: str) -> Iterator[None]:
        """SIGSTOP of nodes for the length of a block."""
        self.cluster.pause(*nodes)
        try:
            yield
        finally:
            self.cluster.resume(*nodes)
