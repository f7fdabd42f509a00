import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest

from raftmon.monitor.control.client import MonitorClient
from raftmon.setup.errors import RaftmonError
from raftmon.setup.namespaces import in_namespace
from tests.monitor.live import PORT, Live, echo, exchange, retransmitted, tshark, until

pytestmark = pytest.mark.net


@pytest.fixture
def live(tmp_path):
    with Live(tmp_path) as one:
        yield one


def test_every_rewritten_packet_is_accepted_by_a_real_kernel_and_recorded_with_good_checksums(live):
    dialled, accepted = live.connect()
    echo(accepted)
    data = os.urandom(300_000)
    assert exchange(dialled, data) == data
    assert dialled.getpeername()[0] == "10.78.2.2"
    assert accepted.getpeername()[0] == "10.78.1.2"
    counters = live.finish()
    for host in ("n1", "n2"):
        assert live.kernel_counter(host, "Tcp", "InCsumErrors") == 0
        assert live.kernel_counter(host, "Ip", "InHdrErrors") == 0
    rows = live.packets("ip.src", "ip.dst", "frame.interface_name", "ip.checksum.status", "tcp.checksum.status")
    assert set(rows) == {
        ("10.77.1.2", "10.77.2.2", "n1->n2", "1", "1"),
        ("10.77.2.2", "10.77.1.2", "n2->n1", "1", "1"),
    }
    assert len(rows) == counters["packets"] == counters["recorder"]["packets"]
    assert (counters["truncated"], counters["queue_id_gaps"], counters["recorder_lost_packets"]) == (0, 0, 0)


def test_everything_tcpdump_sees_on_a_veth_is_in_the_record(live, tmp_path):
    capture = tmp_path / "veth.pcap"
    dump = subprocess.Popen(
        ["tcpdump", "-i", "v-n1", "-w", capture, "-U", "--immediate-mode", "-s", "128", "tcp"],  # room for 16,000
        stderr=subprocess.PIPE,
        text=True,
    )
    assert any("listening" in line for line in iter(dump.stderr.readline, ""))
    dialled, accepted = live.connect()
    echo(accepted)
    for size in (1, 100, 1448, 1449, 50_000):
        exchange(dialled, b"x" * size)
    dialled.shutdown(socket.SHUT_WR)
    assert dialled.recv(1) == b""
    until(lambda: len(tshark(capture, "frame.number", where="tcp.flags.fin == 1")) == 2)
    # The last acknowledgement comes after both ends' FIN; a queued segment is never more than one captured packet.
    until(lambda: len(tshark(capture, "frame.number")) <= live.client.stats()["packets"])
    dump.terminate()
    dump.communicate()
    live.finish()
    recorded = live.packets("tcp.srcport", "tcp.seq_raw", "tcp.len", "tcp.flags", "ip.id")
    seen = tshark(capture, "tcp.srcport", "tcp.seq_raw", "tcp.len", "tcp.flags", "ip.id")
    # A veth hands over segments before they are cut to size: compare the bytes, and the packets without data.
    assert sum(int(row[2]) for row in seen) == sum(int(row[2]) for row in recorded)
    assert {row for row in seen if row[2] == "0"} <= {row for row in recorded if row[2] == "0"}


def test_a_drop_rule_cuts_one_direction_at_once_and_its_packets_say_so(live):
    dialled, accepted = live.connect()
    echo(accepted)
    exchange(dialled, b"before")
    name = live.client.add("n2->n1 drop")
    dialled.sendall(b"lost echo")
    until(lambda: retransmitted(accepted) > 0)
    live.client.remove(name)
    assert dialled.recv(100) == b"lost echo"
    counters = live.finish()
    comments = live.packets("frame.interface_name", "frame.comment", where="frame.comment")
    assert {row[0] for row in comments} == {"n2->n1"}
    assert len(comments) == counters["dropped"] > 0
    assert all(name in row[1] or "drop" in row[1] for row in comments)


def test_a_delayed_packet_takes_that_long_and_is_not_late(live):
    dialled, accepted = live.connect()
    echo(accepted)
    live.client.add("n1->n2 delay 40ms")
    exchange(dialled, b"x")
    counters = live.finish()
    times = live.packets("frame.time_epoch", "frame.interface_name", where="tcp.len > 0")
    (sent,), (back,) = ([float(t) for t, name in times if name == link] for link in ("n1->n2", "n2->n1"))
    assert back - sent >= 0.040
    assert counters["delayed"] >= 1
    assert counters["hold_lateness_ms"]["max"] >= 0


def test_duplicates_really_arrive(live):
    live.client.add("n1->n2 duplicate 2")
    with in_namespace("n2"):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((live.topology.host("n2").address, PORT))
    with in_namespace("n1"):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.settimeout(10)
    sender.sendto(b"thrice", (live.topology.host("n2").presented, PORT))
    got = [receiver.recvfrom(100) for _ in range(3)]
    assert {data for data, _ in got} == {b"thrice"}
    assert {address[0] for _, address in got} == {"10.78.1.2"}
    assert live.client.stats()["inject_failed"] == 0


def test_ipv6_between_nodes_is_presented_and_recorded(live):
    if not live.network.has_ipv6:
        pytest.skip("this kernel has no IPv6")
    node = live.topology.host("n2")
    with in_namespace("n2"):
        listening = socket.create_server((node.address6, PORT), family=socket.AF_INET6)
    with in_namespace("n1"):
        dialled = socket.create_connection((node.presented6, PORT), timeout=10)
    accepted, peer = listening.accept()
    echo(accepted)
    assert exchange(dialled, b"six" * 1000) == b"six" * 1000
    assert peer[0] == "fd78:0:0:1::2"
    live.finish()
    rows = live.packets("ipv6.src", "ipv6.dst", "tcp.checksum.status", where="tcp")
    assert set(rows) == {("fd77:0:0:1::2", "fd77:0:0:2::2", "1"), ("fd77:0:0:2::2", "fd77:0:0:1::2", "1")}


def test_a_recorder_that_stands_still_costs_the_record_packets_but_the_traffic_nothing(tmp_path):
    with Live(tmp_path, record_backlog_bytes=300_000) as live:
        dialled, accepted = live.connect()
        echo(accepted)
        exchange(dialled, b"x" * 1000)
        os.kill(live.recorder_pid(), signal.SIGSTOP)
        data = bytes(1 << 20)
        rounds = 0
        while live.client.stats()["recorder_lost_packets"] == 0:
            assert exchange(dialled, data) == data
            rounds += 1
            assert rounds < 50
        os.kill(live.recorder_pid(), signal.SIGCONT)
        counters = live.finish()
    assert counters["recorder_lost_bytes"] > 0
    assert counters["packets"] == counters["recorder"]["packets"] + counters["recorder_lost_packets"]
    assert any("missing in the record" in reason for reason in counters["disturbed"])
    assert counters["queue_id_gaps"] == 0


def test_packets_lost_on_the_way_to_a_monitor_that_stands_still_are_noticed(live):
    with in_namespace("n1"):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    target = (live.topology.host("n2").presented, PORT)
    sender.sendto(b"first", target)
    until(lambda: live.client.stats()["links"]["n1->n2"] >= 1)
    os.kill(live.process.pid, signal.SIGSTOP)
    for _ in range(80_000):  # more than the queue, and than its socket's buffer, can hold
        with contextlib.suppress(OSError):
            sender.sendto(b"x" * 1400, target)
    os.kill(live.process.pid, signal.SIGCONT)
    sender.sendto(b"last", target)
    counters = live.finish()
    assert (counters["queue_user_dropped"] or 0) + (counters["queue_kernel_dropped"] or 0) + counters[
        "queue_id_gaps"
    ] > 0
    assert any("lost between" in reason or "queue was full" in reason for reason in counters["disturbed"])


def ended(pid):
    """Whether a process is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:  # gone, perhaps only since the file was opened
        return True


def test_killing_the_monitor_leaves_a_whole_record_and_a_cut_cluster(live):
    dialled, accepted = live.connect()
    echo(accepted)
    for _ in range(20):
        exchange(dialled, b"x" * 100)
    recorder = live.recorder_pid()
    until(lambda: live.client.stats()["recorder"].get("packets", 0) > 0)
    live.process.kill()
    live.process.wait()
    until(lambda: ended(recorder))
    assert len(live.packets("frame.number")) > 0
    dialled.sendall(b"into the void")
    until(lambda: retransmitted(dialled) > 0)


def test_several_users_change_rules_while_traffic_flows(live):
    dialled, accepted = live.connect()
    echo(accepted)
    done = threading.Event()

    def work(user):
        with MonitorClient(live.folder / "monitor.sock", user) as one:
            for number in range(15):
                name = one.add({"name": f"{user}-{number}", "match": "n1->n2", "action": "delay", "ms": 0.1})
                one.remove(name)

    users = [threading.Thread(target=work, args=(f"u{number}",)) for number in range(3)]
    for user in users:
        user.start()
    while any(user.is_alive() for user in users):
        exchange(dialled, b"x" * 500)
    done.set()
    assert live.client.rules() == []
    counters = live.finish()
    assert counters["own_errors"] == 0
    events = [orjson.loads(line) for line in (live.folder / "events.jsonl").read_bytes().splitlines()]
    assert sum(event["event"] == "rule-added" and event["author"].startswith("u") for event in events) == 45


def test_sigterm_ends_it_cleanly(live):
    live.process.terminate()
    assert live.process.wait(30) == 0
    assert orjson.loads((live.folder / "monitor.json").read_bytes())["finished"] is True
    assert not (live.folder / "monitor.sock").exists()


def test_a_queue_that_is_taken_is_said_in_a_sentence(live, tmp_path):
    (tmp_path / "second").mkdir()
    found = live.folder / "monitor-config.json"
    text = found.read_text().replace(str(live.folder), str(tmp_path / "second"))
    (tmp_path / "second" / "config.json").write_text(text)
    second = subprocess.run(
        [sys.executable, "-m", "raftmon.monitor", tmp_path / "second" / "config.json"], capture_output=True, text=True
    )
    assert second.returncode == RaftmonError.exit_status
    assert second.stderr.startswith("raftmon monitor: cannot bind queue 0: ")
