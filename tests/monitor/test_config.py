from pathlib import Path

import pytest

from raftmon.monitor.config import MonitorConfig, MonitoredHost
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link, Topology


def config(*hosts, **options):
    return MonitorConfig(0, tuple(hosts), "/f", "/f/s", monotonic_ns=5, wall_ns=7, **options)


def test_what_is_written_is_read_back_the_same():
    one = MonitorConfig.of_topology(
        Topology.star(3), Path("/run/x"), monotonic_ns=1, wall_ns=2, rules=("n1->n2 drop", {"action": "drop"})
    )
    assert MonitorConfig.from_json(one.to_json(), "it") == one


def test_a_topology_presents_nodes_to_each_other_but_clients_to_nobody():
    one = MonitorConfig.of_topology(Topology.star(1), Path("/run/x"), monotonic_ns=1, wall_ns=2)
    assert [(host.name, host.address, host.presented) for host in one.hosts] == [
        ("n1", "10.77.1.2", "10.78.1.2"),
        ("c1", "10.79.1.2", None),
    ]
    assert one.mode == "presented"


def test_a_transparent_topology_presents_nobody():
    one = MonitorConfig.of_topology(Topology.star(2, transparent=True), Path("/x"), monotonic_ns=1, wall_ns=2)
    assert {host.presented for host in one.hosts} == {None}
    assert one.mode == "transparent"


def test_links_are_every_directed_pair_in_the_hosts_order():
    one = config(MonitoredHost("a", "10.0.0.1"), MonitoredHost("b", "10.0.0.2"))
    assert one.links() == (Link("a", "b"), Link("b", "a"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "unexpected end"),
        (b"[]", "not a JSON object"),
        (b'{"queues": 1}', "unknown fields: queues"),
        (b'{"queue": 1}', "'hosts'"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(text, words):
    with pytest.raises(InputError) as caught:
        MonitorConfig.from_json(text, "/some/config.json")
    assert "/some/config.json" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("hosts", "options", "words"),
    [
        ([MonitoredHost("a", "10.0.0.1"), MonitoredHost("a", "10.0.0.2")], {}, "same name"),
        ([MonitoredHost("a", "10.0.0.300")], {}, "address of a is wrong"),
        ([MonitoredHost("a", "10.0.0.1", "fd00::1")], {}, "other family"),
        ([MonitoredHost("a", "10.0.0.1", port=70_000)], {}, "port of a"),
        ([], {"mode": "bridge"}, "unknown monitor mode 'bridge'"),
        ([], {"malformed": "explode"}, "accepted or dropped"),
    ],
)
def test_values_that_make_no_sense_are_refused(hosts, options, words):
    with pytest.raises(InputError, match=words):
        config(*hosts, **options)
