"""What a scenario is given: the cluster, its monitor, recorded clients, working client hosts, checkers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from raftmon.adapters.etcd_api import EtcdApi
from raftmon.driver.checkers.base import Result, Valid
from raftmon.driver.cluster.cluster import Cluster
from raftmon.driver.reproduce.recording import HistoryRecorder, RecordedClient
from raftmon.driver.reproduce.scenario import CouldNotSetUp, Scenario
from raftmon.driver.results.verdict import check_history
from raftmon.driver.results.wire import wire_results
from raftmon.driver.testing.fixtures import TestClients, TestCluster, TestMonitor, eventually
from raftmon.setup.errors import RaftmonError

__all__ = ["Stage"]

ETCD_CLIENT_PORT = 2379


class Stage:
    """One attempt's cluster; the vocabulary is that of the pytest fixtures, with recorded clients."""

    def __init__(self, scenario: Scenario, cluster: Cluster, seed: str) -> None:
        self.scenario = scenario
        self.inner = cluster
        self.cluster = TestCluster(cluster)
        self.monitor = TestMonitor(self.cluster)
        self.clients = TestClients(self.cluster, seed)
        self._recorder = HistoryRecorder(cluster.folder.history)
        self._stack = contextlib.ExitStack()
        self._stack.callback(self._recorder.close)
        self._stack.callback(self.cluster.close)

    def close(self) -> None:
        """Hang up every client."""
        self._stack.close()

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes' names."""
        return self.cluster.nodes

    def client(self, node: str, timeout_s: float = 5.0) -> RecordedClient:
        """A new client of that node; what it does enters the history."""
        host = self.inner.topology.host(node)
        made = self._recorder.client(self.inner.adapter.connect(host, timeout_s), node)
        self._stack.callback(made.close)
        return made

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

    def wire(self) -> list[Result]:
        """What the wire shows, once the monitor has ended; empty while it lives."""
        from raftmon.driver.histories import read_history

        return wire_results(self.inner.folder, read_history(self.inner.folder.path), self.scenario.workload)

    def anomaly(self, workload: str | None = None) -> str | None:
        """The sentence of the first checker that says *invalid*, None where none does."""
        return next((one.sentence for one in self.judge(workload) if one.valid is Valid.NO), None)

    def leader(self, timeout_s: float = 30.0) -> str:
        """The leader, waited for."""
        return self.cluster.leader(timeout_s)

    def until(self, ask: Any, what: str, timeout_s: float = 30.0) -> Any:
        """The first true answer of ``ask``. Raises CouldNotSetUp that says ``what`` did not come true."""
        try:
            return eventually(ask, what, timeout_s)
        except AssertionError as error:
            raise CouldNotSetUp(str(error)) from error

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
