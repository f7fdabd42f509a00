import contextlib
import selectors
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from raftmon.setup import firewall
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.firewall import Firewall, FirewallRule, plan
from raftmon.setup.namespaces import Network, in_namespace
from raftmon.setup.topology import Topology

PRESENTED = Topology.star(2, client_hosts=1)
TRANSPARENT = Topology.star(2, client_hosts=1, transparent=True)
QUEUE = 3
BACKENDS = pytest.mark.parametrize("backend", ["iptc", "restore"])


def present(data):
    """10.78.x.x -> 10.77.x.x in the destination, the reverse in the source (IPv4), or fd78 -> fd77 (IPv6)."""
    data = bytearray(data)
    (source, target) = (13, 17) if data[0] >> 4 == 4 else (9, 25)
    if data[target] in (0x4E, 0x78):
        data[source] += 1
        data[target] -= 1
    return bytes(data)


@contextlib.contextmanager
def monitored(backend, topology=PRESENTED, **options):
    """A network, its firewall and a monitor; ``exchange`` tells how many packets of one exchange were queued."""
    from netfilterqueue import NetfilterQueue

    queued = []

    def judge(packet):
        queued.append(packet.get_payload())
        packet.set_payload(present(packet.get_payload()))
        packet.accept()

    queue = NetfilterQueue()
    with Network(topology), Firewall(topology, QUEUE, backend=backend, **options) as chains:
        assert chains.backend == backend
        queue.bind(QUEUE, judge)
        descriptor = queue.get_fd()

        def exchange(source, target, address):
            queued.clear()
            reply = _ask(source, target, address, queue, descriptor)
            return reply, len(queued)

        try:
            yield exchange
        finally:
            queue.unbind()


def _ask(source, target, address, queue, descriptor):
    """One datagram to ``target`` and back, under the address given; what came back, None if nothing within 1 s."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with in_namespace(target):
        server = socket.socket(family, socket.SOCK_DGRAM)
        server.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 2380))
    with in_namespace(source) if source else contextlib.nullcontext():
        client = socket.socket(family, socket.SOCK_DGRAM)
    client.connect((address, 2380))
    client.send(b"ask")
    with selectors.DefaultSelector() as selector, server, client:
        for item in (descriptor, server, client):
            selector.register(item, selectors.EVENT_READ)
        while ready := selector.select(timeout=1):
            for key, _ in ready:
                if key.fileobj is server:
                    data, peer = server.recvfrom(99)
                    server.sendto(data + b" answer", peer)
                elif key.fileobj is client:
                    return client.recv(99)
                else:
                    queue.run(block=False)
    return None


@pytest.mark.net
@BACKENDS
def test_presented_traffic_passes_only_through_the_queue(backend):
    with monitored(backend) as exchange:
        assert exchange("n1", "n2", "10.78.2.2") == (b"ask answer", 2)
        assert exchange("n1", "n2", "10.77.2.2") == (None, 0)  # nothing passes around the monitor


@pytest.mark.net
@BACKENDS
def test_clients_and_the_driver_are_left_alone_unless_asked(backend):
    with monitored(backend) as exchange:
        assert exchange("c1", "n2", "10.77.2.2") == (b"ask answer", 0)
        assert exchange(None, "n2", "10.77.2.2") == (b"ask answer", 0)
    with monitored(backend, client_traffic=True) as exchange:
        assert exchange("c1", "n2", "10.77.2.2") == (b"ask answer", 2)
        assert exchange(None, "n2", "10.77.2.2") == (b"ask answer", 0)


@pytest.mark.net
@BACKENDS
def test_transparent_traffic_is_queued_under_real_addresses(backend):
    with monitored(backend, TRANSPARENT) as exchange:
        assert exchange("n1", "n2", "10.77.2.2") == (b"ask answer", 2)
        assert exchange(None, "n2", "10.77.2.2") == (b"ask answer", 0)


@pytest.mark.net
@BACKENDS
def test_ipv6_gets_the_same_rules_when_asked(backend):
    with monitored(backend, ipv6=True) as exchange:
        assert exchange("n1", "n2", "fd78:0:0:2::2") == (b"ask answer", 2)
        assert exchange("n1", "n2", "fd77:0:0:2::2") == (None, 0)


@pytest.mark.net
@BACKENDS
def test_without_the_monitor_the_cluster_is_cut(backend):
    with Network(PRESENTED), Firewall(PRESENTED, QUEUE, backend=backend):
        with in_namespace("n1"):
            client = socket.socket()
        client.settimeout(0.3)
        with client, pytest.raises(TimeoutError):
            client.connect(("10.78.2.2", 2380))


@pytest.mark.net
@BACKENDS
def test_nothing_is_left_after_remove_and_remove_may_be_called_twice(backend):
    def rules():
        saved = [
            subprocess.run([f"/usr/sbin/{name}", "-t", "mangle"], capture_output=True, text=True, check=True).stdout
            for name in ("iptables-legacy-save", "iptables-nft-save")
        ]
        return [line for text in saved for line in text.splitlines() if "RAFTMON" in line]

    chains = Firewall(PRESENTED, QUEUE, backend=backend)
    chains.remove()
    for _ in range(2):
        chains.install()
        assert len(rules()) == 6  # in one flavour: two chains, two jumps, two rules
        chains.remove()
        assert rules() == []
    chains.remove()


@pytest.mark.net
def test_packets_are_led_through_no_table_but_ours():
    with Firewall(PRESENTED, QUEUE, backend="iptc", ipv6=True):
        for names in ("ip_tables_names", "ip6_tables_names"):
            assert Path("/proc/net", names).read_text().split() == ["mangle"]


@pytest.mark.net
def test_where_the_legacy_tables_do_not_work_the_other_backend_is_taken(monkeypatch):
    def broken(family, rules, queue_num):
        raise RaftmonError("can't initialize")

    monkeypatch.setitem(firewall._INSTALL, "iptc", broken)
    with Firewall(PRESENTED, QUEUE) as chains:
        assert chains.backend == "restore"


def test_where_no_backend_works_each_reason_is_given(monkeypatch):
    def broken(family, rules, queue_num):
        raise RaftmonError("there is no table mangle")

    for backend in ("iptc", "restore"):
        monkeypatch.setitem(firewall._INSTALL, backend, broken)
        monkeypatch.setitem(firewall._REMOVE, backend, lambda family: None)
    with pytest.raises(RaftmonError, match=r"iptc: there is no table mangle; restore: there is no .* raftmon doctor"):
        Firewall(PRESENTED, QUEUE).install()


def test_the_plan_queues_presented_traffic_before_routing_and_drops_what_goes_around():
    assert plan(PRESENTED, client_traffic=False) == (
        FirewallRule("PREROUTING", None, "10.78.0.0/16", "NFQUEUE"),
        FirewallRule("FORWARD", "10.77.0.0/16", "10.77.0.0/16", "DROP"),
    )
    assert plan(PRESENTED, client_traffic=False, family=6)[0].target == "fd78::/16"


@pytest.mark.parametrize("queue", [-1, 65536])
def test_a_queue_number_out_of_range_is_refused(queue):
    with pytest.raises(InputError, match=f"queue {queue} does not exist"):
        Firewall(PRESENTED, queue)


def test_the_helper_keeps_every_checksum_valid():
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20, 0, 0, 64, 17, 0, bytes([10, 77, 1, 2]), bytes([10, 78, 2, 2]))
    assert sum(struct.unpack("!10H", header)) % 0xFFFF == sum(struct.unpack("!10H", present(header))) % 0xFFFF
