"""A router, its hosts and a real monitor for the tests of this folder; inside a sandbox only."""

import contextlib
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import orjson

from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.control.client import wait_until_ready
from raftmon.setup.firewall import Firewall
from raftmon.setup.namespaces import Network, in_namespace
from raftmon.setup.topology import Topology

PORT = 2380


def until(condition, timeout_s=15.0):
    """Wait until ``condition()`` is true, and give its value."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{condition} did not come true in {timeout_s} s"
        time.sleep(0.005)
    return value


class Live:
    """``nodes`` hosts around a monitored router; ``client`` talks to the monitor."""

    def __init__(self, folder: Path, nodes=2, transparent=False, **options):
        self.folder = folder
        self.topology = Topology.star(nodes, 1, transparent=transparent)
        self.options = options
        self._stack = contextlib.ExitStack()
        self.process = None

    def __enter__(self):
        self.network = self._stack.enter_context(Network(self.topology))
        self._stack.enter_context(Firewall(self.topology, 0, ipv6=self.network.has_ipv6))
        config = MonitorConfig.of_topology(
            self.topology, self.folder, monotonic_ns=time.monotonic_ns(), wall_ns=time.time_ns(), **self.options
        )
        path = self.folder / "monitor-config.json"
        path.write_bytes(config.to_json())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "raftmon.monitor", path], stderr=subprocess.PIPE, text=True
        )
        self._stack.callback(self._end)
        self.client = wait_until_ready(self.folder / "monitor.sock", "test", 15, lambda: self.process.poll() is None)
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def finish(self):
        """Stop the monitor; its counters."""
        self.client.stop()
        assert self.process.wait(30) == 0
        return orjson.loads((self.folder / "monitor.json").read_bytes())

    def recorder_pid(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        (pid,) = [
            int(pid) for pid in children if b"raftmon.monitor.recorder" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        return pid

    def connect(self, source="n1", target="n2", port=PORT, timeout_s=10.0):
        """A TCP connection from ``source`` to the address its peers know ``target`` under; both ends."""
        node = self.topology.host(target)
        with in_namespace(target):
            listening = socket.create_server((node.address, port))
        with listening:
            with in_namespace(source):
                dialled = socket.create_connection((node.presented, port), timeout=timeout_s)
            accepted, _ = listening.accept()
        for end in (dialled, accepted):
            end.settimeout(timeout_s)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return dialled, accepted

    def kernel_counter(self, host, section, name):
        """One counter of ``/proc/net/snmp`` or ``netstat`` in a host's namespace."""
        with in_namespace(host):
            text = Path("/proc/thread-self/net/snmp").read_text() + Path("/proc/thread-self/net/netstat").read_text()
        rows = [line.split() for line in text.splitlines() if line.startswith(f"{section}:")]
        return int(rows[1][rows[0].index(name)])

    def packets(self, *fields, where=""):
        """The record as tshark reads it: one tuple a packet."""
        return tshark(self.folder / "packets.pcapng", *fields, where=where)


def tshark(path, *fields, where=""):
    command = ["tshark", "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-T", "fields"]
    command += ["-Y", where] if where else []
    for field in fields:
        command += ["-e", field]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return [tuple(line.split("\t")) for line in found.stdout.splitlines()]


def echo(accepted):
    """Send back, on a thread, what arrives."""

    def serve():
        with contextlib.suppress(OSError):
            while data := accepted.recv(1 << 16):
                accepted.sendall(data)
            accepted.shutdown(socket.SHUT_WR)

    threading.Thread(target=serve, daemon=True).start()


def exchange(dialled, data):
    """Send ``data`` and read as much back."""
    dialled.sendall(data)
    got = b""
    while len(got) < len(data):
        piece = dialled.recv(1 << 16)
        assert piece, "the other end hung up"
        got += piece
    return got


def retransmitted(connection):
    """How many segments a connection has retransmitted (tcp_info.tcpi_total_retrans)."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("I", info, 100)[0]
