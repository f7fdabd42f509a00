from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from raftmon.driver.quantities import latency_ms, loss_percent, rate_kbit_s
from raftmon.driver.topologies import Quality, place
from raftmon.driver.topologies.latencies import REGIONS, one_way_ms
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.setup.errors import InputError


def names(placement) -> list[str]:
    return [host.name for host in placement.topology.hosts()]


def test_a_simple_star_without_link_options_has_no_rules():
    placement = place("simple", 3, 2, transparent=False)
    assert placement.rules == ()
    assert not placement.client_traffic
    assert names(placement) == ["n1", "n2", "n3", "c1", "c2"]


def test_in_a_simple_star_clients_links_are_as_bad_as_the_others():
    placement = place("simple", 2, 1, transparent=False, quality=Quality(20))
    assert placement.client_traffic
    assert placement.rules == ("latency-1: c1->n1,n2 or n1->c1,n2 or n2->c1,n1 delay 20ms",)


def test_a_wan_has_a_client_host_a_node_and_nothing_between_them():
    placement = place("wan", 3, 1, transparent=False)
    assert names(placement) == ["n1", "n2", "n3", "c1", "c2", "c3"]
    assert placement.sites["n2"] == placement.sites["c2"] == "oregon"
    text = " ".join(placement.rules)
    assert "n2->c2" not in text
    assert "c2->n2" not in text
    assert placement.client_traffic
    ruleset_from_items(list(placement.rules), names(placement))


def test_a_wans_latency_is_half_the_measured_round_trip():
    (rule,) = place("wan:ireland,tokyo", 2, 1, transparent=False).rules
    assert rule.endswith("delay 106.2ms")


def test_a_wan_with_a_latency_has_it_between_all_sites():
    (rule,) = place("wan", 3, 1, transparent=False, quality=Quality(20)).rules
    assert rule == "latency-1: c1->n2,n3 or c2->n1,n3 or c3->n1,n2 or n1->c2,c3,n2,n3 or n2->c1,c3,n1,n3 or n3->c1,c2,n1,n2 delay 20ms"  # fmt: skip  # noqa: E501


def test_every_pair_of_regions_was_measured_and_no_way_round_is_twice_as_short():
    for a, b in itertools.combinations(REGIONS, 2):
        assert one_way_ms(a, b) == one_way_ms(b, a) > 9
    assert one_way_ms("tokyo", "tokyo") == 0


def test_spare_hosts_are_at_a_site_and_have_links():
    placement = place("wan", 3, 1, transparent=False, spares=1)
    assert [host.name for host in placement.topology.spares] == ["n4"]
    assert placement.sites["n4"] == "virginia"
    assert "n4->" in " ".join(placement.rules)


@pytest.mark.parametrize(
    ("name", "nodes", "words"),
    [
        ("ring", 3, r"unknown topology 'ring' \(available: simple, wan, FILE.toml"),
        ("wan:atlantis", 1, "unknown region 'atlantis'"),
        ("wan:tokyo", 3, "3 nodes but 1 regions"),
        ("wan:tokyo,tokyo", 2, "named twice"),
        ("wan", 11, "11 nodes but 10 regions"),
        ("nowhere.toml", 3, "cannot be read"),
    ],
)
def test_a_topology_that_cannot_be_is_refused(name: str, nodes: int, words: str):
    with pytest.raises(InputError, match=words):
        place(name, nodes, 1, transparent=False)


FILE = """
[links]
latency = "5ms"

[[site]]
name = "paris"
nodes = 2
clients = 1

[[site]]
name = "tokyo"
nodes = 1
inside = { latency = "1ms" }

[[link]]
from = "paris"
to = "tokyo"
latency = "110ms"
loss = "1%"

[[link]]
from = "n1"
to = "n3"
one_way = true
rate = "10Mbit"
"""


def test_a_file_says_what_sites_there_are_and_how_far_apart(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    placement = place(str(path), 99, 99, transparent=False)
    assert names(placement) == ["n1", "n2", "n3", "c1"]
    assert placement.sites == {"n1": "paris", "n2": "paris", "c1": "paris", "n3": "tokyo"}
    assert placement.rules == (
        "latency-1: c1->n3 or n1->n3 or n2->n3 or n3->c1,n1,n2 delay 110ms",
        "loss-2: c1->n3 or n1->n3 or n2->n3 or n3->c1,n1,n2 loss 1%",
        "rate-3: n1->n3 rate 10000kbit",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[site]", "is not TOML"),
        ("[[site]]\nnodes = 1\n", "no nodes or no clients"),
        ("[[site]]\nnodes = 1\nclients = 1\ncolour = 1", "unknown 'colour'"),
        ("[[site]]\nnodes = -1\nclients = 1", "whole numbers"),
        ('[[site]]\nname = "a"\nnodes = 1\n[[site]]\nname = "a"', "another site 'a'"),
        ('[[site]]\nnodes = 1\nclients = 1\n[[link]]\nfrom = "x"\nto = "n1"', "'x' is neither a site nor a host"),
        ('[links]\nlatency = "soon"\n[[site]]\nnodes = 1\nclients = 1', "'soon' is no latency"),
        ('[link]\nfrom = "a"\n[site]\nnodes = 1', r"write \[\[site\]\]"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_place(tmp_path: Path, text: str, words: str):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        place(str(path), 3, 1, transparent=False)


def test_link_options_do_not_go_with_a_file(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    with pytest.raises(InputError, match="go with simple and wan"):
        place(str(path), 3, 1, transparent=False, quality=Quality(5))


def test_quantities_are_written_with_units():
    assert [latency_ms(text) for text in ("20", "20ms", "0.1s", "500us")] == [20, 20, 100, 0.5]
    assert [loss_percent(text) for text in ("1", "0.5%")] == [1, 0.5]
    assert [rate_kbit_s(text) for text in ("512kbit", "10Mbit")] == [512, 10_000]
    with pytest.raises(InputError):
        rate_kbit_s("512")
