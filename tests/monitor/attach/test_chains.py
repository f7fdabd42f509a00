import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from raftmon.monitor.attach.chains import parse_hosts, plan
from raftmon.monitor.config import MonitoredHost
from raftmon.monitor.control.client import MonitorClient, wait_until_ready
from raftmon.setup.errors import InputError
from tests.monitor.live import tshark, until

RAFTMON = [sys.executable, "-c", "import sys; from raftmon.driver.cli import main; sys.exit(main())"]


def matches(hosts, local=frozenset()):
    """The rules of a plan without what is the same everywhere."""
    found = []
    for command in plan(hosts, 5, local).install:
        if "NFQUEUE" in command:
            text = " ".join(command)
            found.append(text.partition(" -A RAFTMON-5-")[2].partition(" -j ")[0])
    return found


def test_nodes_are_read_as_people_write_them():
    assert parse_hosts(["n1=10.0.0.1", "n2=10.0.0.2:2380", "n3=[fd00::3]:99", "n4=fd00::4"], ["n1=10.1.0.1"]) == (
        MonitoredHost("n1", "10.0.0.1", "10.1.0.1"),
        MonitoredHost("n2", "10.0.0.2", port=2380),
        MonitoredHost("n3", "fd00::3", port=99),
        MonitoredHost("n4", "fd00::4"),
    )


@pytest.mark.parametrize(
    ("nodes", "presented", "words"),
    [
        (["n1=10.0.0.1"], [], "two nodes or more"),
        (["n1", "n2=10.0.0.2"], [], "--node n1: write it as"),
        (["n1=ten", "n2=10.0.0.2"], [], "--node n1=ten: write it as"),
        (["n1=10.0.0.1:0", "n2=10.0.0.2"], [], "a port is 1 to 65535"),
        (["n1=10.0.0.1", "n1=10.0.0.2"], [], "already a node n1"),
        (["n1=127.0.0.1", "n2=127.0.0.1:2"], [], "n1 shares 127.0.0.1"),
        (["n1=127.0.0.1:2", "n2=127.0.0.1:2"], [], "same address and port"),
        (["n1=10.0.0.1", "n2=10.0.0.2"], ["n3=10.0.0.3"], "unknown node n3"),
        (["n1=10.0.0.1", "n2=10.0.0.2"], ["n1=10.0.0.3:1"], "has no port"),
    ],
)
def test_a_wrong_node_is_named(nodes, presented, words):
    with pytest.raises(InputError) as caught:
        parse_hosts(nodes, presented)
    assert words in str(caught.value)


def test_on_a_router_links_are_queued_when_forwarded():
    assert matches(parse_hosts(["a=10.0.0.1", "b=10.0.0.2"])) == [
        "FORWARD -s 10.0.0.1 -d 10.0.0.2",
        "FORWARD -s 10.0.0.2 -d 10.0.0.1",
    ]


def test_in_a_nodes_own_namespace_what_it_sends_and_gets_is_queued():
    assert matches(parse_hosts(["a=10.0.0.1", "b=10.0.0.2"]), frozenset({"10.0.0.1"})) == [
        "OUTPUT -s 10.0.0.1 -d 10.0.0.2",
        "INPUT -s 10.0.0.2 -d 10.0.0.1",
    ]


def test_on_loopback_each_packet_is_queued_once_by_its_ports():
    assert matches(parse_hosts(["a=127.0.0.1:1", "b=127.0.0.1:2"])) == [
        "INPUT -s 127.0.0.1 -d 127.0.0.1 -p tcp --dport 2",
        "INPUT -s 127.0.0.1 -d 127.0.0.1 -p tcp --sport 1",
        "INPUT -s 127.0.0.1 -d 127.0.0.1 -p tcp --dport 1",
        "INPUT -s 127.0.0.1 -d 127.0.0.1 -p tcp --sport 2",
    ]


def test_presented_nodes_are_queued_before_the_route_is_chosen_and_never_bypassed():
    hosts = parse_hosts(["a=10.0.0.1", "b=10.0.0.2"], ["a=10.9.0.1", "b=10.9.0.2"])
    assert matches(hosts) == ["PREROUTING -s 10.0.0.1 -d 10.9.0.2", "PREROUTING -s 10.0.0.2 -d 10.9.0.1"]
    assert not any("--queue-bypass" in command for command in plan(hosts, 5, frozenset()).install)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def chains(*prefix):
    return subprocess.run([*prefix, "iptables", "-t", "mangle", "-S"], capture_output=True, text=True).stdout


@pytest.fixture
def foreign():
    """Two hosts and a router made by ip(8)."""
    for name in ("r", "a", "b"):
        ip("netns", "add", name)
    for number, name in ((1, "a"), (2, "b")):
        ip("link", "add", f"to-{name}", "netns", "r", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("-n", "r", "addr", "add", f"192.168.{number}.1/24", "dev", f"to-{name}")
        ip("-n", "r", "link", "set", f"to-{name}", "up")
        ip("-n", name, "addr", "add", f"192.168.{number}.2/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "route", "add", "default", "via", f"192.168.{number}.1")
    subprocess.run(["ip", "netns", "exec", "r", "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)


NODE = """
import socket, sys, threading
address, port = sys.argv[1], int(sys.argv[2])
listening = socket.create_server((address, port))
def serve():
    while True:
        connection, _ = listening.accept()
        def echo(c=connection):
            while data := c.recv(65536):
                c.sendall(data)
        threading.Thread(target=echo, daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    with socket.create_connection((line.split()[0], int(line.split()[1])), timeout=10) as c:
        c.sendall(b"x" * 5000)
        got = 0
        while got < 5000:
            got += len(c.recv(65536))
    print(got, flush=True)
"""


class Node:
    """A process that listens, and dials when told to."""

    def __init__(self, address, port, *prefix):
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", NODE, address, str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"

    def dial(self, address, port):
        self.process.stdin.write(f"{address} {port}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


def attached(folder, *options, prefix=()):
    process = subprocess.Popen([*prefix, *RAFTMON, "monitor", "--record", folder, "--install", *options])
    wait_until_ready(folder / "monitor.sock", "test", 20, lambda: process.poll() is None).close()
    return process


@pytest.mark.net
def test_traffic_in_namespaces_raftmon_did_not_make_is_judged_and_recorded(foreign, tmp_path):
    router = ("ip", "netns", "exec", "r")
    before = chains(*router)
    a = Node("192.168.1.2", 2380, "ip", "netns", "exec", "a")
    Node("192.168.2.2", 2380, "ip", "netns", "exec", "b")
    nodes = ("--node", "n1=192.168.1.2", "--node", "n2=192.168.2.2:2380")
    process = attached(tmp_path, "--queue", "5", *nodes, "--rule", "n1->n2 delay 1ms", prefix=router)
    assert a.dial("192.168.2.2", 2380) == 5000
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert chains(*router) == before
    counters = orjson.loads((tmp_path / "monitor.json").read_bytes())
    assert counters["links"]["n1->n2"] > 0
    assert counters["links"]["n2->n1"] > 0
    assert counters["delayed"] > 0
    assert (counters["truncated"], counters["queue_id_gaps"], counters["unknown_link"]) == (0, 0, 0)
    sent = tshark(tmp_path / "packets.pcapng", "tcp.len", where="tcp.dstport == 2380")
    assert sum(int(size) for (size,) in sent) == 5000


@pytest.mark.net
def test_presented_addresses_work_on_a_foreign_router(foreign, tmp_path):
    a = Node("192.168.1.2", 2380, "ip", "netns", "exec", "a")
    Node("192.168.2.2", 2380, "ip", "netns", "exec", "b")
    nodes = ("--node", "n1=192.168.1.2", "--node", "n2=192.168.2.2")
    shown = ("--present", "n1=172.31.7.9", "--present", "n2=10.250.0.77")  # not checksum-neutral
    process = attached(tmp_path, "--queue", "5", *nodes, *shown, prefix=("ip", "netns", "exec", "r"))
    assert a.dial("10.250.0.77", 2380) == 5000
    process.terminate()
    assert process.wait(30) == 0
    rows = tshark(tmp_path / "packets.pcapng", "ip.src", "ip.checksum.status", "tcp.checksum.status")
    assert set(rows) == {("192.168.1.2", "1", "1"), ("192.168.2.2", "1", "1")}


@pytest.mark.net
def test_nothing_stays_in_the_firewall_after_sigkill(foreign, tmp_path):
    router = ("ip", "netns", "exec", "r")
    before = chains(*router)
    nodes = ("--node", "n1=192.168.1.2", "--node", "n2=192.168.2.2")
    process = attached(tmp_path, "--queue", "5", *nodes, prefix=router)
    until(lambda: "RAFTMON-5-FORWARD" in chains(*router))
    process.kill()
    process.wait()
    until(lambda: chains(*router) == before)


@pytest.mark.net
def test_a_second_monitor_leaves_the_first_ones_queue_chains_and_record_alone(foreign, tmp_path):
    router = ("ip", "netns", "exec", "r")
    nodes = ("--node", "n1=192.168.1.2", "--node", "n2=192.168.2.2")
    first, second = tmp_path / "first", tmp_path / "second"
    process = attached(first, "--queue", "5", *nodes, prefix=router)
    until(lambda: "RAFTMON-5-FORWARD" in chains(*router))
    before, config = chains(*router), (first / "monitor-config.json").read_bytes()
    packets = (first / "packets.pcapng").stat()

    def refused(*options):
        command = [*router, *RAFTMON, "monitor", "--install", *nodes, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    status, said = refused("--queue", "5", "--record", second)
    assert (status, "cannot bind queue 5" in said) == (70, True)
    assert not (second / "packets.pcapng").exists()
    status, said = refused("--queue", "6", "--record", first)
    assert (status, "another monitor records into" in said) == (64, True)
    assert chains(*router) == before
    assert (first / "monitor-config.json").read_bytes() == config
    assert (first / "packets.pcapng").stat().st_ino == packets.st_ino
    assert (first / "packets.pcapng").stat().st_size >= packets.st_size
    assert first.stat().st_mode & 0o777 == 0o700
    process.terminate()
    assert process.wait(30) == 0
    status, said = refused("--queue", "5", "--record", first)
    assert (status, "holds a record already" in said) == (64, True)


@pytest.mark.net
def test_without_record_nothing_stays_in_the_temporary_folder(tmp_path):
    options = ["--queue", "5", "--node", "a=10.0.0.1", "--node", "b=10.0.0.2"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([*RAFTMON, "monitor", *options], stdout=subprocess.PIPE, text=True, env=environment)
    while "Ctrl-C ends it" not in process.stdout.readline():
        pass
    (folder,) = tmp_path.glob("raftmon-*")
    wait_until_ready(folder / "monitor.sock", "test", 20, lambda: process.poll() is None).stop()
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.net
def test_on_loopback_links_are_told_apart_by_who_dialled(tmp_path):
    ip("link", "set", "lo", "mtu", "1500", "up")
    first, second = Node("127.0.0.1", 2380), Node("127.0.0.1", 12380)
    process = attached(tmp_path, "--queue", "5", "--node", "n1=127.0.0.1:2380", "--node", "n2=127.0.0.1:12380")
    assert first.dial("127.0.0.1", 12380) == 5000
    with MonitorClient(tmp_path / "monitor.sock", "test") as client:
        until(lambda: client.stats()["links"]["n1->n2"] > 0)
        client.add("n2->n1 delay 2ms")
        assert second.dial("127.0.0.1", 2380) == 5000
    process.terminate()
    assert process.wait(30) == 0
    counters = orjson.loads((tmp_path / "monitor.json").read_bytes())
    rows = tshark(tmp_path / "packets.pcapng", "frame.interface_name", "tcp.srcport", "tcp.dstport", "tcp.len")
    dialled = {row[0] for row in rows if row[2] == "12380"}, {row[0] for row in rows if row[2] == "2380"}
    assert dialled == ({"n1->n2"}, {"n2->n1"})
    assert sum(int(row[3]) for row in rows) == 20_000  # each byte once, both ways, both connections
    assert counters["delayed"] > 0
    assert (counters["unknown_link"], counters["truncated"]) == (0, 0)


@pytest.mark.net
def test_without_install_the_lines_to_add_are_printed(tmp_path):
    options = ["--queue", "5", "--node", "a=10.0.0.1", "--node", "b=10.0.0.2", "--record", tmp_path]
    process = subprocess.Popen([*RAFTMON, "monitor", *options], stdout=subprocess.PIPE, text=True)
    wait_until_ready(tmp_path / "monitor.sock", "test", 20, lambda: process.poll() is None).stop()
    text, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert (
        "  iptables -w -t mangle -A RAFTMON-5-FORWARD -s 10.0.0.1 -d 10.0.0.2 -j NFQUEUE --queue-num 5 --queue-bypass\n"
        in text
    )
    assert "RAFTMON" not in chains()
    assert not Path(tmp_path / "monitor.sock").exists()


def test_ctl_without_a_monitor_is_told_so(tmp_path):
    done = subprocess.run(
        [*RAFTMON, "ctl", "--socket", tmp_path / "none.sock", "stats"], capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 64
    assert "no monitor answers at" in done.stderr
