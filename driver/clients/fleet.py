"""All client hosts of a run, as the driver holds them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raftmon.adapters.hooks import hooks, nodes_needed
from raftmon.adapters.systems import system
from raftmon.driver.clients.config import HostConfig
from raftmon.driver.clients.host_process import HostProcess
from raftmon.driver.clients.latency import percentile_ms
from raftmon.driver.clients.plan import ClientPlan
from raftmon.driver.workloads.workloads import workload
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.python import module_command
from raftmon.setup.topology import NODE_NET, Host, Topology

__all__ = ["ClientFleet", "FleetConfig", "FleetStats", "Launch", "NodeCounts"]

Launch = Callable[..., "subprocess.Popen[bytes]"]  # launch(host_name, argv, **popen_kwargs)
_JOIN_SLACK_S = 5.0


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """Where the clients of a run are, and what they do.

    The plan's slots are spread evenly over the topology's client hosts and over the nodes that they talk to.
    ``folder`` is the run's: the history and the hosts' own files go there.
    """

    topology: Topology
    folder: Path
    history: Path
    plan: ClientPlan

    def hosts(self) -> list[HostConfig]:
        """One configuration a client host. Raises InputError for what cannot be run."""
        plan = self.plan
        names = [host.name for host in self.topology.clients]
        if not names or plan.slots < len(names):
            raise InputError(f"{plan.slots} clients on {len(names)} client hosts: every host needs at least one client")
        adapter = system(plan.system, plan.options)
        if hooks(adapter).one_host and len(names) > 1:
            raise InputError(f"the system {plan.system} lives inside one client host: use --client-hosts 1")
        workload(plan.workload, plan.parameters)
        nodes = self.topology.nodes
        if not nodes:
            if nodes_needed(adapter):
                raise InputError(f"the system {plan.system} needs at least one node")
            nodes = (Host(adapter.name, 0, NODE_NET),)  # for the history; nobody talks to it
        targets = plan.targets([node.name for node in nodes])
        return [
            HostConfig(
                host=name,
                host_number=number,
                hosts=len(names),
                slots=(mine := list(range(number, plan.slots, len(names)))),
                targets={slot: targets[slot % len(targets)] for slot in mine},
                nodes=nodes,
                history=str(self.history),
                folder=str(self.folder),
                plan=plan,
            )
            for number, name in enumerate(names)
        ]


@dataclass(slots=True)
class NodeCounts:
    """What the clients of one node saw since the start. ``last_ok_ns`` is 0 if nothing was ok yet."""

    ok: int = 0
    fail: int = 0
    info: int = 0
    last_ok_ns: int = 0


@dataclass(slots=True)
class FleetStats:
    """Counts since the start; rate and latencies (of ok operations, ms, None if there were none) of late.

    ``p50_ms`` and ``p99_ms`` are those of the newest report of each host (about 0.5 s), ``all_*`` of the whole run.
    """

    ok: int = 0
    fail: int = 0
    info: int = 0
    ok_per_s: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None
    all_p50_ms: float | None = None
    all_p99_ms: float | None = None
    nodes: dict[str, NodeCounts] = field(default_factory=dict)
    open: int = 0


class ClientFleet:
    """The client hosts: ``start``, ``wait_connected``, ``begin``, then ``stats`` at will, ``stop`` and ``join``.

    Every method may raise RaftmonError, with the last words of the host that failed. ``close`` never raises.
    """

    def __init__(self, config: FleetConfig, launch: Launch) -> None:
        self._config = config
        self._host_configs = config.hosts()
        self._launch = launch
        self._hosts: list[HostProcess] = []
        self._deadline_ns = 0

    def start(self) -> None:
        """Start the processes; each connects its clients immediately."""
        folder = self._config.folder / "clients"
        folder.mkdir(parents=True, exist_ok=True)
        for config in self._host_configs:
            file, log = folder / f"{config.host}.json", folder / f"{config.host}.log"
            config.save(file)
            with log.open("ab") as errors:
                process = self._launch(
                    config.host,
                    module_command("raftmon.driver.clients", str(file)),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"},
                )
            self._hosts.append(HostProcess(config, process, log))

    def wait_connected(self, timeout_s: float | None = None, check: Callable[[], None] = lambda: None) -> None:
        """Wait until every client had an answer from its node (the hosts' own time-out is ``connect_timeout_s``).

        ``check`` is called a few times a second and may raise.
        """
        limit_s = self._config.plan.connect_timeout_s + _JOIN_SLACK_S if timeout_s is None else timeout_s
        end = time.monotonic() + limit_s
        for host in self._hosts:
            while not host.connected.wait(min(0.25, max(0.0, end - time.monotonic()))) and time.monotonic() < end:
                check()
            if not host.connected.is_set():
                raise RaftmonError(f"client host {host.config.host} was not connected within {limit_s:g} s")
            host.check()

    def begin(self, at_ns: int, duration_s: float) -> None:
        """Let all clients begin at the same moment, ``at_ns`` (CLOCK_MONOTONIC), and end ``duration_s`` later."""
        self._deadline_ns = at_ns + int(duration_s * 1e9)
        self._tell({"op": "begin", "at_ns": at_ns, "duration_s": duration_s})

    def stats(self) -> FleetStats:
        """What was seen so far (up to half a second old)."""
        self._check()
        return self._counted()

    def _counted(self) -> FleetStats:
        total = FleetStats()
        recent: dict[int, int] = {}
        everything: dict[int, int] = {}
        for host in self._hosts:
            with host.lock:
                for name, counts in host.nodes.items():
                    node = total.nodes.setdefault(name, NodeCounts())
                    node.ok += counts["ok"]
                    node.fail += counts["fail"]
                    node.info += counts["info"]
                    node.last_ok_ns = max(node.last_ok_ns, counts["last_ok_ns"])
                if host.interval_s:
                    total.ok_per_s += sum(host.recent.values()) / host.interval_s
                for whole, part in ((recent, host.recent), (everything, host.latencies)):
                    for number, count in part.items():
                        whole[number] = whole.get(number, 0) + count
                total.open += host.open
        for node in total.nodes.values():
            total.ok, total.fail, total.info = total.ok + node.ok, total.fail + node.fail, total.info + node.info
        total.p50_ms, total.p99_ms = percentile_ms(recent, (0.5, 0.99))
        total.all_p50_ms, total.all_p99_ms = percentile_ms(everything, (0.5, 0.99))
        return total

    def stop(self) -> None:
        """No new operation from now on; those in flight end within their time-out or stay open."""
        self._deadline_ns = time.monotonic_ns()
        self._tell({"op": "stop"})

    def end_within(self, seconds: float) -> FleetStats:
        """Stop, kill the hosts that have not ended after so long, and return the last counts. Never raises."""
        end_s = time.monotonic() + seconds
        with contextlib.suppress(RaftmonError):
            self.stop()
        for host in self._hosts:
            host.ended.wait(max(0.0, end_s - time.monotonic()))
        self.close()
        return self._counted()

    def join(self) -> FleetStats:
        """Wait until all hosts have ended, kill those that do not, and return the last counts."""
        end_s = self._deadline_ns / 1e9 + self._config.plan.op_timeout_s + _JOIN_SLACK_S
        for host in self._hosts:
            host.ended.wait(max(0.1, end_s - time.monotonic()))
            host.check()
            try:
                host.process.wait(1.0)
            except subprocess.TimeoutExpired:
                self.close()
                raise RaftmonError(f"client host {host.config.host} did not end in time and was killed") from None
        return self.stats()

    def close(self) -> None:
        """Kill what still runs. Never raises; may be called twice."""
        for host in self._hosts:
            with contextlib.suppress(OSError):
                if host.process.poll() is None:
                    host.process.kill()
                host.process.wait(5)
            for stream in (host.process.stdin, host.process.stdout):
                if stream is not None and host.ended.wait(1):
                    with contextlib.suppress(OSError):
                        stream.close()

    def pids(self) -> Sequence[int]:
        """The processes, in order of the hosts."""
        return [host.process.pid for host in self._hosts]

    def _tell(self, order: dict[str, Any]) -> None:
        self._check()
        for host in self._hosts:
            host.tell(order)

    def _check(self) -> None:
        for host in self._hosts:
            host.check()
