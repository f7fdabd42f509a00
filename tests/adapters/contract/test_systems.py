"""Every system that raftmon ships keeps the contract, on a real cluster of three nodes."""

import pytest

from adapters.contract import Context, LoopbackCluster, run_contract
from adapters.registry import system
from setup.errors import RaftmonError
from setup.servers import resolve

SERVERS = {"etcd": "etcd@3.4.23"}


@pytest.mark.net
@pytest.mark.servers
@pytest.mark.parametrize("name", SERVERS)
def test_the_system_keeps_every_promise(name, tmp_path):
    adapter = system(name, {"server": str(resolve(SERVERS[name]).path)})
    with LoopbackCluster(adapter, 3, tmp_path) as cluster:
        results = run_contract(Context(cluster, adapter, 2.0))
    assert [str(result) for result in results if result.kept is not True] == []


def test_outside_the_sandbox_no_cluster_is_started(tmp_path):
    with pytest.raises(RaftmonError, match="inside the sandbox only"):
        LoopbackCluster(system("etcd"), 1, tmp_path)
