"""The parts of Elle alone: real-time order, components, cycles, levels."""

import random

import numpy as np
import pytest

from raftmon.driver.checkers.elle.cycles import find_cycles
from raftmon.driver.checkers.elle.graph import Edges, Kind, components
from raftmon.driver.checkers.elle.isolation import LEVELS, isolation_level, ruled_out, strongest_left
from raftmon.driver.checkers.elle.ordering import realtime_edges
from raftmon.setup.errors import InputError
from tests.driver.checkers.making import INFO, op


def reachable(count, pairs):
    table = np.zeros((count, count), dtype=bool)
    for a, b in pairs:
        table[a, b] = True
    for middle in range(count):
        table |= np.outer(table[:, middle], table[middle])
    return table


def test_the_reduction_reaches_exactly_what_returned_before():
    rng = random.Random(11)
    for _ in range(1000):
        count = rng.randint(1, 12)
        operations = []
        for _ in range(count):
            call = rng.randrange(20)
            unknown = rng.random() < 0.2
            back = None if unknown else call + rng.randrange(0, 8)
            operations.append(op(0, "txn", [], call, back, **({"outcome": INFO} if unknown else {})))
        source, target = realtime_edges(operations)
        table = reachable(count, zip(source.tolist(), target.tolist(), strict=True))
        for i, a in enumerate(operations):
            for j, b in enumerate(operations):
                before = a.return_ns is not None and a.return_ns < b.call_ns
                assert table[i, j] == before
        direct = set(zip(source.tolist(), target.tolist(), strict=True))
        for a, b in direct:  # a reduction: no edge follows from two others
            assert not any((a, middle) in direct and table[middle, b] for middle in range(count) if middle != b)


def graph_of(rng, count):
    edges = Edges()
    if count > 3 and rng.random() < 0.2:  # a long fork, which chance alone seldom makes
        for place, kind in enumerate([Kind.RW, Kind.WR, Kind.RW, Kind.WW]):
            edges.add(place, (place + 1) % 4, kind, "x", 1, 2)
    weights = rng.choice([(1, 1, 1), (2, 0, 3)])
    for _ in range(rng.randint(1, 2 * count)):
        kind = rng.choices([Kind.WW, Kind.WR, Kind.RW], weights)[0]
        edges.add(rng.randrange(count), rng.randrange(count), kind, "x", 1, 2)
    return edges.freeze(count, [])


def kinds_of_closed_walks(graph):
    """Which classes exist, by walking all states (vertex, rw edges so far up to 2, last and first was rw)."""
    found = set()
    rows = list(zip(graph.source.tolist(), graph.target.tolist(), graph.kind.tolist(), strict=True))
    for start, second, first_kind in rows:
        first_rw = first_kind == Kind.RW
        frontier = {(second, int(first_rw), first_rw, False, first_kind == Kind.WR)}
        seen = set(frontier)
        while frontier:
            following = set()
            for vertex, count, last_rw, adjacent, wr in frontier:
                if vertex == start:
                    around = adjacent or (last_rw and first_rw)
                    if count == 0:
                        found.add("G1c" if wr else "G0")
                    elif count == 1:
                        found.add("G-single")
                    else:
                        found.add("G2-item" if around else "G-nonadjacent")
                for source, target, kind in rows:
                    if source == vertex:
                        rw = kind == Kind.RW
                        state = (target, min(2, count + rw), rw, adjacent or (rw and last_rw), wr or kind == Kind.WR)
                        if state not in seen:
                            seen.add(state)
                            following.add(state)
            frontier = following
    return found


ORDER = ["G0", "G1c", "G-single", "G-nonadjacent", "G2-item"]


def test_the_worst_kind_of_cycle_is_found_on_random_graphs():
    rng = random.Random(12)
    worst = dict.fromkeys([*ORDER, None], 0)
    for _ in range(10_000):
        graph = graph_of(rng, rng.randint(2, 5))
        names = {cycle.name for cycle in find_cycles(graph).cycles}
        truth = kinds_of_closed_walks(graph)
        for name in ORDER[:2]:
            assert (name in names) == (name in truth)
        first = next((name for name in ORDER if name in truth), None)
        assert next((name for name in ORDER if name in names), None) == first
        worst[first] += 1
    assert min(worst.values()) > 20


def test_each_cycle_found_is_one():
    rng = random.Random(13)
    for _ in range(2000):
        graph = graph_of(rng, rng.randint(2, 8))
        for cycle in find_cycles(graph).cycles:
            ends = [int(graph.target[edge]) for edge in cycle.edges]
            starts = [int(graph.source[edge]) for edge in cycle.edges]
            assert ends == starts[1:] + starts[:1]
            rw = sum(graph.kind[edge] == Kind.RW for edge in cycle.edges)
            assert {"G0": rw == 0, "G1c": rw == 0, "G-single": rw == 1}.get(cycle.name, rw >= 2)


def test_components_are_given_smallest_first():
    edges = Edges()
    for a, b in [(0, 1), (1, 2), (2, 0), (3, 4), (4, 3), (2, 3)]:
        edges.add(a, b, Kind.WW, "x", 1, 2)
    assert [part.tolist() for part in components(edges.freeze(6, []), 1)] == [[3, 4], [0, 1, 2]]


def test_a_stronger_level_forbids_all_that_weaker_ones_do():
    for forbidden, weaker in LEVELS.values():
        for level in weaker:
            assert LEVELS[level][0] <= forbidden
    assert strongest_left([]) == ["strict-serializable"]
    assert strongest_left(["G2-item"]) == ["strong-snapshot-isolation"]
    assert strongest_left(["G-single-realtime"]) == ["strong-session-serializable"]
    assert strongest_left(["G2-item-process"]) == ["serializable", "strong-snapshot-isolation"]
    assert strongest_left(["G0"]) == []
    assert "read-committed" not in ruled_out(["lost-update"])


def test_an_unknown_level_is_refused_with_the_ones_there_are():
    assert isolation_level("Strict Serializable") == "strict-serializable"
    with pytest.raises(InputError, match="read-committed"):
        isolation_level("eventual")
