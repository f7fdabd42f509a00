"""The doctor's probes: each does one thing that a run needs, in a throw-away child or sandbox, and says what it saw.

A probe returns one line, or raises OSError or RaftmonError. Nothing is changed on the host.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from raftmon.setup import sandbox_init, servers
from raftmon.setup.errors import RaftmonError
from raftmon.setup.firewall import Firewall
from raftmon.setup.namespaces import Network, in_namespace
from raftmon.setup.probing import Probe, ask
from raftmon.setup.sandbox_init import CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER
from raftmon.setup.topology import Topology

__all__ = ["IN_SANDBOX", "OUTSIDE"]

_QUEUE = 0
_TOPOLOGY = Topology.star(2, client_hosts=0)
_LEAST_FREE_MB = 500
_SLOW_SYNC_MS = 50.0
_SYNCS = 20


def _user_flag() -> int:
    """CLONE_NEWUSER where it is needed: not for a root that may make namespaces without."""

    def without() -> str:
        sandbox_init.make_namespaces(CLONE_NEWNET)
        return "made"

    return 0 if os.geteuid() == 0 and ask(Probe("", without)).works else CLONE_NEWUSER


def _user_namespace() -> str:
    if not _user_flag():
        return "not needed: root may make all others"
    sandbox_init.make_namespaces(CLONE_NEWUSER)
    return f"user {os.geteuid()} inside"


def _namespace(flag: int, kind: str) -> Callable[[], str]:
    def do() -> str:
        before = os.readlink(f"/proc/self/ns/{kind}")
        sandbox_init.make_namespaces(flag | _user_flag())
        link = "pid_for_children" if kind == "pid" else kind
        try:
            after = os.readlink(f"/proc/self/ns/{link}")
        except FileNotFoundError:  # pid_for_children has nobody to show before the first child
            after = "new"
        if after == before:
            raise RaftmonError("the kernel agreed, but the namespace is the old one")
        return "made"

    return do


def _private_mounts() -> str:
    sandbox_init.make_namespaces(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | _user_flag())

    def mount() -> str:
        sandbox_init.mount_private()
        return "/proc and /run are private, loopback is up"

    answer = ask(Probe("", mount))
    if not answer.works:
        raise OSError(answer.errno, answer.words)
    return answer.words


def _veth() -> str:
    with Network(_TOPOLOGY) as network:
        return f"two hosts and a router; IPv6 {'too' if network.has_ipv6 else 'is not in this kernel'}"


def _iptables() -> str:
    words, reasons = [], []
    for backend, name in (("iptc", "python-iptables (legacy tables)"), ("restore", "iptables-restore")):
        try:
            with Network(_TOPOLOGY), Firewall(_TOPOLOGY, _QUEUE, backend=backend):  # type: ignore[arg-type]
                words.append(name)
        except RaftmonError as error:
            reasons.append(str(error))
    if not words:
        raise RaftmonError("; ".join(reasons))
    return f"{' and '.join(words)} work{'' if len(words) > 1 else 's'}"


@contextlib.contextmanager
def _queue(judge: Callable[[Any], None]) -> Iterator[Any]:
    try:
        from netfilterqueue import NetfilterQueue
    except ImportError as error:
        raise RaftmonError(f"the Python package NetfilterQueue cannot be loaded ({error}): make install") from error
    queue = NetfilterQueue()
    with Network(_TOPOLOGY), Firewall(_TOPOLOGY, _QUEUE):
        try:
            queue.bind(_QUEUE, judge)
        except OSError as error:
            raise RaftmonError(f"the queue cannot be opened: {error}") from error
        try:
            yield queue
        finally:
            queue.unbind()


def _present(packet: Any) -> None:
    """10.78.x.x -> 10.77.x.x in the destination, the reverse in the source: every checksum stays right."""
    data = bytearray(packet.get_payload())
    data[13] += 1
    data[17] -= 1
    packet.set_payload(bytes(data))
    packet.accept()


def _one_packet() -> str:
    """One datagram through the queue under a presented address."""
    count = 0

    def judge(packet: Any) -> None:
        nonlocal count
        count += 1
        _present(packet)

    target = _TOPOLOGY.host("n2")
    with _queue(judge) as queue:
        with in_namespace("n2"):
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with in_namespace("n1"):
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with server, client:
            server.bind((target.address, 2380))
            server.setblocking(False)
            client.sendto(b"raftmon", (target.presented, 2380))
            _drain(queue, lambda: _received(server))
    return f"{count} packet queued, rewritten and delivered"


def _received(server: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        return bool(server.recv(99))
    return False


def _drain(queue: Any, done: Callable[[], bool]) -> None:
    """Run the queue until ``done``; raises RaftmonError after five seconds without."""
    deadline = time.monotonic() + 5
    with selectors.DefaultSelector() as selector:
        selector.register(queue.get_fd(), selectors.EVENT_READ)
        while not done():
            if time.monotonic() > deadline:
                raise RaftmonError("the packets never arrived")
            if selector.select(0.02):
                queue.run(block=False)


def _tcp() -> str:
    """A TCP connection under a presented address, both directions rewritten, 100 exchanges."""
    target = _TOPOLOGY.host("n2")
    finished: list[float] = []
    with _queue(_present) as queue:
        with in_namespace("n2"):
            listening = socket.create_server((target.address, 2380))

        def serve() -> None:
            with listening, listening.accept()[0] as accepted:
                while data := accepted.recv(99):
                    accepted.sendall(data)

        def exchange() -> None:
            with in_namespace("n1"):
                client = socket.create_connection((target.presented, 2380), timeout=5)
            with client:
                began = time.monotonic()
                for _ in range(100):
                    client.sendall(b"raftmon")
                    client.recv(99)
                finished.append((time.monotonic() - began) * 1e6 / 100)

        threads = [threading.Thread(target=job, daemon=True) for job in (serve, exchange)]
        for thread in threads:
            thread.start()
        _drain(queue, lambda: not threads[1].is_alive())
    if not finished:
        raise RaftmonError("the connection under the presented address failed")
    return f"rewritten both ways, {finished[0]:.0f} us a round trip"


def _server() -> str:
    there = [binary.spec for _, binary in servers.available() if binary is not None]
    if not there:
        raise RaftmonError("no server binary is installed")
    return f"{', '.join(there)} in {servers.cache_folder()}"


def _disk() -> str:
    free_mb = shutil.disk_usage(".").free // 1_000_000
    with tempfile.NamedTemporaryFile(dir=".", prefix=".raftmon-doctor-") as file:
        began = time.monotonic()
        for _ in range(_SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
        sync_ms = (time.monotonic() - began) * 1000 / _SYNCS
    if free_mb < _LEAST_FREE_MB:
        raise OSError(errno.ENOSPC, f"{free_mb} MB free in {Path.cwd()}")
    if sync_ms > _SLOW_SYNC_MS:
        raise RaftmonError(f"one fdatasync takes {sync_ms:.0f} ms in {Path.cwd()}: elections will come from the disk")
    return f"{free_mb / 1000:.0f} GB free, {sync_ms:.1f} ms an fdatasync"


OUTSIDE: tuple[Probe, ...] = (
    Probe("user namespace", _user_namespace),
    Probe("network namespace", _namespace(CLONE_NEWNET, "net")),
    Probe("mount namespace", _namespace(CLONE_NEWNS, "mnt")),
    Probe("pid namespace", _namespace(CLONE_NEWPID, "pid")),
    Probe("private mounts", _private_mounts),
    Probe("server binary", _server, essential=False),
    Probe("disk", _disk, essential=False),
)
IN_SANDBOX: tuple[Probe, ...] = (
    Probe("veth pairs", _veth),
    Probe("iptables", _iptables),
    Probe("NFQUEUE", _one_packet),
    Probe("presented TCP", _tcp),
)
