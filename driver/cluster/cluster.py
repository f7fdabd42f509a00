"""One running cluster: the network, the firewall, the monitor and the nodes, up and down as one.

Used by ``raftmon run`` and by the fixtures of the pytest plugin. It must be entered inside the sandbox.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from raftmon.adapters.base import Adapter
from raftmon.adapters.capabilities import Leadership, start_in_turn
from raftmon.adapters.systems import system, with_server
from raftmon.driver.cluster.disks import Disks
from raftmon.driver.cluster.leadership import LeaderFinder, LeaderSeen
from raftmon.driver.cluster.monitor_process import QUEUE_NUM, READY_TIMEOUT_S, MonitorProcess
from raftmon.driver.cluster.options import ClusterOptions
from raftmon.driver.run_folder import RunFolder
from raftmon.monitor.control.client import MonitorClient
from raftmon.monitor.control.node_signals import start_ticks
from raftmon.setup.disks.disk import NodeDisk
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.eventlog import EventLog, open_event_log
from raftmon.setup.firewall import Firewall
from raftmon.setup.namespaces import Network
from raftmon.setup.nodes import NodeProcess, stands_still
from raftmon.setup.topology import Host, Topology

__all__ = ["Cluster", "ClusterOptions"]


class Cluster:
    """A context manager; inside it, every node has answered that it is ready. Thread-safe once entered."""

    def __init__(
        self,
        topology: Topology,
        adapter: Adapter,
        folder: RunFolder,
        options: ClusterOptions,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.topology = topology
        self.adapter = adapter
        self.folder = folder
        self.options = options
        self.log: EventLog = open_event_log(folder.events, "driver")
        self.monitor: MonitorClient | None = None
        self.network: Network | None = None
        self._say = say
        self._stack = ExitStack()
        self._nodes: dict[str, NodeProcess] = {}
        self._servers = dict(options.servers)
        self._adapters: dict[str, Adapter] = {}
        self._data: dict[str, Path] = {}
        self._launched: dict[str, list[subprocess.Popen[bytes]]] = {}
        self._monitor_process = MonitorProcess(folder, options, self.log, self._kill_nodes)
        self._rules: dict[str, list[str]] = {}
        self.disks = Disks(options.seed)
        self._down: set[str] = set()
        self._killed_by_rules: set[str] = set()
        self._acts_seen = 0
        self._lock = threading.RLock()
        self._leaders = LeaderFinder(adapter, topology, self.alive, folder.path / "messages.sqlite")

    # -- up and down ---------------------------------------------------------------------------------------------

    def __enter__(self) -> Cluster:
        try:
            self._up()
        except BaseException as error:
            died = self._monitor_process.why_died(error)
            self._stack.close()
            if died is not None:
                raise RaftmonError(died) from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        died = self._monitor_process.why_died(error)
        self._stack.close()
        if died is not None:
            raise RaftmonError(died) from error

    def _up(self) -> None:
        if not self.topology.nodes:
            return
        if self.options.monitored:
            self._monitor_process.launch(self.topology, self.adapter.name)  # its start takes as long as the network's
        try:
            self.network = self._stack.enter_context(Network(self.topology))
            if self.options.monitored:
                traffic = self.options.client_traffic
                self._stack.enter_context(Firewall(self.topology, QUEUE_NUM, client_traffic=traffic))
        finally:
            self._stack.callback(self._monitor_process.stop)
        if self.options.monitored:
            self.monitor = self._monitor_process.wait_until_ready()
        self._say(f"{len(self.topology.nodes)} namespaces, monitor up; starting {self.adapter.name}")
        self._stack.callback(self.disks.close)
        for node in self.topology.nodes:
            self._make_node(node)
        self._stack.callback(self._stop_nodes)
        start_in_turn(self.adapter, self.topology.nodes, lambda node: self._launch(node.name))
        self.wait_ready()

    def _adapter_of(self, node: str) -> Adapter:
        """The adapter that starts a node: with a server of its own where it has one."""
        spec = self._servers.get(node)
        if spec is None:
            return self.adapter
        if spec not in self._adapters:  # one for all nodes with that server: an adapter may keep a thread
            options = with_server(self.system, spec, self.options.system_options)
            self._adapters[spec] = system(self.system, options)
        return self._adapters[spec]

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

    def serves(self, node: str, timeout_s: float) -> bool:
        """Whether a node answers that it serves."""
        return self._adapter_of(node).ready(self.topology.host(node), self.topology, timeout_s)

    def _make_node(self, node: Host, topology: Topology | None = None) -> None:
        folder = self.folder.node(node.name)
        command = self._adapter_of(node.name).command(node, self.topology if topology is None else topology, folder)
        self._data[node.name] = command.data
        network = self.network
        assert network is not None

        def popen(argv: Sequence[str], **keywords: Any) -> subprocess.Popen[bytes]:
            return network.popen(node.name, argv, **keywords)

        if self.options.disks:
            self.disks.open(node.name, command.data)
        self._nodes[node.name] = NodeProcess(node.name, command.argv, command.env, folder, popen)

    def _launch(self, node: str) -> None:
        """Start its process, and tell the monitor which that is: rules may kill or pause it."""
        process = self._nodes[node]
        process.start()
        pid = process.pid
        if self.monitor is not None and pid is not None:
            with contextlib.suppress(OSError, InputError):  # it has ended already
                self.monitor.node(node, pid, start_ticks(pid))

    def _kill_nodes(self) -> None:
        """The monitor died: no phase may wait for nodes that it cut off."""
        for node in list(self._nodes.values()):
            node.kill()

    def _stop_nodes(self) -> None:
        with ThreadPoolExecutor(max_workers=len(self._nodes)) as pool:
            # SIGKILL: a graceful end (etcd hands its leadership over, and waits) would delay the verdict by seconds.
            list(pool.map(lambda process: process.kill(), self._nodes.values()))

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return when every node has said that it serves; raises RaftmonError with the tail of its log otherwise."""
        deadline = time.monotonic() + timeout_s

        def serves(node: Host) -> bool:
            self.check_alive()  # without the monitor they would wait for each other in vain
            return self.adapter.ready(node, self.topology, 1.0)

        for node in self.topology.nodes:
            self._nodes[node.name].wait_ready(partial(serves, node), max(1.0, deadline - time.monotonic()))

    # -- what faults need ----------------------------------------------------------------------------------------

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

    def alive(self) -> Sequence[str]:
        """The nodes whose process runs."""
        return [name for name, process in list(self._nodes.items()) if process.alive]

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
                os.killpg(process.pid, number)  # each leads a group of its own

    def stopped(self, name: str) -> bool:
        """Whether every thread of a node, or of the clients on a client host, stands still."""
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

    @property
    def system(self) -> str:
        """What the adapter is made of: a name, or the path of a file."""
        return self.options.system or self.adapter.name

    def capability(self, kind: type) -> Any:
        """The adapter itself where it has that capability, else None."""
        return self.adapter if isinstance(self.adapter, kind) else None

    # -- for the phases of a run ---------------------------------------------------------------------------------

    def launch(self, host: str, argv: Sequence[str], **keywords: Any) -> subprocess.Popen[bytes]:
        """Start a process on a host of this cluster; on this very machine where the system has no nodes."""
        if self.network is None:
            return subprocess.Popen(argv, **keywords)
        process = self.network.popen(host, argv, **keywords)
        self._launched.setdefault(host, []).append(process)
        return process

    def check_alive(self) -> None:
        """Raise RaftmonError if the monitor died."""
        if (died := self._monitor_process.why_died()) is not None:
            raise RaftmonError(died)
