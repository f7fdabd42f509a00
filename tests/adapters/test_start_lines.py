"""How nats, pysyncobj and zookeeper are started: real addresses to listen on, presented ones to find peers."""

import json
import sys

import pytest

from raftmon.adapters.capabilities import Leader, capability
from raftmon.adapters.systems import system
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Topology


def start(name, folder, *, nodes=3, node="n2", transparent=False, **options):
    topology = Topology.star(nodes, transparent=transparent)
    if name != "pysyncobj":
        options["server"] = sys.executable
    return system(name, options).command(topology.host(node), topology, folder)


def nats(folder, **changes):
    start("nats", folder, **changes)
    return json.loads((folder / "nats.conf").read_text())


def test_nats_routes_go_to_presented_addresses_and_it_listens_on_real_ones(tmp_path):
    config = nats(tmp_path)
    assert config["listen"] == "10.77.2.2:4222"
    assert config["cluster"]["listen"] == "10.77.2.2:6222"
    assert config["cluster"]["advertise"] == "10.78.2.2:6222"
    assert config["cluster"]["routes"] == ["nats-route://10.78.1.2:6222", "nats-route://10.78.3.2:6222"]
    assert config["jetstream"]["store_dir"] == str(tmp_path / "data")


def test_a_nats_cluster_of_even_size_counts_itself_so_that_half_is_no_majority(tmp_path):
    assert len(nats(tmp_path, nodes=4)["cluster"]["routes"]) == 4
    assert len(nats(tmp_path, nodes=5)["cluster"]["routes"]) == 4
    assert "cluster" not in nats(tmp_path, nodes=1, node="n1")


def test_pysyncobj_nodes_go_by_presented_addresses_and_bind_real_ones(tmp_path):
    made = start("pysyncobj", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["self"], config["bind"], config["serve"]) == ("10.78.2.2:4321", "10.77.2.2:4321", "10.77.2.2:4322")
    assert config["partners"] == ["10.78.1.2:4321", "10.78.3.2:4321"]
    assert made.argv[-1] == str(tmp_path / "config.json")


def test_pysyncobj_times_are_as_asked(tmp_path):
    start("pysyncobj", tmp_path, election_min_ms=500, election_max_ms=900, heartbeat_ms=50)
    raft = json.loads((tmp_path / "config.json").read_text())["raft"]
    assert (raft["raftMinTimeout"], raft["raftMaxTimeout"], raft["appendEntriesPeriod"]) == (0.5, 0.9, 0.05)


def zookeeper(folder, **changes):
    made = start("zookeeper", folder, **changes)
    return made, dict(line.split("=", 1) for line in (folder / "zoo.cfg").read_text().splitlines())


def test_zookeeper_servers_are_named_by_presented_addresses_and_know_their_own_number(tmp_path):
    made, config = zookeeper(tmp_path)
    assert config["server.1"] == "10.78.1.2:2888:3888"
    assert config["server.2"] == "10.78.2.2:2888:3888"
    assert config["clientPortAddress"] == "10.77.2.2"
    assert config["quorumListenOnAllIPs"] == "true"
    assert (made.data / "myid").read_text() == "2\n"
    assert "-Xmx256m" in made.env["JVMFLAGS"]


def test_zookeeper_listens_on_its_own_address_alone_where_peers_know_it(tmp_path):
    assert zookeeper(tmp_path, transparent=True)[1]["quorumListenOnAllIPs"] == "false"


@pytest.mark.parametrize("name", ["nats", "pysyncobj", "zookeeper"])
def test_data_lies_under_the_nodes_folder_and_they_say_who_leads(name, tmp_path):
    assert start(name, tmp_path).data == tmp_path / "data"
    assert capability(system(name), Leader)


@pytest.mark.parametrize("name", ["nats", "zookeeper"])
def test_a_server_that_is_not_there_is_named_with_what_to_do(name, tmp_path, monkeypatch):
    topology = Topology.star(3)
    with pytest.raises(InputError, match="no-such-server"):
        system(name, {"server": "/nowhere/no-such-server"}).command(topology.nodes[0], topology, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=f"servers install {name}"):
        system(name).command(topology.nodes[0], topology, tmp_path)


@pytest.mark.parametrize("name", ["nats", "pysyncobj", "zookeeper"])
def test_an_unknown_option_is_refused(name):
    with pytest.raises(InputError, match=f"system {name} has no option 'colour'"):
        system(name, {"colour": 1})
