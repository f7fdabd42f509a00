from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftmon.driver.faults.grudges import between, bridge, halves, isolate, majority_ring, one_way
from raftmon.setup.topology import Link

node_lists = st.integers(2, 15).map(lambda count: [f"n{i}" for i in range(1, count + 1)])


def reachable(node: str, nodes: list[str], cut: frozenset[Link]) -> set[str]:
    return {other for other in nodes if other == node or Link(node, other) not in cut}


def test_a_partial_partition_cuts_one_pair_both_ways():
    assert between(["n1"], ["n3"]) == {Link("n1", "n3"), Link("n3", "n1")}


def test_one_way_leaves_the_way_back():
    assert one_way(["n1"], ["n1", "n2"]) == {Link("n1", "n2")}


@given(node_lists)
def test_an_isolated_node_reaches_only_itself_and_the_others_reach_each_other(nodes: list[str]):
    cut = isolate(nodes[0], nodes)
    assert reachable(nodes[0], nodes, cut) == {nodes[0]}
    assert all(reachable(node, nodes, cut) == set(nodes[1:]) for node in nodes[1:])


@given(node_lists)
def test_halves_are_two_cliques_without_a_link_between_them(nodes: list[str]):
    cut = halves(nodes)
    sides = {frozenset(reachable(node, nodes, cut)) for node in nodes}
    assert len(sides) == 2
    assert sorted(itertools.chain(*sides)) == sorted(nodes)


@given(node_lists)
def test_a_bridge_has_exactly_one_node_that_reaches_all(nodes: list[str]):
    if len(nodes) < 3:
        return
    cut = bridge(nodes)
    assert sum(reachable(node, nodes, cut) == set(nodes) for node in nodes) == 1


@pytest.mark.parametrize("count", range(4, 16))
def test_in_a_majority_ring_everyone_sees_a_majority_and_no_two_the_same(count: int):
    nodes = [f"n{i}" for i in range(count)]
    views = [frozenset(reachable(node, nodes, majority_ring(nodes))) for node in nodes]
    assert all(len(view) > count // 2 for view in views)
    if count > 4:
        assert len(set(views)) == count


@given(node_lists)
def test_symmetric_partitions_cut_both_directions(nodes: list[str]):
    for cut in (isolate(nodes[0], nodes), halves(nodes), bridge(nodes), majority_ring(nodes)):
        assert all(link.reverse in cut for link in cut)
