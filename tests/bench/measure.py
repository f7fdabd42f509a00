"""Single measurements: round trips, bulk, etcd puts. Each gives plain numbers in the units of their names."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from raftmon.adapters.etcd import CLIENT_PORT, EtcdAdapter
from raftmon.adapters.start_in_turn import start_in_turn
from raftmon.driver.cluster.disks import Disks
from raftmon.setup.namespaces import Network
from raftmon.setup.nodes import NodeProcess
from raftmon.setup.servers import resolve
from raftmon.setup.topology import Host, Topology

PORT = 5000
_SEGMENT_BYTES = 1448  # the payload of a full TCP segment at an MTU of 1500
_READY_S = 60.0


def _quantiles(nanoseconds: Any, unit_ns: float) -> dict[str, float]:
    values = np.asarray(nanoseconds, dtype=float) / unit_ns
    return {
        "p50": round(float(np.percentile(values, 50)), 2),
        "p99": round(float(np.percentile(values, 99)), 2),
        "max": round(float(values.max()), 2),
    }


def run(network: Network, host: str, *argv: str) -> str:
    """What a program prints that runs on a host to its end."""
    process = network.popen(host, argv, stdout=subprocess.PIPE, text=True)
    text, _ = process.communicate()
    assert process.returncode == 0, f"{' '.join(argv)} ended with {process.returncode}"
    return text


@contextlib.contextmanager
def server(network: Network, programs: Path, node: Host) -> Iterator[int]:
    """The other end of the traffic, on ``node``; its process id."""
    argv = [str(programs / "traffic"), "serve", node.address, str(PORT)]
    process = network.popen(node.name, argv, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def round_trips(network: Network, programs: Path, target: Host, size: int, count: int) -> dict[str, float]:
    """RTT of ``count`` exchanges of ``size`` bytes between n1 and ``target``: p50, p99, max in microseconds."""
    traffic = str(programs / "traffic")
    run(network, "n1", traffic, "ping", target.presented, str(PORT), str(size), "200")  # everything is warm after this
    text = run(network, "n1", traffic, "ping", target.presented, str(PORT), str(size), str(count))
    return _quantiles(text.split(), 1e3)


@contextlib.contextmanager
def one_processor(pids: Iterable[int]) -> Iterator[None]:
    """``pids``, and whatever this process starts meanwhile, on one processor.

    Left alone, the scheduler puts the ends of a ping-pong on one processor or on two, as it happens, and waking the
    other one costs several times what is measured here.
    """
    threads = (*pids, os.getpid())  # the first thread of each; those it starts take after it
    before = {thread: os.sched_getaffinity(thread) for thread in threads}
    chosen = {min(os.sched_getaffinity(0))}
    for thread in threads:
        os.sched_setaffinity(thread, chosen)
    try:
        yield
    finally:
        for thread, processors in before.items():
            os.sched_setaffinity(thread, processors)


def bulk(network: Network, programs: Path, target: Host, milliseconds: int) -> dict[str, float]:
    """One TCP stream at full speed: MB/s, and full segments a second."""
    text = run(network, "n1", str(programs / "traffic"), "bulk", target.presented, str(PORT), str(milliseconds))
    total, taken_ns = map(int, text.split())
    per_second = total / taken_ns * 1e9
    return {"mb_per_s": round(per_second / 1e6, 1), "packets_per_s": round(per_second / _SEGMENT_BYTES)}


@contextlib.contextmanager
def etcd_members(
    network: Network, topology: Topology, place: Path, own_disks: bool = False
) -> Iterator[tuple[EtcdAdapter, Topology]]:
    """Three fresh members that serve, their data under ``place``: how they are spoken to, and where they are.

    With ``own_disks`` each member's data lie on raftmon's filesystem (FUSE), as in a run with disk faults.
    """
    cluster = Topology(topology.nodes[:3], topology.clients)
    adapter = EtcdAdapter({"server": str(resolve("etcd").path)})
    folder = Path(tempfile.mkdtemp(prefix=".raftmon-bench-", dir=place.resolve()))
    nodes: dict[str, NodeProcess] = {}
    disks = Disks("bench")
    try:
        for host in cluster.nodes:
            (folder / host.name).mkdir()
            command = adapter.command(host, cluster, folder / host.name)
            if own_disks:
                disks.open(host.name, command.data)
            popen = functools.partial(network.popen, host.name)
            nodes[host.name] = NodeProcess(host.name, command.argv, command.env, folder / host.name, popen)
        start_in_turn(adapter, cluster.nodes, lambda host: nodes[host.name].start())
        for host in cluster.nodes:
            nodes[host.name].wait_ready(functools.partial(adapter.ready, host, cluster, 1.0), _READY_S)
        yield adapter, cluster
    finally:
        for node in nodes.values():
            node.kill()
        disks.close()
        shutil.rmtree(folder)


def etcd_puts(
    network: Network, programs: Path, topology: Topology, milliseconds: int, place: Path, own_disks: bool = False
) -> dict[str, Any]:
    """Puts to the leader of three fresh members, whose data lie under ``place``, by 1 and by 8 clients: puts/s, and
    p50, p99 in ms. ``own_disks``: see ``etcd_members``."""
    with etcd_members(network, topology, place, own_disks) as (adapter, cluster):
        leader = _leader(adapter, cluster)
        found = {}
        for clients in (1, 8):
            put = [str(programs / "traffic"), "put", leader.address, str(CLIENT_PORT), str(clients)]
            run(network, "c1", *put, "300")
            taken = run(network, "c1", *put, str(milliseconds)).split()
            found[f"clients_{clients}"] = {
                "puts_per_s": round(len(taken) / milliseconds * 1e3),
                **{f"{name}_ms": value for name, value in _quantiles(taken, 1e6).items()},
            }
        return found


def sync_ms(place: Path) -> float:
    """How long a file of 2 kB more takes to be on the disk there: the median of 50 fdatasync, which etcd does too."""
    taken = []
    with tempfile.TemporaryFile(dir=place) as file:
        for _ in range(50):
            begun = time.perf_counter_ns()
            os.write(file.fileno(), bytes(2048))
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter_ns() - begun)
    return _quantiles(taken, 1e6)["p50"]


def _leader(adapter: EtcdAdapter, cluster: Topology) -> Host:
    for host in cluster.nodes:
        leadership = adapter.leadership(host, 5.0)
        if leadership is not None and leadership.leads:
            return host
    raise AssertionError("three ready members have no leader")
