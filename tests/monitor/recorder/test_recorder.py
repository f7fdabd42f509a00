import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.packets.addresses import AddressBook
from raftmon.monitor.recorder.frame_reader import NOBODY
from raftmon.monitor.recorder.pipe import NO_LINK, PipeFrame, encode
from raftmon.monitor.recorder.recorder import Recorder, default_file, default_sinks
from raftmon.monitor.recorder.spool import Spool
from raftmon.setup.topology import Link, Topology


def tcp(source, target, payload=b"hello"):
    return bytes(IP(src=source, dst=target) / TCP(dport=2380) / Raw(payload))


ARRIVED = tcp("10.77.1.2", "10.78.2.2")
REAL = tcp("10.77.1.2", "10.77.2.2")


def config(folder):
    return MonitorConfig.of_topology(
        Topology.star(2), Path(folder), monotonic_ns=100, wall_ns=1_700_000_000_000_000_100
    )


class Collecting:
    def __init__(self):
        self.packets = []
        self.ticks = []

    def packet(self, packet):
        self.packets.append(packet)

    def tick(self, now_ns):
        self.ticks.append(now_ns)

    def close(self):
        return {"packets": len(self.packets)}


class Failing(Collecting):
    def packet(self, packet):
        raise KeyError("no such thing")


def recorder(**sinks):
    return Recorder(AddressBook(config("/x")), None, sinks, clock_ns=lambda: 5_000_000)


def test_sinks_get_packets_between_real_addresses_with_good_checksums():
    sink = Collecting()
    recorder(one=sink).feed(
        encode([PipeFrame(7, 0, ARRIVED, "delay 5 ms", True, tcp("10.77.1.2", "10.78.2.2", b"jello"))])
    )
    (packet,) = sink.packets
    assert packet.data == REAL
    assert packet.sent == tcp("10.77.1.2", "10.77.2.2", b"jello")
    assert (packet.number, packet.time_ns, packet.link) == (1, 7, Link("n1", "n2"))
    assert (packet.verdict_comment, packet.delivered) == ("delay 5 ms", True)


def test_strangers_are_recorded_as_they_are():
    sink = Collecting()
    recorder(one=sink).feed(encode([(7, NO_LINK, b"\x45whatever")]))
    assert (sink.packets[0].link, sink.packets[0].data) == (NOBODY, b"\x45whatever")


def test_a_sink_that_fails_is_dropped_and_told_while_others_go_on():
    good = Collecting()
    one = recorder(bad=Failing(), good=good)
    one.feed(encode([(7, 0, ARRIVED), (8, 0, ARRIVED)]))
    one.tick()
    one.close()
    report = one.report()
    assert [packet.number for packet in good.packets] == [1, 2]
    assert good.ticks == [5_000_000]
    assert report["sinks"] == {"good": {"packets": 2}}
    assert len(report["errors"]) == 1
    assert report["errors"][0].startswith("bad: KeyError: 'no such thing' (test_recorder.py:")


def test_the_lag_is_that_of_the_oldest_packet_of_a_batch():
    one = recorder()
    one.feed(encode([(1_000_000, 0, ARRIVED), (4_999_999, 0, ARRIVED)]))
    assert one.report()["lag_ms"]["max"] == 4.0


@pytest.fixture
def process(tmp_path):
    """A recorder process, its input, and the folder it writes to."""
    path = tmp_path / "config.json"
    path.write_bytes(config(tmp_path).to_json())
    child = subprocess.Popen(
        [sys.executable, "-m", "raftmon.monitor.recorder", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    yield child, tmp_path
    child.kill()
    child.wait()
    child.stdout.close()


def comments(folder):
    command = ["tshark", "-r", folder / "packets.pcapng", "-T", "fields", "-e", "frame.interface_name"]
    found = subprocess.run([*command, "-e", "frame.comment"], capture_output=True, text=True)
    return [tuple(line.split("\t")) for line in found.stdout.splitlines()], found.stderr


def test_the_process_ends_its_file_when_the_monitor_is_gone(process):
    child, folder = process
    child.stdin.write(encode([(200, 0, ARRIVED), PipeFrame(300, 1, ARRIVED, "drop", False)]) + b"half a fra")
    child.stdin.close()
    *_, last = map(orjson.loads, child.stdout)
    assert child.wait(10) == 0
    assert last["finished"] is True
    assert (last["packets"], last["incomplete_bytes"]) == (2, 10)
    assert comments(folder)[0] == [("n1->n2", ""), ("n1->c1", "drop")]


def test_what_was_recorded_can_be_read_after_the_process_is_killed(process):
    child, folder = process
    path = folder / "packets.pcapng"
    child.stdout.readline()  # it runs
    before = path.stat().st_size
    child.stdin.write(encode([(200, 0, ARRIVED)] * 50))
    child.stdin.flush()
    while path.stat().st_size == before:
        os.sched_yield()
    child.kill()
    child.wait()
    rows, errors = comments(folder)
    assert len(rows) == 50
    assert "cut short" not in errors


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(config("/nowhere/at/all").to_json())
    found = subprocess.run(
        [sys.executable, "-m", "raftmon.monitor.recorder", path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 64
    assert found.stderr == (
        "raftmon recorder: cannot write /nowhere/at/all/packets.pcapng: No such file or directory; "
        "choose another folder\n"
    )


def test_without_recording_there_is_no_file(tmp_path):
    one = MonitorConfig.of_topology(Topology.star(2), tmp_path, monotonic_ns=1, wall_ns=1, record=False)
    assert default_file(one) is None
    assert default_sinks(one) == {}


class FullDisk:
    def __init__(self, writer):
        self.writer = writer

    def write(self, blocks):
        raise OSError(28, "No space left on device")


class FullAtItsEnd(FullDisk):
    def write(self, blocks):
        pass

    def close(self):
        raise OSError(28, "No space left on device")


def test_a_full_disk_ends_the_file_and_nothing_else(tmp_path):
    file = default_file(config(tmp_path))
    sink = Collecting()
    one = Recorder(AddressBook(config(tmp_path)), FullDisk(file.writer), {"one": sink}, clock_ns=lambda: 5_000_000)
    one.feed(encode([(200, 0, ARRIVED)]))
    one.tick()
    one.feed(encode([(200, 0, ARRIVED)]))
    one.close()
    report = one.report()
    assert len(sink.packets) == 2
    assert list(report["sinks"]) == ["one"]
    assert len(report["errors"]) == 1
    assert report["errors"][0].startswith("pcapng: OSError: [Errno 28] No space left on device")


def test_a_file_that_cannot_be_closed_costs_the_other_sinks_nothing(tmp_path):
    file = default_file(config(tmp_path))
    one = Recorder(AddressBook(config(tmp_path)), FullAtItsEnd(file.writer), {"one": Collecting()})
    one.feed(encode([(200, 0, ARRIVED)]))
    one.close()
    report = one.report()
    assert report["sinks"] == {"one": {"packets": 1}}
    assert report["errors"][0].startswith("pcapng: OSError: [Errno 28] No space left on device")


def test_packets_that_wait_come_out_as_without_waiting(tmp_path):
    frames = [
        PipeFrame(10 + n, n % 2, bytes([0x45]) + bytes(30 + n), "" if n % 3 else "cut", n % 5 != 0) for n in range(60)
    ]
    data = encode(frames)
    at_once, waiting = Collecting(), Collecting()
    one = Recorder(AddressBook(config("/x")), None, {"one": at_once}, clock_ns=lambda: 5_000_000)
    other = Recorder(
        AddressBook(config("/x")), None, {"one": waiting}, clock_ns=lambda: 5_000_000, spool=Spool(tmp_path, 1000)
    )
    for place in range(0, len(data), 700):
        one.feed(data[place : place + 700])
        other.feed(data[place : place + 700])
    assert not waiting.packets
    assert other.waiting_bytes == len(data)
    assert other.must_work
    other.work(333)
    assert 0 < len(waiting.packets) < 60
    other.close()
    assert waiting.packets == at_once.packets
    assert other.report()["waiting_bytes"] == 0
    assert other.report()["most_waiting_bytes"] == len(data)
