"""The start of a cluster does not wait for a node whose peers cannot start."""

from types import SimpleNamespace

import pytest

from raftmon.driver.cluster.started import StartedCluster
from raftmon.setup.errors import RaftmonError
from raftmon.setup.nodes import NodeProcess
from raftmon.setup.topology import Topology


def test_a_node_that_ends_ends_the_wait_for_the_others(tmp_path):
    topology = Topology.star(2)
    first, second = (node.name for node in topology.nodes)
    nodes = {
        first: NodeProcess(first, ["sleep", "600"], {}, tmp_path / first),
        second: NodeProcess(second, ["sh", "-c", "echo no space; exit 3"], {}, tmp_path / second),
    }
    for node in nodes.values():
        node.start()
    waiting = SimpleNamespace(
        topology=topology,
        _nodes=nodes,
        adapter=SimpleNamespace(ready=lambda *_arguments: False),  # the first waits for the second
        check_alive=lambda: None,
    )
    try:
        with pytest.raises(RaftmonError, match=f"(?s){second} ended with exit code 3 before it was ready.*no space"):
            StartedCluster.wait_ready(waiting, timeout_s=60.0)
    finally:
        for node in nodes.values():
            node.kill()
