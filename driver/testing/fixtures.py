"""What a test gets from the fixtures ``cluster``, ``monitor``, ``clients`` and ``history``: a small vocabulary.

Waiting is always for a condition, with a limit, and says what it waited for when the limit is over.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from raftmon.adapters.base import Client
from raftmon.driver.checkers.base import Result, Valid, combine
from raftmon.driver.clients.fleet import ClientFleet, FleetConfig, FleetStats
from raftmon.driver.clients.plan import ClientPlan
from raftmon.driver.cluster.cluster import Cluster
from raftmon.driver.cluster.health import nodes_answering
from raftmon.driver.faults.base import Effect
from raftmon.driver.faults.faults import make_fault
from raftmon.driver.faults.grudges import between, isolate
from raftmon.driver.results.verdict import check_history, stores_result
from raftmon.driver.run.final_reads import FinalReader
from raftmon.driver.run.store_hashes import ask_stores
from raftmon.driver.testing.recording import HistoryRecorder, RecordedClient
from raftmon.driver.workloads.workloads import workload
from raftmon.monitor.control.client import MonitorClient
from raftmon.setup.errors import RaftmonError
from raftmon.setup.topology import Link

T = TypeVar("T")

__all__ = ["TestClients", "TestCluster", "TestHistory", "TestMonitor", "eventually"]


def eventually(ask: Callable[[], T | None], what: str, timeout_s: float = 30.0, poll_s: float = 0.05) -> T:
    """The first true answer of ``ask``; raises AssertionError naming ``what`` after ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout_s:g} s")
        time.sleep(poll_s)
    return answer


class TestCluster:
    """The fixture ``cluster``: a running cluster."""

    __test__ = False  # pytest shall not take it for a test class

    def __init__(self, cluster: Cluster, client_timeout_s: float = 5.0) -> None:
        self.inner = cluster
        self._timeout_s = client_timeout_s
        self._clients: dict[str, Client] = {}
        self._faults = 0
        self._recorder: HistoryRecorder | None = None
        self._recorded: list[RecordedClient] = []

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes' names."""
        return self.inner.topology.node_names()

    @property
    def folder(self) -> str:
        """The run's folder."""
        return str(self.inner.folder.path)

    def client(self, node: str) -> Client:
        """A client of that node for the test's own thread; the same one each time."""
        if node not in self._clients:
            host = self.inner.topology.host(node)
            self._clients[node] = self.inner.adapter.connect(host, self._timeout_s)
        return self._clients[node]

    def recorded(self, node: str, timeout_s: float | None = None) -> RecordedClient:
        """A new client of that node whose every operation enters the history, where checkers judge it."""
        if self._recorder is None:
            self._recorder = HistoryRecorder(self.inner.folder.history)
        host = self.inner.topology.host(node)
        inner = self.inner.adapter.connect(host, self._timeout_s if timeout_s is None else timeout_s)
        made = self._recorder.client(inner, node)
        self._recorded.append(made)
        return made

    def leader(self, timeout_s: float = 30.0) -> str:
        """The leader, waited for."""
        return eventually(self.inner.leader, "a leader", timeout_s)

    def followers(self) -> list[str]:
        """The living nodes but the leader, in order."""
        leader = self.leader()
        return [node for node in self.inner.alive() if node != leader]

    def others(self, node: str) -> list[str]:
        """All nodes but this one, in order."""
        return [other for other in self.nodes if other != node]

    def acts(self) -> list[str]:
        """A sentence for each thing that rules did to nodes (``kill``, ``pause``) since the last call."""
        return self.inner.acts()

    def kill(self, *nodes: str) -> None:
        """SIGKILL; the test's own client of that node is hung up, and made anew when it is asked for."""
        for node in nodes:
            self.inner.kill(node)
            if node in self._clients:
                self._clients.pop(node).close()

    def start(self, *nodes: str) -> None:
        """Start dead nodes on their own data."""
        for node in nodes:
            self.inner.start(node)

    def restart(self, *nodes: str) -> None:
        """Kill all of them, then start them."""
        self.kill(*nodes)
        self.start(*nodes)

    def pause(self, *nodes: str) -> None:
        """SIGSTOP."""
        for node in nodes:
            self.inner.pause(node)

    def resume(self, *nodes: str) -> None:
        """SIGCONT."""
        for node in nodes:
            self.inner.resume(node)

    def cut(self, left: Iterable[str] | str, right: Iterable[str] | str, how: str = "drop") -> None:
        """Cut every link between two sides, both ways, until ``heal``; ``leader`` and ``follower`` are those of now."""
        sides = [self._having([side] if isinstance(side, str) else list(side)) for side in (left, right)]
        self._cut(between(*sides), how)

    def isolate(self, node: str, how: str = "drop") -> None:
        """Cut a node, or the ``leader``, from all others until ``heal``."""
        self._cut(isolate(self._having([node])[0], self.nodes), how)

    def _having(self, names: list[str]) -> list[str]:
        """Nodes by name, or by the role that they have now: ``leader``, ``follower`` (each of them)."""
        found = []
        for name in names:
            found += [self.leader()] if name == "leader" else self.followers() if name == "follower" else [name]
        return found

    def _cut(self, links: Iterable[Link], how: str) -> None:
        self._faults += 1
        text = " or ".join(sorted(map(str, links)))
        self.inner.add_rules(f"cut-{self._faults}", [f"{text} {how}"])

    def heal(self) -> None:
        """Join everything that ``cut`` and ``isolate`` cut."""
        for number in range(1, self._faults + 1):
            self.inner.remove_rules(f"cut-{number}")

    @contextlib.contextmanager
    def fault(self, name: str, seed: int = 0, **options: str) -> Iterator[Effect]:
        """Any fault of the catalogue for the length of a block; yields what it did."""
        made = make_fault(name, options, self.nodes)
        reason = made.available(self.inner)
        if reason:
            raise RaftmonError(f"the fault {name} cannot be done here: {reason}")
        try:
            yield made.start(self.inner, Random(seed))
        finally:
            made.stop(self.inner)

    def answering(self, timeout_s: float = 1.0) -> list[str]:
        """The nodes that serve requests now, in order."""
        return nodes_answering(self.inner.adapter, self.inner.topology, timeout_s)

    def wait_healthy(self, timeout_s: float = 60.0) -> None:
        """Wait until every node serves requests."""
        eventually(lambda: len(self.answering()) == len(self.nodes), "every node serving requests", timeout_s)

    def close(self) -> None:
        """Hang up the test's own clients."""
        for client in (*self._clients.values(), *self._recorded):
            client.close()
        if self._recorder is not None:
            self._recorder.close()


class TestMonitor:
    """The fixture ``monitor``: rules and counters of the running monitor."""

    __test__ = False

    def __init__(self, cluster: TestCluster) -> None:
        if cluster.inner.monitor is None:
            raise RaftmonError("this cluster runs without the monitor")
        self._client: MonitorClient = cluster.inner.monitor

    def add(self, rule: str) -> str:
        """Put a one-line rule in force; returns its name."""
        return self._client.add(rule)

    def remove(self, name: str) -> None:
        """Take it away."""
        self._client.remove(name)

    def heal(self) -> None:
        """Take every rule away."""
        self._client.heal()

    def rules(self) -> list[dict[str, Any]]:
        """The rules in force."""
        return self._client.rules()

    def triggers(self) -> list[dict[str, Any]]:
        """Every trigger: its ``name``, ``state``, how often it ``fired``, by which ``message``."""
        return self._client.triggers()

    def held(self) -> list[dict[str, Any]]:
        """The messages that rules with the action ``hold`` keep back, the oldest first."""
        return self._client.held()

    def release(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Deliver the oldest messages that a rule holds; the rule stays in force. Gives these messages."""
        return self._client.release(name, count)

    def deliver(self, message: int, to: str | None = None) -> dict[str, Any]:
        """Deliver a recorded message once more (its ``id`` in messages.sqlite); to its receiver unless given."""
        return self._client.deliver(message, to)

    def stats(self) -> dict[str, Any]:
        """The counters now (docs/monitor.md)."""
        return self._client.stats()

    @contextlib.contextmanager
    def rule(self, line: str) -> Iterator[str]:
        """A rule for the length of a block."""
        name = self.add(line)
        try:
            yield name
        finally:
            self.remove(name)


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
