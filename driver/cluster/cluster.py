"""One running cluster: the network, the firewall, the monitor and the nodes, up and down as one.

Used by ``raftmon run`` and by the fixtures of the pytest plugin. It must be entered inside the sandbox.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from raftmon.adapters.base import Adapter
from raftmon.adapters.capabilities import Leader, Leadership, start_in_turn
from raftmon.driver.cluster.disks import Disks
from raftmon.driver.cluster.leadership import LeaderSeen, WireRecord, newest_leader
from raftmon.driver.run_folder import RunFolder
from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.control.client import MonitorClient, wait_until_ready
from raftmon.monitor.message_rules.triggers import split_waiting
from raftmon.setup.disks.disk import NodeDisk
from raftmon.setup.errors import EXIT_USAGE, InputError, RaftmonError
from raftmon.setup.eventlog import EventLog, open_event_log
from raftmon.setup.firewall import Firewall
from raftmon.setup.namespaces import Network
from raftmon.setup.nodes import NodeProcess
from raftmon.setup.python import module_command
from raftmon.setup.topology import Host, Topology

__all__ = ["Cluster", "ClusterOptions"]

QUEUE_NUM = 0
READY_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How the monitor stands in a cluster.

    ``rules`` are one-line rules in force from the start, ``scripts`` and ``codecs`` paths of user rule files
    and codecs. ``monitored`` False leaves the queue out altogether (for baselines; only with a transparent topology).
    """

    seed: str = "0"
    monitored: bool = True
    client_traffic: bool = False
    rules: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    strict: bool = False
    record: bool = True
    server: str | None = None
    disks: bool = False


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
        self.system = adapter.name
        self.system_options: dict[str, Any] = {}
        self.log: EventLog = open_event_log(folder.events, "driver")
        self.monitor: MonitorClient | None = None
        self.network: Network | None = None
        self._say = say
        self._stack = ExitStack()
        self._nodes: dict[str, NodeProcess] = {}
        self._data: dict[str, Path] = {}
        self._monitor_process: subprocess.Popen[bytes] | None = None
        self._monitor_wanted: subprocess.Popen[bytes] | None = None  # from its start until it is told to end
        self._rules: dict[str, list[str]] = {}
        self.disks = Disks(options.seed)
        self._down: set[str] = set()
        self._lock = threading.RLock()
        self._wire = WireRecord(folder.path / "messages.sqlite")
        self._started_ns: dict[str, int] = {}
        self._asked = threading.local()

    # -- up and down ---------------------------------------------------------------------------------------------

    def __enter__(self) -> Cluster:
        try:
            self._up()
        except BaseException as error:
            died = self._why_monitor_died()
            self._stack.close()
            if died is not None:
                raise RaftmonError(died) from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        died = self._why_monitor_died()
        self._stack.close()
        if died is not None:
            raise RaftmonError(died) from error

    def _up(self) -> None:
        if not self.topology.nodes:
            return
        self.network = self._stack.enter_context(Network(self.topology))
        if self.options.monitored:
            self._stack.enter_context(Firewall(self.topology, QUEUE_NUM, client_traffic=self.options.client_traffic))
            self._start_monitor()
        self._say(f"{len(self.topology.nodes)} namespaces, monitor up; starting {self.adapter.name}")
        self._stack.callback(self.disks.close)
        for node in self.topology.nodes:
            self._make_node(node)
        self._stack.callback(self._stop_nodes)
        start_in_turn(self.adapter, self.topology.nodes, lambda node: self._nodes[node.name].start())
        self.wait_ready()

    def _start_monitor(self) -> None:
        config = MonitorConfig.of_topology(
            self.topology,
            self.folder.path,
            monotonic_ns=time.monotonic_ns(),
            wall_ns=time.time_ns(),
            queue=QUEUE_NUM,
            control=str(self.folder.control_socket),
            seed=self.options.seed,
            rules=tuple(line for line in self.options.rules if split_waiting(line) is None),
            scripts=self.options.scripts,
            codecs=self.options.codecs,
            strict=self.options.strict,
            record=self.options.record,
            decode=self.adapter.name if self.options.record else None,
        )
        path = self.folder.path / "monitor-config.json"
        path.write_bytes(config.to_json())
        errors = self._stack.enter_context((self.folder.path / "monitor.log").open("ab"))
        self._monitor_process = subprocess.Popen(
            [*module_command("raftmon.monitor"), str(path)], stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
        )
        self._stack.callback(self._stop_monitor)
        process = self._monitor_process
        try:
            self.monitor = wait_until_ready(
                self.folder.control_socket, "driver", READY_TIMEOUT_S, lambda: process.poll() is None
            )
        except RaftmonError:
            if process.poll() != EXIT_USAGE:
                raise
            # A rule that cannot be carried out on this system: the user's to change, in the monitor's own words.
            said = (self.folder.path / "monitor.log").read_text().strip().rpartition("raftmon monitor: ")[2]
            raise InputError(said) from None
        self._monitor_wanted = process
        threading.Thread(target=self._watch_monitor, args=(process,), name="monitor-death", daemon=True).start()
        for line in self.options.rules:  # what waits is armed before the first node starts
            if split_waiting(line) is not None:
                self.monitor.add(line)

    def _stop_monitor(self) -> None:
        process, self._monitor_wanted = self._monitor_process, None
        assert process is not None
        if process.poll() is None and self.monitor is not None:
            try:
                self.monitor.stop()
            except RaftmonError:
                process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self.monitor is not None:
            self.monitor.close()

    def _make_node(self, node: Host, topology: Topology | None = None) -> None:
        folder = self.folder.node(node.name)
        command = self.adapter.command(node, self.topology if topology is None else topology, folder)
        self._data[node.name] = command.data
        network = self.network
        assert network is not None

        def popen(argv: Sequence[str], **keywords: Any) -> subprocess.Popen[bytes]:
            return network.popen(node.name, argv, **keywords)

        if self.options.disks:
            self.disks.open(node.name, command.data)
        self._nodes[node.name] = NodeProcess(node.name, command.argv, command.env, folder, popen)

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
        """The node that leads now, as the wire and the nodes themselves show it; None where nobody does."""
        seen = self.leader_seen()
        return seen.node if seen else None

    def leader_witness(self) -> str | None:
        """Whose word this thread's last ``leader`` was, ``wire`` or ``status``; None where there was none."""
        return getattr(self._asked, "witness", None)

    def leader_view(self, timeout_s: float = 1.0) -> tuple[str, int] | None:
        """(leader, term), None where nobody leads or nobody can say."""
        seen = self.leader_seen(timeout_s)
        return (seen.node, seen.term) if seen else None

    def leader_seen(self, timeout_s: float = 1.0) -> LeaderSeen | None:
        """Leader, term and witness: the newer term of the wire's word and that of every living node.

        The nodes are asked as well because the record lags by some 0.1 s: right after a kill or a partition they may
        know more. One that does not answer is waited for ``timeout_s``.
        """
        alive = self.alive()
        said = self.statuses(timeout_s)
        # Read last, so that it is the fresher of the two.
        wire = self._wire.leader({node: self._started_ns.get(node, 0) for node in alive})
        seen = newest_leader(wire, said)
        self._asked.witness = seen.witness if seen else None
        return seen

    def statuses(self, timeout_s: float) -> dict[str, Leadership | None]:
        """What each living node says of itself, None where it does not answer; empty without the capability Leader."""
        capability = self.capability(Leader)
        alive = set(self.alive())
        nodes = [node for node in (*self.topology.nodes, *self.topology.spares) if node.name in alive]
        if capability is None or not nodes:
            return {}
        with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
            views = pool.map(lambda node: capability.leadership(node, timeout_s), nodes)
            return {node.name: view for node, view in zip(nodes, views, strict=True)}

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
        """Let the monitor wait for something on the wire (message_rules/triggers.py); gives the trigger's name."""
        return self._need_monitor().when(trigger)

    def armed(self, name: str) -> dict[str, Any]:
        """What became of a trigger: ``state``, ``fired_ns`` (CLOCK_MONOTONIC), ``message``."""
        return next(one for one in self._need_monitor().triggers() if one["name"] == name)

    def deaths(self) -> list[str]:
        """A sentence for each node that ended by itself since the last call; it stays down."""
        found = []
        for name, process in self._nodes.items():
            if name in self._down or process.alive:
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
        self._started_ns[node] = time.monotonic_ns()  # what it sent in its life before makes it no leader
        self._nodes[node].start()
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

    def disk(self, node: str) -> NodeDisk:
        """The node's disk, in a run that has them."""
        return self.disks.of(node)

    def log_folder(self, node: str) -> Path:
        """The node's data folder."""
        return self._data[node]

    def pause(self, node: str) -> None:
        """SIGSTOP."""
        self._nodes[node].pause()
        self.log.info("node paused", node=node)

    def resume(self, node: str) -> None:
        """SIGCONT."""
        self._nodes[node].resume()
        self.log.info("node resumed", node=node)

    def capability(self, kind: type) -> Any:
        """The adapter itself where it has that capability, else None."""
        return self.adapter if isinstance(self.adapter, kind) else None

    # -- for the phases of a run ---------------------------------------------------------------------------------

    def launch(self, host: str, argv: Sequence[str], **keywords: Any) -> subprocess.Popen[bytes]:
        """Start a process on a host of this cluster; on this very machine where the system has no nodes."""
        if self.network is None:
            return subprocess.Popen(argv, **keywords)
        return self.network.popen(host, argv, **keywords)

    def check_alive(self) -> None:
        """Raise RaftmonError if the monitor died."""
        if (died := self._why_monitor_died()) is not None:
            raise RaftmonError(died)

    def _why_monitor_died(self) -> str | None:
        """What ended the monitor while it was wanted, in words; None where it lives, or was told to end."""
        process = self._monitor_process
        if process is None or self._monitor_wanted is None or process.poll() is None:
            return None
        code = process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        yours = [Path(script).name for script in self.options.scripts]
        blame = f" Your rules run inside it: {', '.join(yours)}." if yours else ""
        tail = (self.folder.path / "monitor.log").read_text(errors="replace")[-2000:].strip()
        return (
            f"the monitor {how} in the middle of the run; from then on the cluster was cut off.{blame} "
            f"The end of monitor.log: {tail or '(empty)'}"
        )

    def _watch_monitor(self, process: subprocess.Popen[bytes]) -> None:
        """A thread: when the monitor dies, the nodes are ended at once, so that no phase waits for them in vain."""
        process.wait()
        if self._monitor_wanted is process:
            self.log.error("monitor died", status=process.returncode)
            for node in list(self._nodes.values()):
                node.kill()
