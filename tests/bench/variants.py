"""The things compared: each puts its queue program between the nodes for the length of a ``with`` block."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.control.client import wait_until_ready
from raftmon.setup.firewall import Firewall
from raftmon.setup.topology import Topology

QUEUE = 0
NODES = 5
PRESENTED = Topology.star(NODES)
TRANSPARENT = Topology.star(NODES, transparent=True)


@dataclass(frozen=True)
class Variant:
    """``kind``: none, raftmon, or the program's name. ``topology`` says which addresses the ends use.

    ``measured``: what is measured of it, of rtt, bulk, etcd (data on tmpfs), disk (etcd with its data on
    the disk) and fuse (the same under raftmon's own filesystem, as with disk faults).
    """

    key: str
    words: str
    kind: str
    topology: Topology
    rules: tuple[str, ...] = ()
    measured: frozenset[str] = frozenset({"rtt", "bulk"})
    decode: str | None = None


_ALL = frozenset({"rtt", "bulk", "etcd", "disk"})
OTHER_LINKS = tuple(
    f"n{3 + number % 3}->n{3 + (number + 1) % 3} port {10_000 + number} drop 50%" for number in range(1_000)
)
THIS_LINK = tuple(f"n{1 + number % 2}<->n{2 - number % 2} port {20_000 + number} drop" for number in range(10))

VARIANTS = (
    Variant("a_no_queue", "no queue", "none", TRANSPARENT, measured=_ALL),
    Variant("b_c_loop", "C accept loop", "accept_loop", TRANSPARENT, measured=_ALL),
    Variant("c_raftmon", "raftmon, recording", "raftmon", PRESENTED, measured=_ALL),
    Variant("d_raftmon_1000_rules_elsewhere", "raftmon, 1,000 rules on other links", "raftmon", PRESENTED, OTHER_LINKS),
    Variant("e_raftmon_10_rules_here", "raftmon, 10 rules on this link", "raftmon", PRESENTED, THIS_LINK),
    Variant("f_scapy_loop", "NetfilterQueue + scapy", "scapy_loop", TRANSPARENT),
    Variant(
        "g_raftmon_run",
        "raftmon as in raftmon run: decoding",
        "raftmon",
        PRESENTED,
        measured=frozenset({"etcd", "disk"}),
        decode="etcd",
    ),
    Variant("h_own_disks", "nodes on raftmon's filesystem", "none", TRANSPARENT, measured=frozenset({"disk", "fuse"})),
)


@contextlib.contextmanager
def between(variant: Variant, programs: Path, folder: Path) -> Iterator[dict]:
    """The variant's program at work, its process id under ``pid``; after the block ``counters`` are raftmon's."""
    found: dict = {}
    if variant.kind == "none":
        yield found
        return
    with Firewall(variant.topology, QUEUE):
        if variant.kind == "raftmon":
            with _raftmon(variant, folder, found):
                yield found
            return
        argv = [str(programs / "accept_loop"), str(QUEUE)]
        if variant.kind == "scapy_loop":
            argv = [sys.executable, str(Path(__file__).with_name("scapy_loop.py")), str(QUEUE)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n", f"{argv[0]} did not start"
                found["pid"] = process.pid
                yield found
            finally:
                process.kill()


@contextlib.contextmanager
def _raftmon(variant: Variant, folder: Path, found: dict) -> Iterator[None]:
    config = MonitorConfig.of_topology(
        variant.topology,
        folder,
        monotonic_ns=time.monotonic_ns(),
        wall_ns=time.time_ns(),
        queue=QUEUE,
        rules=variant.rules,
        decode=variant.decode,
    )
    path = folder / "monitor-config.json"
    path.write_bytes(config.to_json())
    process = subprocess.Popen([sys.executable, "-m", "raftmon.monitor", str(path)])
    try:
        client = wait_until_ready(folder / "monitor.sock", "bench", 30, lambda: process.poll() is None)
        found["pid"] = process.pid
        yield
        client.stop()
        process.wait(90)
        found["counters"] = orjson.loads((folder / "monitor.json").read_bytes())
    finally:
        process.kill()
        process.wait()
        for record in ("packets.pcapng", "messages.sqlite"):
            (folder / record).unlink(missing_ok=True)
