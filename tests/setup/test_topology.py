import ipaddress

import pytest

from raftmon.setup.errors import InputError
from raftmon.setup.topology import MAX_NODES, Topology


def test_nodes_have_real_and_presented_addresses_one_step_apart():
    node = Topology.star(3).host("n2")
    assert (node.address, node.gateway, node.presented) == ("10.77.2.2", "10.77.2.1", "10.78.2.2")
    assert (node.address6, node.gateway6, node.presented6) == ("fd77:0:0:2::2", "fd77:0:0:2::1", "fd78:0:0:2::2")


def test_every_address_of_the_largest_topology_is_valid_and_unique():
    topology = Topology.star(MAX_NODES, MAX_NODES)
    addresses = [ipaddress.ip_address(text) for host in topology.hosts() for text in (host.address, host.address6)]
    addresses += [ipaddress.ip_address(text) for node in topology.nodes for text in (node.presented, node.presented6)]
    assert len(set(addresses)) == 2 * 2 * MAX_NODES + 2 * MAX_NODES
    assert str(ipaddress.ip_address(topology.host("n10").address6)) == topology.host("n10").address6


def test_transparent_nodes_present_their_real_address():
    topology = Topology.star(3, transparent=True)
    assert topology.transparent
    assert topology.host("n1").presented == topology.host("n1").address


@pytest.mark.parametrize("count", [0, -1, MAX_NODES + 1])
def test_a_cluster_of_an_impossible_size_is_refused(count):
    with pytest.raises(InputError, match=f"not {count}"):
        Topology.star(count)
    if count != 0:
        with pytest.raises(InputError, match="--client-hosts"):
            Topology.star(3, count)


def test_an_unknown_host_is_named_with_those_there_are():
    with pytest.raises(InputError, match=r"'n9'.* n1, n2, c1"):
        Topology.star(2).host("n9")


def test_peer_links_are_every_ordered_pair():
    links = Topology.star(3).peer_links()
    assert len(links) == len(set(links)) == 6
    assert all(link.reverse in links for link in links)
