"""What a RabbitMQ broker is started with, and what its client says without one."""

from pathlib import Path

import pytest

from raftmon.adapters.base import Definite
from raftmon.adapters.capabilities import Taken
from raftmon.adapters.rabbitmq import RabbitMqAdapter, leads
from raftmon.adapters.rabbitmq_client import RabbitMqClient
from raftmon.driver.workloads.base import Call
from raftmon.driver.workloads.queue import QueueWorkload
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Topology


def test_a_broker_knows_the_others_by_their_presented_addresses_only(tmp_path: Path) -> None:
    topology = Topology.star(3)
    node = topology.nodes[0]
    command = RabbitMqAdapter({"server": "/bin/true", "tick_s": 7}).command(node, topology, tmp_path)
    table = (tmp_path / "inetrc").read_text()
    assert f'{{host,{{{node.address.replace(".", ",")}}},["n1"]}}.' in table
    for other in topology.nodes[1:]:
        assert f'{{host,{{{other.presented.replace(".", ",")}}},["{other.name}"]}}.' in table
        assert other.address.replace(".", ",") not in table
    configuration = (tmp_path / "rabbitmq.conf").read_text()
    assert "cluster_formation.classic_config.nodes.3 = rabbit@n3" in configuration
    assert "cluster_partition_handling = pause_minority" in configuration
    assert command.env["RABBITMQ_NODENAME"] == "rabbit@n1"
    assert "net_ticktime 7" in command.env["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]
    cookie = tmp_path / "data" / ".erlang.cookie"
    assert cookie.stat().st_mode & 0o777 == 0o400
    RabbitMqAdapter({"server": "/bin/true"}).command(node, topology, tmp_path)  # again, over a cookie that is there


def test_options_and_servers_that_there_are_not_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="partitions=heal"):
        RabbitMqAdapter({"partitions": "heal"})
    topology = Topology.star(1)
    with pytest.raises(InputError, match="servers install rabbitmq"):
        RabbitMqAdapter({"server": "/nowhere"}).command(topology.nodes[0], topology, tmp_path)


def test_without_a_broker_nothing_was_done() -> None:
    client = RabbitMqClient("127.0.0.1:1", 0.2)
    with pytest.raises(Definite):
        client.enqueue("q0", 1)
    with pytest.raises(Definite):
        client.dequeue("q0")
    with pytest.raises(Definite, match="--workload queue"):
        client.write("k", 1)
    client.close()


class Breaking:
    """A queue of three values whose connection breaks before the last."""

    def __init__(self) -> None:
        self.left = [Taken(1, False), Taken(2, True)]

    def dequeue(self, queue: str, at_most_once: bool = False) -> Taken:
        if not self.left:
            raise Definite("broken")
        return self.left.pop(0)


def test_a_drain_that_breaks_keeps_what_came_and_is_not_whole() -> None:
    client, work = Breaking(), QueueWorkload(ack="auto")
    done = work.perform(client, Call("drain", "q0", None))
    assert (done.value, done.extra) == ([1, 2], {"redelivered": [2], "at_most_once": True, "whole": False})
    with pytest.raises(Definite):
        work.perform(client, Call("drain", "q0", None))


@pytest.mark.parametrize("parameters", [{"queues": 0}, {"enqueues": 1.0}, {"ack": "never"}])
def test_parameters_that_cannot_be_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(InputError):
        QueueWorkload(**parameters)  # type: ignore[arg-type]


def test_the_leader_of_the_first_queue_is_told_apart_from_others() -> None:
    queues = [
        {"name": "raftmon-ready", "leader": "rabbit@n3"},
        {"name": "q1", "leader": "rabbit@n1"},
        {"name": "q0", "leader": "rabbit@n2"},
        {"name": "a", "type": "classic"},
    ]
    assert leads("rabbit@n2", queues) == (True, 0)
    assert leads("rabbit@n1", queues) == (False, 0)
    assert leads("rabbit@n3", queues[:1]) == (True, 0)
    assert leads("rabbit@n1", []) is None
    assert leads("rabbit@n1", {"error": "not_authorised"}) is None
