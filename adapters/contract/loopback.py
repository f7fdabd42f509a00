"""A whole cluster on the loopback interface of the network namespace it is in. Never to be used on a host's own."""

from __future__ import annotations

import errno
import time
from pathlib import Path
from types import TracebackType

from pyroute2 import IPRoute, NetlinkError

from raftmon.adapters.base import Adapter
from raftmon.adapters.hooks import nodes_needed
from raftmon.adapters.start_in_turn import start_in_turn
from raftmon.setup.errors import RaftmonError
from raftmon.setup.nodes import NodeProcess
from raftmon.setup.sandbox import inside
from raftmon.setup.topology import Host, Topology

__all__ = ["RELAY", "LoopbackCluster"]

RELAY = Host("relay", 0, "10.80")  # where a relay may listen, for a client that takes it for a node
_READY_S = 30.0


class LoopbackCluster:
    """Starts ``nodes`` nodes of a system under their real addresses; a context manager. Only inside the sandbox."""

    def __init__(self, adapter: Adapter, nodes: int, folder: Path) -> None:
        if not inside():
            raise RaftmonError(
                "a loopback cluster may be started inside the sandbox only (raftmon.setup.sandbox.enter)"
            )
        self.adapter = adapter
        self.topology = Topology.star(nodes, transparent=True)
        self._folder = folder
        self._processes: dict[str, NodeProcess] = {}

    def __enter__(self) -> LoopbackCluster:
        self._add_addresses()
        if not nodes_needed(self.adapter):
            return self
        for node in self.topology.nodes:
            home = self._folder / node.name
            home.mkdir(parents=True, exist_ok=True)
            command = self.adapter.command(node, self.topology, home)
            self._processes[node.name] = NodeProcess(node.name, command.argv, command.env, home)
        try:
            start_in_turn(self.adapter, self.topology.nodes, lambda node: self._processes[node.name].start())
            for node in self.topology.nodes:
                self.wait_ready(node)
        except BaseException:
            self._kill_all()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill_all()

    def _kill_all(self) -> None:
        for process in self._processes.values():
            process.kill()

    def _add_addresses(self) -> None:
        with IPRoute() as route:
            loopback = route.link_lookup(ifname="lo")[0]
            route.link("set", index=loopback, state="up")
            for address in (RELAY.address, *(node.address for node in self.topology.nodes)):
                try:
                    route.addr("add", index=loopback, address=address, prefixlen=32)
                except NetlinkError as error:
                    if error.code != errno.EEXIST:
                        raise RaftmonError(f"cannot put {address} on the loopback interface: {error}") from error

    def wait_ready(self, node: Host) -> None:
        """Wait until the node says that it serves; raises RaftmonError with the tail of its log otherwise."""
        self._processes[node.name].wait_ready(lambda: self.adapter.ready(node, self.topology, 1.0), _READY_S)

    def kill(self, node: Host) -> None:
        """SIGKILL."""
        self._processes[node.name].kill()

    def start(self, node: Host) -> None:
        """Start it again on its own data, and wait until it serves."""
        self._processes[node.name].start()
        self.wait_ready(node)

    def pause(self, node: Host) -> None:
        """SIGSTOP; returns when every thread has stopped (those on other processors go on for a moment)."""
        process = self._processes[node.name]
        process.pause()
        while process.pid is not None and not _all_stopped(process.pid):
            time.sleep(0.001)

    def resume(self, node: Host) -> None:
        """SIGCONT."""
        self._processes[node.name].resume()


def _all_stopped(pid: int) -> bool:
    """Whether every thread is in state T (proc_pid_stat(5))."""
    stats = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat"))
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)
