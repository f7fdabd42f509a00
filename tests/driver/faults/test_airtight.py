"""Partitions are airtight: what tcpdump sees on the veths, not what we say of ourselves."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raftmon.driver.faults.base import Effect
from raftmon.driver.faults.links import PARTITIONS
from raftmon.driver.testing.waiting import eventually
from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.packets.view import PacketView
from raftmon.setup.topology import Link
from tests.driver.faults.tcpdump import tcpdump

pytestmark = [pytest.mark.cluster(nodes=5), pytest.mark.servers]

GRACE_NS = 50_000_000
"""What was on its way when the cut was ordered may still arrive for so long."""
HELD_S = 4.5
"""Long enough for new connections, pipelines and probes: etcd dials ten times a second and probes every 4 s."""
BRIEFLY_S = 1.5
"""For the kinds after the first: streams are dialled again."""
WRITE_EVERY_S = 0.02
"""Of each writer: enough to say, and no more than tcpdump can keep up with on a busy machine."""
PAYLOAD = "tcp and ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0"
KINDS = [kind for kind in PARTITIONS if kind != "client-from-node"]


@contextlib.contextmanager
def working(cluster: Any) -> Iterator[None]:
    """Writes through every node all the time, so that everybody has something to say to everybody."""
    over = threading.Event()

    def write(node: str) -> None:
        client = cluster.inner.adapter.connect(cluster.inner.topology.host(node), 0.5)
        number = 0
        while not over.wait(WRITE_EVERY_S):
            number += 1
            with contextlib.suppress(Exception):
                client.write(f"key-{node}", number)
        client.close()

    threads = [threading.Thread(target=write, args=(node,)) for node in cluster.nodes]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def deliveries(file: Path, target: str) -> Iterator[tuple[int, Link]]:
    """(UTC ns, link) of every TCP segment with payload that left the router for ``target``."""
    for packet in read_capture(file):
        view = PacketView(packet.data)
        if view.protocol == 6 and view.payload_size and view.source_address.startswith("10.78."):
            yield packet.time_ns, Link(f"n{view.source_address.split('.')[2]}", target)


def test_no_payload_crosses_a_cut_from_50_ms_after_its_start_until_its_heal(cluster, monitor, tmp_path: Path):
    offset_ns = time.time_ns() - time.monotonic_ns()
    cuts: list[tuple[str, Effect, int, int]] = []
    with contextlib.ExitStack() as sniffers:
        files = {}
        for node in cluster.inner.topology.nodes:
            files[node.name] = tmp_path / f"{node.name}.pcap"
            sniffers.enter_context(tcpdump(node.router_interface, files[node.name], "out", PAYLOAD))
        with working(cluster):
            for kind in KINDS:
                cluster.wait_healthy()
                before = monitor.stats()["dropped"]
                with cluster.fault(kind) as effect:
                    started_ns = time.monotonic_ns()
                    time.sleep(HELD_S if kind == "full-partition" else BRIEFLY_S)
                    eventually(lambda before=before: monitor.stats()["dropped"] > before + 20, "packets to drop")
                    ended_ns = time.monotonic_ns()
                cuts.append((kind, effect, started_ns + offset_ns, ended_ns + offset_ns))
            cluster.wait_healthy()
    seen = [delivery for name, file in files.items() for delivery in deliveries(file, name)]
    assert {link for _, link in seen} == set(cluster.inner.topology.peer_links())
    for kind, effect, start_ns, end_ns in cuts:
        through = [link for time_ns, link in seen if start_ns + GRACE_NS < time_ns < end_ns and link in effect.links]
        assert not through, f"{kind}: {len(through)} segments crossed, over {set(map(str, through))}"
        uncut = [link for time_ns, link in seen if start_ns < time_ns < end_ns and link not in effect.links]
        assert uncut, f"{kind}: the other links were silent too, so nothing was shown"
