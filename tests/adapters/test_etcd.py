import os
import sys

import pytest

from raftmon.adapters.capabilities import Hash, Leader, Members, capability
from raftmon.adapters.etcd import EtcdAdapter
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Topology


def command(tmp_path, node="n2", *, transparent=False, nodes=3, pre_vote=None, **options):
    topology = Topology.star(nodes, transparent=transparent)
    adapter = EtcdAdapter({"server": sys.executable, **options}, pre_vote=pre_vote)
    made = adapter.command(topology.host(node), topology, tmp_path)
    return made, dict(word.split("=", 1) for word in made.argv[1:])


def test_peers_know_each_other_by_presented_addresses_and_listen_on_real_ones(tmp_path):
    made, flags = command(tmp_path)
    assert flags["--listen-peer-urls"] == "http://10.77.2.2:2380"
    assert flags["--initial-advertise-peer-urls"] == "http://10.78.2.2:2380"
    assert flags["--initial-cluster"] == ("n1=http://10.78.1.2:2380,n2=http://10.78.2.2:2380,n3=http://10.78.3.2:2380")
    assert flags["--listen-client-urls"] == flags["--advertise-client-urls"] == "http://10.77.2.2:2379"
    assert made.argv[0] == sys.executable


def test_transparently_all_addresses_are_real(tmp_path):
    assert not any("10.78." in word for word in command(tmp_path, transparent=True)[0].argv)


def test_its_data_lies_under_the_nodes_folder(tmp_path):
    made, flags = command(tmp_path)
    assert made.data.parent == tmp_path
    assert flags["--data-dir"] == str(made.data)


@pytest.mark.parametrize(("pre_vote", "flag"), [(True, "true"), (False, "false"), (None, None)])
def test_pre_vote_on_off_and_the_servers_own(tmp_path, pre_vote, flag):
    assert command(tmp_path, pre_vote=pre_vote)[1].get("--pre-vote") == flag
    assert command(tmp_path, **({} if pre_vote is None else {"pre_vote": pre_vote}))[1].get("--pre-vote") == flag


def test_times_and_snapshots_as_asked(tmp_path):
    _, flags = command(tmp_path, heartbeat_ms=50, election_ms="500", snapshot_count=1000)
    assert (flags["--heartbeat-interval"], flags["--election-timeout"], flags["--snapshot-count"]) == (
        "50",
        "500",
        "1000",
    )
    _, flags = command(tmp_path)
    assert (flags["--heartbeat-interval"], flags["--election-timeout"]) == ("100", "1000")
    assert "--snapshot-count" not in flags


def test_further_flags_come_last_so_that_they_win(tmp_path):
    made, _ = command(tmp_path, server_flags=["--auto-compaction-retention=1"])
    assert made.argv[-1] == "--auto-compaction-retention=1"


def test_a_server_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="no-such-etcd"):
        command(tmp_path, server="/nowhere/no-such-etcd")


def test_without_an_etcd_on_path_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="raftmon servers install etcd"):
        EtcdAdapter().command(Topology.star(1).nodes[0], Topology.star(1), tmp_path)


@pytest.mark.parametrize("options", [{"election_ms": 0}, {"election_ms": "soon"}, {"pre_vote": "maybe"}, {"colour": 1}])
def test_wrong_options_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        EtcdAdapter(options)


def test_it_offers_leader_members_and_hash():
    assert all(capability(EtcdAdapter(), kind) for kind in (Leader, Members, Hash))


def test_the_driver_gets_no_grpc_threads_by_asking_for_the_adapter():
    program = "import sys; import raftmon.adapters.systems as r; r.system('etcd'); sys.exit('grpc' in sys.modules)"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", program]) == 0


def test_a_nodes_own_keys_and_applied_index_come_from_its_json_gateway(monkeypatch):
    asked = []

    def call(target, method, body, timeout_s):
        asked.append((method, body.get("serializable")))
        if method == "maintenance/status":
            return {"raftAppliedIndex": "829"}
        return {"kvs": [{"key": "azE=", "value": "dg==", "mod_revision": "7"}, {"key": "azI=", "mod_revision": "9"}]}

    monkeypatch.setattr("raftmon.adapters.etcd.etcd_http.call", call)
    adapter, node = EtcdAdapter({"server": sys.executable}), Topology.star(3).nodes[0]
    assert adapter.applied_index(node, 1.0) == 829
    assert adapter.contents(node, 10, 1.0) == {"k1": [7, "v"], "k2": [9, ""]}
    assert asked == [("maintenance/status", None), ("kv/range", True)]
