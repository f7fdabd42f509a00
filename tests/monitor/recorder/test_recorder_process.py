"""The recorder as a process: it decodes when somebody asks, says who leads all the time, and finishes its record."""

import contextlib
import os
import subprocess
from pathlib import Path

import orjson

from raftmon.monitor.config import MonitorConfig, MonitoredHost
from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.raft.database.store import open_store
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.recorder.leader_board import HEADS, caught_up, read_heads
from raftmon.monitor.recorder.pipe import GO, PipeFrame, encode
from raftmon.setup.python import module_command
from tests.monitor.live import until
from tests.monitor.raft.wire import DATA


def test_it_decodes_for_who_asks_and_says_who_leads(tmp_path: Path) -> None:
    capture = list(read_capture(DATA / "etcd-3.5.30.pcap.gz"))
    names = sorted({".".join(map(str, packet.data[12:16])) for packet in capture})
    hosts = tuple(MonitoredHost(f"n{number}", name) for number, name in enumerate(names, 1))
    config = MonitorConfig(
        0, hosts, str(tmp_path), str(tmp_path / "s"), monotonic_ns=0, wall_ns=0, mode="transparent", decode="etcd"
    )
    links = {(link.source, link.target): number for number, link in enumerate(config.links())}
    of = {bytes(map(int, host.address.split("."))): host.name for host in hosts}
    frames = [
        PipeFrame(packet.time_ns, links[of[packet.data[12:16]], of[packet.data[16:20]]], packet.data)
        for packet in capture
    ]
    decoder = Decoder({host.address: host.name for host in hosts})
    wanted = [m for packet in capture for m in decoder.packet(packet.number, packet.time_ns, packet.data)]
    leaders = {message.source for message in wanted if message.kind == "MsgHeartbeat"}
    (tmp_path / "config.json").write_bytes(config.to_json())
    process = subprocess.Popen(
        module_command("raftmon.monitor.recorder", str(tmp_path / "config.json"), "--wait"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        os.write(process.stdin.fileno(), GO)
        for place in range(0, len(frames), 50):
            process.stdin.write(encode(frames[place : place + 50]))
        process.stdin.flush()
        until(lambda: (heads := read_heads(tmp_path)) is not None and heads.leader in leaders)
        assert caught_up(tmp_path, timeout_s=60)
        with contextlib.closing(open_store(tmp_path / "messages.sqlite")) as record:
            until(lambda: record.execute("SELECT COUNT(*) FROM messages").fetchone()[0] == len(wanted))
        process.stdin.close()
        said = [orjson.loads(line) for line in process.stdout]
    finally:
        process.stdin.close()  # its end: it ignores signals
        process.wait(60)
    assert process.returncode == 0
    assert said[-1]["finished"]
    assert said[-1]["waiting_bytes"] == 0
    assert said[-1]["sinks"]["messages"]["messages"] == len(wanted)
    assert said[-1]["heads_lag_ms"]["max"] >= 0
    assert not (tmp_path / HEADS).exists()
