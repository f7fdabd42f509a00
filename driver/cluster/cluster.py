"""One running cluster, and all that faults, tests and the phases of a run do to it.

Used by ``raftmon run`` and by the fixtures of the pytest plugin. It must be entered inside the sandbox.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from raftmon.adapters.capabilities import Leadership
from raftmon.driver.cluster.leadership import LeaderSeen
from raftmon.driver.cluster.options import ClusterOptions
from raftmon.driver.cluster.started import StartedCluster
from raftmon.monitor.control.client import MonitorClient
from raftmon.setup.disks.disk import NodeDisk
from raftmon.setup.errors import RaftmonError
from raftmon.setup.nodes import stands_still

__all__ = ["Cluster", "ClusterOptions"]


class Cluster(StartedCluster):
    """A context manager; inside it, every node has answered that it is ready. Thread-safe once entered."""

    # -- who leads ---------------------------------------------------------------------------------------------------

    def leader(self) -> str | None:
        """The node that leads now, as the wire and the nodes themselves show it; None if nobody does."""
        seen = self.find_leader()
        return seen.node if seen else None

    def find_leader(self, timeout_s: float = 1.0) -> LeaderSeen | None:
        """Leader, term and witness, None if nobody leads or nobody can say; see ``LeaderFinder.find``."""
        return self._leaders.find(timeout_s)

    def statuses(self, timeout_s: float) -> dict[str, Leadership | None]:
        """What each living node says of itself, None if it does not answer; empty without the capability Leader."""
        return self._leaders.statuses(timeout_s)

    # -- rules -------------------------------------------------------------------------------------------------------

    def add_rules(self, name: str, lines: Iterable[str]) -> None:
        """Put rules in force; their names are ``name``, ``name.2``, …"""
        listed = list(lines)
        names = [name if number == 1 else f"{name}.{number}" for number in range(1, len(listed) + 1)]
        with self._lock:
            self._rules.setdefault(name, []).extend(names)
            for each, line in zip(names, listed, strict=True):
                self._need_monitor().add({"name": each, "rule": line})
        self.log.info("rules added", name=name, rules=listed)

    def remove_rules(self, name: str) -> None:
        """Take them away again."""
        with self._lock:
            for each in self._rules.pop(name, []):
                self._need_monitor().remove(each)
        self.log.info("rules removed", name=name)

    def arm(self, trigger: str) -> str:
        """Let the monitor wait for something on the wire (message_rules/trigger_words.py); gives the trigger's name."""
        return self._need_monitor().when(trigger)

    def armed(self, name: str) -> dict[str, Any]:
        """What became of a trigger: ``state``, ``fired_ns`` (CLOCK_MONOTONIC), ``message``."""
        return next(one for one in self._need_monitor().triggers() if one["name"] == name)

    def acts(self) -> list[str]:
        """A sentence for each thing that rules did to nodes since the last call. A node that was killed stays down."""
        if self.monitor is None:
            return []
        found = []
        with self._lock:
            new = self.monitor.acts()[self._acts_seen :]
            self._acts_seen += len(new)
            for act in new:
                if act["what"] == "killed":
                    self._down.add(act["node"])
                    self._killed_by_rules.add(act["node"])
                took_us = (act["done_ns"] - act["packet_ns"]) / 1000
                found.append(f"{act['node']} {act['what']} by rule {act['rule']}, {took_us:.0f} us after the packet")
                self.log.info(f"node {act['what']} by rule", **act)
        return found

    def revive(self) -> None:
        """Start the nodes that rules killed and resume those that they paused."""
        self.acts()
        for name, process in list(self._nodes.items()):
            if name in self._killed_by_rules and not process.alive:
                self.start(name)
            elif process.alive:
                process.resume()
        self._killed_by_rules.clear()

    def deaths(self) -> list[str]:
        """A sentence for each node that ended by itself since the last call; it stays down."""
        found = []
        for name, process in self._nodes.items():
            if name in self._down or process.alive:
                continue
            self.acts()
            if name in self._down:  # by a rule, just now
                continue
            self._down.add(name)
            code = process.exit_codes[-1] if process.exit_codes else None
            last = process.tail().strip().splitlines()[-1:] or ["nothing"]
            found.append(f"{name} ended by itself, with exit code {code}; its last word: {last[0][:300]}")
            self.log.error("node died", node=name, exit_code=code, tail=process.tail())
        return found

    def _need_monitor(self) -> MonitorClient:
        if self.monitor is None:
            raise RaftmonError("this cluster runs without the monitor: nothing can be done to its links")
        return self.monitor

    # -- nodes -------------------------------------------------------------------------------------------------------

    def kill(self, node: str) -> None:
        """SIGKILL; the node's packets are dropped from before the signal until it is started again."""
        if self.monitor is not None:
            self.add_rules(f"dead-{node}", [f"{node} -> * or * -> {node} drop"])
        self._down.add(node)
        self._nodes[node].kill()
        self.log.info("node killed", node=node)

    def start(self, node: str) -> None:
        """Start a dead node on its own data."""
        if self.monitor is not None:
            self.remove_rules(f"dead-{node}")
        self._leaders.started(node)
        self._launch(node)
        self._down.discard(node)
        self.log.info("node started", node=node)

    def start_fresh(self, node: str, members: Sequence[str]) -> None:
        """Start a node or a spare with an empty data folder, as one that joins ``members`` (itself among them)."""
        if node in self._nodes:
            self._nodes[node].kill()
            for old in self._data[node].iterdir() if self._data[node].is_dir() else ():
                shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        self._make_node(self.topology.host(node), self.topology.with_members(members))
        self.start(node)

    def upgrade(self, node: str, spec: str) -> None:
        """End a node (SIGTERM), and start another version of its server on the same data."""
        self._down.add(node)
        self._nodes[node].stop()
        self._servers[node] = spec
        command = self._adapter_of(node).command(self.topology.host(node), self.topology, self.folder.node(node))
        self._nodes[node].replace(command.argv, command.env)
        self.log.info("node upgraded", node=node, server=spec)
        self.start(node)

    def program(self, node: str) -> str | None:
        """The first words of a living node's command line, as the kernel has it; None of a node that does not live."""
        pid = self._nodes[node].pid
        if pid is None:
            return None
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return None
        return " ".join(word.decode(errors="replace") for word in words[:3])

    def processes(self, node: str) -> Sequence[int]:
        """The process ids of a node, its descendants' too; empty if it is down."""
        return self._nodes[node].pids

    def disk(self, node: str) -> NodeDisk:
        """The node's disk, in a run that has them."""
        return self.disks.of(node)

    def log_folder(self, node: str) -> Path:
        """The node's data folder."""
        return self._data[node]

    def pause(self, node: str) -> None:
        """SIGSTOP of a node, or of the clients on a client host."""
        if node in self._nodes:
            self._nodes[node].pause()
        else:
            self._signal_clients(node, signal.SIGSTOP)
        self.log.info("node paused", node=node)

    def resume(self, node: str) -> None:
        """SIGCONT."""
        if node in self._nodes:
            self._nodes[node].resume()
        else:
            self._signal_clients(node, signal.SIGCONT)
        self.log.info("node resumed", node=node)

    def _signal_clients(self, host: str, number: signal.Signals) -> None:
        for process in self._launched.get(host, ()):
            if process.poll() is None:
                os.killpg(process.pid, number)  # each leads its own group

    def stopped(self, name: str) -> bool:
        """Whether every thread of a node, or of the clients on a client host, is stopped."""
        if name in self._nodes:
            pids = [pid] if (pid := self._nodes[name].pid) is not None else []
        else:
            pids = [process.pid for process in self._launched.get(name, ()) if process.poll() is None]
        return bool(pids) and all(map(stands_still, pids))

    def rule_counts(self, name: str) -> tuple[int, int]:
        """Packets that matched the rules put in force under ``name``, and those on which they acted."""
        rules = self._need_monitor().stats()["rules"]
        counts = [rules[each] for each in self._rules.get(name, ()) if each in rules]
        return sum(one["packets"] for one in counts), sum(one["hits"] for one in counts)

    def flush_held(self) -> int:
        """Let every delayed packet go now."""
        return self._need_monitor().flush()

    def capability(self, kind: type) -> Any:
        """The adapter itself where it has that capability, else None."""
        return self.adapter if isinstance(self.adapter, kind) else None
