import contextlib
import os
import socket
import subprocess
import sys
import threading

import pytest

from raftmon.setup import sandbox
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.namespaces import Network, in_namespace
from raftmon.setup.topology import MTU, Topology

TOPOLOGY = Topology.star(3, client_hosts=1)
ROUTER = None


def connect(source, target, address):
    """The source address that ``target`` sees when ``source`` connects to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with in_namespace(target):
        listening = socket.create_server((address, 2380), family=family)
    with in_namespace(source) if source else contextlib.nullcontext():
        client = socket.create_connection((address, 2380), timeout=5)
    with listening, client, listening.accept()[0] as accepted:
        return accepted.getpeername()[0]


@pytest.mark.net
@pytest.mark.parametrize(
    ("source", "seen"), [("n1", "10.77.1.2"), ("n3", "10.77.3.2"), ("c1", "10.79.1.2"), (ROUTER, "10.77.2.1")]
)
def test_every_host_and_the_driver_reach_a_node_by_its_real_address(source, seen):
    with Network(TOPOLOGY):
        assert connect(source, "n2", TOPOLOGY.host("n2").address) == seen


@pytest.mark.net
def test_hosts_reach_each_other_under_ipv6_where_the_kernel_has_it():
    with Network(TOPOLOGY) as network:
        if not network.has_ipv6:
            pytest.skip("this kernel has no IPv6")
        assert connect("n1", "n2", TOPOLOGY.host("n2").address6) == TOPOLOGY.host("n1").address6


@pytest.mark.net
def test_a_command_runs_in_its_hosts_namespace_under_the_pid_it_reports():
    with Network(TOPOLOGY) as network:
        program = "import os; print(os.getpid(), os.getsid(0), os.readlink('/proc/self/ns/net'))"
        process = network.popen("n1", [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        pid, session, namespace = process.communicate(timeout=20)[0].split()
        assert int(pid) == int(session) == process.pid
        with in_namespace("n1"):
            assert namespace == os.readlink("/proc/thread-self/ns/net")
        assert namespace != os.readlink("/proc/self/ns/net")


@pytest.mark.net
def test_entering_a_namespace_moves_one_thread_and_only_for_the_block():
    with Network(TOPOLOGY):
        before = os.readlink("/proc/thread-self/ns/net")
        seen = []
        with in_namespace("n1"):
            thread = threading.Thread(target=lambda: seen.append(os.readlink("/proc/self/ns/net")))
            assert os.readlink("/proc/thread-self/ns/net") != before
        thread.start()
        thread.join()
        assert seen == [before] == [os.readlink("/proc/thread-self/ns/net")]


@pytest.mark.net
def test_a_failed_block_leaves_the_thread_in_its_own_namespace():
    with Network(TOPOLOGY):
        before = os.readlink("/proc/thread-self/ns/net")
        with pytest.raises(ZeroDivisionError), in_namespace("n1"):
            raise ZeroDivisionError
        assert os.readlink("/proc/thread-self/ns/net") == before


@pytest.mark.net
def test_every_veth_has_the_mtu_of_ethernet():
    with Network(TOPOLOGY):
        from pyroute2 import IPRoute

        with IPRoute() as router:
            veths = {link.get("ifname"): link.get("mtu") for link in router.get_links()}
        assert {name: mtu for name, mtu in veths.items() if name != "lo"} == dict.fromkeys(
            (host.router_interface for host in TOPOLOGY.hosts()), MTU
        )


@pytest.mark.net
def test_the_first_datagram_of_a_new_network_arrives():
    for _ in range(5):
        with Network(TOPOLOGY):
            with in_namespace("n2"):
                server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with in_namespace("n1"):
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with server, client:
                server.bind((TOPOLOGY.host("n2").address, 2380))
                server.settimeout(10)
                client.sendto(b"first", (TOPOLOGY.host("n2").address, 2380))
                assert server.recv(99) == b"first"


@pytest.mark.net
def test_nothing_is_left_after_the_network_and_it_can_be_made_again():
    for _ in range(2):
        with Network(TOPOLOGY):
            assert sorted(os.listdir("/run/netns")) == ["c1", "n1", "n2", "n3"]
        assert os.listdir("/run/netns") == []
        assert [name for _, name in socket.if_nameindex() if name.startswith("v-")] == []


@pytest.mark.net
def test_half_a_network_is_taken_away_again():
    refused = pytest.raises(RaftmonError, match="refused a part of the network")
    with Network(Topology(TOPOLOGY.clients)), refused, Network(TOPOLOGY):
        pytest.fail("c1 was there already")
    assert os.listdir("/run/netns") == []
    assert [name for _, name in socket.if_nameindex() if name.startswith("v-")] == []


@pytest.mark.net
def test_what_cannot_be_started_or_entered_is_named():
    with Network(TOPOLOGY) as network:
        with pytest.raises(InputError, match="'n7'"):
            network.popen("n7", ["true"])
        with pytest.raises(RaftmonError, match=r"cannot start /no/etcd on n1: No such file"):
            network.popen("n1", ["/no/etcd"])
        with pytest.raises(RaftmonError, match="no network namespace 'n7'"), in_namespace("n7"):
            pytest.fail("there is no n7")


def test_the_hosts_own_network_is_refused(monkeypatch):
    monkeypatch.setattr(sandbox, "inside", lambda: False)
    with pytest.raises(RaftmonError, match="only inside raftmon's sandbox"), Network(TOPOLOGY):
        pytest.fail("a network was made on the host")
