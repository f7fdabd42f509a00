"""Whole runs of real etcd, with packets captured on the veths by tcpdump, not by us."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from raftmon.adapters.systems import system, with_server
from raftmon.driver.checkers.base import Valid
from raftmon.driver.cluster.cluster import Cluster, ClusterOptions
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run.phases import run
from raftmon.driver.run_folder import RunFolder
from raftmon.driver.testing.waiting import eventually
from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.topology import Topology
from tests.driver.faults.tcpdump import tcpdump

pytestmark = [pytest.mark.net, pytest.mark.servers]


class Quiet:
    """A progress that nobody looks at."""

    def phase(self, text: str) -> None: ...
    def event(self, text: str) -> None: ...
    def began(self, begin_ns: int) -> None: ...
    def work(self, done_s: float, whole_s: float, stats: dict[str, Any]) -> None: ...


def config(**changes: Any) -> RunConfig:
    given = with_server(changes.get("system", "etcd"), None, {})
    settings: dict[str, Any] = {"duration_s": 4.0, "faults": "none", "seed": "1", **given, **changes}
    return RunConfig(**settings)


def identity(packet: bytes) -> bytes:
    """A packet with its addresses made real and its checksums left out: what raftmon may not change."""
    data = bytearray(packet)
    for place in (12, 16):
        if data[place : place + 2] == b"\x0a\x4e":
            data[place + 1] = 0x4D
    data[10:12] = b"\0\0"
    header = (data[0] & 15) * 4
    if data[9] == 6 and len(data) >= header + 18:
        data[header + 16 : header + 18] = b"\0\0"
    return bytes(data[: int.from_bytes(data[2:4], "big")])


def to_peers(packet: bytes) -> bool:
    return packet[16:18] == b"\x0a\x4e"


def captured(files: dict[str, Path]) -> int:
    """How many peer packets tcpdump has written so far; 0 where a file ends in the middle of one."""
    try:
        return sum(to_peers(packet.data) for file in files.values() for packet in read_capture(file))
    except InputError:
        return 0


def monitored(cluster: Cluster) -> int:
    assert cluster.monitor is not None
    return int(cluster.monitor.stats()["packets"])


def test_every_peer_packet_on_the_veths_is_in_packets_pcapng_and_nothing_else_is(tmp_path: Path):
    settings = config()
    topology = Topology.star(3)
    adapter = system("etcd", settings.adapter_options())
    folder = RunFolder.create(tmp_path / "store", "veths")
    captures = {node.name: tmp_path / f"{node.name}.pcap" for node in topology.nodes}
    with contextlib.ExitStack() as sniffers:

        def listen(_said: str) -> None:  # called when the network is up and no node runs yet
            for node in topology.nodes:
                sniffers.enter_context(tcpdump(node.router_interface, captures[node.name]))

        with Cluster(topology, adapter, folder, ClusterOptions(), listen) as cluster:
            client = adapter.connect(topology.nodes[0], 5.0)
            for number in range(200):
                client.write("key", number)
            client.close()
            for node in topology.nodes:
                cluster.kill(node.name)
            # The dead nodes' kernels go on repeating their last words, as nobody answers: what the monitor had until
            # now is compared, once tcpdump has written at least as much and what came after it too.
            until_ns = time.time_ns()
            for _ in range(2):
                had = monitored(cluster)
                eventually(lambda had=had: captured(captures) >= had, "tcpdump having what the monitor had")
            sniffers.close()
    seen = Counter(
        identity(packet.data) for file in captures.values() for packet in read_capture(file) if to_peers(packet.data)
    )
    recorded = Counter(identity(packet.data) for packet in read_capture(folder.packets))
    assert sum(seen.values()) > 1000
    assert seen - recorded == Counter(), "packets on the wire that were not recorded"
    recorded = Counter(identity(packet.data) for packet in read_capture(folder.packets) if packet.time_ns < until_ns)
    assert sum(recorded.values()) > 1000
    assert recorded - seen == Counter(), "packets recorded that were not on the wire"


def test_a_run_without_faults_disturbs_nothing(tmp_path: Path):
    _, results = run(config(), tmp_path, Quiet())
    assert results.valid is Valid.YES, results.reasons
    assert results.facts.leader_before == results.facts.leader_after is not None
    counters = results.monitor
    assert counters["queue_kernel_dropped"] == counters["queue_user_dropped"] == counters["truncated"] == 0
    assert counters["recorder"]["packets"] == counters["packets"] > 0
    assert results.operations["write"]["ok"] > 0
    assert results.checkers["invariants"]["valid"] == results.checkers["wire"]["valid"] == "valid"
    assert results.checkers["wire"]["details"]["entries"] >= results.operations["write"]["ok"]
    assert results.checkers["stores-agree"]["valid"] == "valid"
    assert counters["recorder"]["sinks"]["messages"]["unparsed_bytes"] == 0


@pytest.mark.parametrize("nodes", [1, 5, 9])
def test_other_sizes_run_too(nodes: int, tmp_path: Path):
    _, results = run(config(nodes=nodes), tmp_path, Quiet())
    assert results.valid is Valid.YES, results.reasons


def test_faults_are_done_and_healed_and_the_verdict_stands(tmp_path: Path):
    faults = "partial-partition@1s..3s,kill-leader@4s..5s"
    folder, results = run(config(faults=faults, duration_s=8.0, clients=6, client_hosts=2), tmp_path, Quiet())
    assert results.valid is Valid.YES, results.reasons
    cut, kill = results.facts.faults
    assert cut["did"].startswith("cut n")
    assert kill["did"].startswith("killed n")
    assert all(fault["health_before"] and fault["health_after"] for fault in results.facts.faults)
    assert results.facts.leader_after.term > results.facts.leader_before.term
    assert (folder.path / "nodes" / kill["nodes"][0] / "stdout.log").read_text().count("--- start") == 2


def test_transparent_nodes_know_each_other_by_their_real_addresses(tmp_path: Path):
    folder, results = run(config(transparent=True), tmp_path, Quiet())
    assert results.valid is Valid.YES, results.reasons
    assert results.monitor["packets"] > 0
    assert b"10.78." not in (folder.path / "nodes" / "n1" / "stdout.log").read_bytes()


@pytest.mark.parametrize(
    ("options", "verdict", "label"),
    [
        ({}, "valid", "consistent and unavailable where cut"),
        ({"serializable": True}, "invalid", "available and inconsistent"),
    ],
)
def test_cap_choice_of_etcd_is_seen(options: dict[str, Any], verdict: str, label: str, tmp_path: Path):
    settings = config(options=options, faults="full-partition@2s..7s", duration_s=9.0, clients=9, op_timeout_s=0.25)
    _, results = run(settings, tmp_path, Quiet())
    assert results.valid.value == verdict, results.sentences
    assert results.checkers["availability"]["details"]["label"] == label


def test_a_mistake_in_a_rules_file_is_shown_whole(tmp_path: Path):
    rules = tmp_path / "mine.py"
    rules.write_text('match = "n2->nn3 size > 200"\n\ndef packet(view):\n    return None\n')
    with pytest.raises(InputError) as caught:
        run(config(scripts=(str(rules),)), tmp_path / "store", Quiet())
    assert all(words in str(caught.value) for words in (str(rules), "unknown host 'nn3'", "n2->nn3 size > 200"))


def test_a_run_that_is_refused_after_it_began_leaves_nothing_behind(tmp_path: Path):
    with pytest.raises(InputError, match="a MsgTimeoutNow of pysyncobj cannot be forged"):
        run(config(system="pysyncobj", rules=("n1->n2 forge MsgTimeoutNow",)), tmp_path / "store", Quiet())
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize("packets", [5, 3_000])
def test_strict_ends_the_run_at_the_first_exception_of_a_users_rule(packets: int, tmp_path: Path):
    rules = tmp_path / "mine.py"
    rules.write_text(
        "seen = 0\n\ndef packet(view):\n    global seen\n    seen += 1\n"
        f"    if seen == {packets}:\n        raise ValueError('on purpose')\n"
    )
    with pytest.raises(RaftmonError, match="on purpose"):
        run(config(scripts=(str(rules),), strict=True, duration_s=60.0), tmp_path / "store", Quiet())
    (counters,) = (tmp_path / "store").glob("*/*/monitor.json")
    assert packets <= orjson.loads(counters.read_bytes())["packets"] < packets + 1_000, "it ends although packets come"
