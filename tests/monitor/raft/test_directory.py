"""One node is one party, under whatever address it is seen or told of."""

from raftmon.monitor.raft.codecs.pysyncobj import CODEC
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.directory import Directory
from raftmon.monitor.raft.invariants import InvariantChecker
from tests.monitor.raft.wire import message


def test_a_known_address_is_the_node_s_name_real_or_presented():
    directory = Directory({"10.77.2.2": "n2", "10.78.2.2": "n2", "127.0.0.1:5000": "n5"})
    assert directory.party("10.77.2.2:4321") == directory.party("10.78.2.2:4321") == "n2"
    assert directory.party("127.0.0.1:5000") == "n5"
    assert directory.party("127.0.0.1:5001") == "127.0.0.1:5001"
    assert directory.claimed("10.78.2.2:4321", "10.77.2.2") == "n2"


def test_without_names_a_node_is_known_by_the_address_it_gives_itself():
    directory = Directory()
    assert directory.party("10.77.2.2:4321") == "10.77.2.2:4321"
    assert directory.claimed("10.78.2.2:4321", "10.77.2.2") == "10.78.2.2:4321"
    assert directory.party("10.77.2.2:4321") == "10.78.2.2:4321"
    assert directory.renamed == {"10.77.2.2:4321": "10.78.2.2:4321"}


def test_two_nodes_behind_one_address_stay_two():
    directory = Directory()
    directory.claimed("10.78.1.2:4321", "10.0.0.1")
    directory.claimed("10.78.2.2:4321", "10.0.0.1")
    assert directory.party("10.0.0.1:4321") == "10.0.0.1:4321"


def test_a_leader_under_two_addresses_breaks_no_invariant():
    directory = Directory()
    checker = InvariantChecker(directory.renamed)
    checker.feed(message("MsgHeartbeat", "10.77.2.2:4321", "n3", 5))
    directory.claimed("10.78.2.2:4321", "10.77.2.2")
    assert checker.feed(message("MsgHeartbeat", "10.78.2.2:4321", "n1", 5)) == []
    assert [found.invariant for found in checker.feed(message("MsgHeartbeat", "n9", "n1", 5))] == ["election_safety"]


def test_a_dialer_introduces_itself_as_the_node_that_the_topology_knows():
    decoder = Decoder({"10.77.2.2": "n2", "10.78.2.2": "n2", "10.77.1.2": "n1", "10.78.1.2": "n1"})

    class Side:
        source, source_port, target, target_port, from_start = "10.77.2.2", 40000, "10.77.1.2", 4321, True

    class Other:
        source, source_port, target, target_port, from_start = "10.77.1.2", 4321, "10.77.2.2", 40000, True

    dialer, listener = CODEC.taps(decoder)(Side, Other, joined=False)
    dialer._message("10.78.2.2:4321", b"", 0, 0)
    assert dialer.channel.source == listener.channel.target == "n2"
    assert dialer.channel.target == listener.channel.source == "n1"
