"""Bringing a cluster up, and down again: network, firewall, monitor, disks and nodes, as one.

``Cluster`` (cluster.py) adds what faults and tests do to it while it runs.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from raftmon.adapters.base import Adapter
from raftmon.adapters.start_in_turn import start_in_turn
from raftmon.adapters.systems import system, with_server
from raftmon.driver.cluster.disks import Disks
from raftmon.driver.cluster.leadership import LeaderFinder
from raftmon.driver.cluster.monitor_process import QUEUE_NUM, READY_TIMEOUT_S, MonitorProcess
from raftmon.driver.cluster.options import ClusterOptions
from raftmon.driver.run_folder import RunFolder
from raftmon.monitor.control.client import MonitorClient
from raftmon.monitor.control.node_signals import start_ticks
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.eventlog import EventLog, open_event_log
from raftmon.setup.firewall import Firewall
from raftmon.setup.namespaces import Network
from raftmon.setup.nodes import NodeProcess
from raftmon.setup.topology import Host, Topology

__all__ = ["StartedCluster"]


class StartedCluster:
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

    def __enter__(self) -> Self:
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
        """The adapter that starts a node: with its own server where it has one."""
        spec = self._servers.get(node)
        if spec is None:
            return self.adapter
        if spec not in self._adapters:  # one for all nodes with that server: an adapter may keep a thread
            options = with_server(self.system, spec, self.options.system_options)
            self._adapters[spec] = system(self.system, options)
        return self._adapters[spec]

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
            for other in self.topology.nodes:  # nor does it help to wait for those whose peers have ended
                self._nodes[other.name].wait_ready(lambda: True, 0.0)
            return self.adapter.ready(node, self.topology, 1.0)

        for node in self.topology.nodes:
            self._nodes[node.name].wait_ready(partial(serves, node), max(1.0, deadline - time.monotonic()))

    @property
    def system(self) -> str:
        """What the adapter is made of: a name, or the path of a file."""
        return self.options.system or self.adapter.name

    def alive(self) -> Sequence[str]:
        """The nodes whose process runs."""
        return [name for name, process in list(self._nodes.items()) if process.alive]

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
