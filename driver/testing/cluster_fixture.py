"""The fixtures ``cluster`` and ``monitor``: what a test may do to a running cluster, and ask of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

from raftmon.adapters.base import Client
from raftmon.driver.cluster.cluster import Cluster
from raftmon.driver.cluster.health import nodes_answering
from raftmon.driver.faults.base import Effect
from raftmon.driver.faults.faults import make_fault
from raftmon.driver.faults.grudges import between, isolate
from raftmon.driver.testing.recording import HistoryRecorder, RecordedClient
from raftmon.driver.testing.waiting import eventually
from raftmon.monitor.control.client import MonitorClient
from raftmon.setup.errors import RaftmonError
from raftmon.setup.topology import Link

__all__ = ["TestCluster", "TestMonitor"]


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
        """SIGKILL; the test's own client of that node is closed, and made again when it is asked for."""
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
            effect = made.start(self.inner, Random(seed))
            self.inner.log.info("fault started", fault=name, sentence=effect.sentence, effect=effect.sentence)
            yield effect
        finally:
            made.stop(self.inner)
            self.inner.log.info("fault healed", fault=name, sentence=f"{name} healed")

    def answering(self, timeout_s: float = 1.0) -> list[str]:
        """The nodes that serve requests now, in order."""
        return nodes_answering(self.inner.adapter, self.inner.topology, timeout_s)

    def wait_healthy(self, timeout_s: float = 60.0) -> None:
        """Wait until every node serves requests."""
        eventually(lambda: len(self.answering()) == len(self.nodes), "every node serving requests", timeout_s)

    def close(self) -> None:
        """Close the test's own clients."""
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
