"""Which kinds of cycle a dependency graph has, and a short one of each.

The kinds are Adya's, by what a cycle must be made of, from worst to mildest: G0 (ww), G1c (ww and wr), G-single (one
rw), G-nonadjacent (several rw, never two in a row: what snapshot isolation forbids, Cerone and Gotsman 2018), G2-item
(any). Each may need process or real-time edges too; then it is called ``-process`` or ``-realtime``.

Whether G0, G1c, G-nonadjacent and G2-item exist is decided exactly, by strongly connected components (for
G-nonadjacent in the product of the graph with "the last edge was rw"). G-single asks for a path for each rw edge; that
search is pruned by topological rank and bounded; ``Search.bounded`` says where the bound was met.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.checkers.elle.graph import Frozen, Kind, components, strong_labels

__all__ = ["CLASSES", "TIERS", "Cycle", "Search", "find_cycles"]

Integers = NDArray[np.int64]
_WW, _WR, _RW = 1 << Kind.WW, 1 << Kind.WR, 1 << Kind.RW
_EXTRA = (0, 1 << Kind.PROCESS, 1 << Kind.PROCESS | 1 << Kind.REALTIME)
TIERS = ("", "-process", "-realtime")
CLASSES = ("G0", "G1c", "G-single", "G-nonadjacent", "G2-item")
MAX_COMPONENTS = 2000  # looked into, in each tier
MAX_STARTS = 64  # edges from which a shortest cycle is sought
STEP_BUDGET = 8_000_000  # edges looked at, over all searches for paths


@dataclass(frozen=True, slots=True)
class Cycle:
    """Edge positions in order, each ending where the next starts; ``name`` is the anomaly's."""

    name: str
    edges: tuple[int, ...]


@dataclass(slots=True)
class Search:
    """What was found, and whether a bound cut the search short."""

    cycles: list[Cycle] = field(default_factory=list)
    bounded: bool = False
    steps_left: int = STEP_BUDGET


@dataclass(slots=True)
class _Part:
    """One component with its edges in local numbers: ``out[v]`` has (target, edge position, kind bit)."""

    vertices: Integers
    source: Integers
    target: Integers
    bit: Integers
    position: Integers
    out: list[list[tuple[int, int, int]]]

    def edges(self, mask: int) -> Integers:
        return np.flatnonzero(self.bit & mask)


def find_cycles(graph: Frozen) -> Search:
    """One short cycle of each kind that exists in each strongly connected component of each tier.

    Within a component a kind is looked for only while nothing worse (by kind and tier) was found there, but G0, G1c
    and G-single without process or real-time edges are always looked for.
    """
    search = Search()
    known: list[tuple[int, int, int]] = []  # (class, tier, one vertex of it)
    for tier, extra in enumerate(_EXTRA):
        if not np.any(graph.kind >= Kind.PROCESS) and tier:
            break
        mask = _WW | _WR | _RW | extra
        parts = components(graph, mask)
        if len(parts) > MAX_COMPONENTS:
            parts, search.bounded = parts[: MAX_COMPONENTS - 1] + parts[-1:], True
        for part in _localise(graph, mask, parts):
            inside = set(part.vertices.tolist()) if known else set()
            found = [(kind, level) for kind, level, vertex in known if vertex in inside]
            for kind in range(len(CLASSES)):
                always = tier == 0 and kind <= 2
                if not always and any(k <= kind and level <= tier for k, level in found):
                    continue
                edges = _search_class(part, kind, extra, search)
                if edges is not None:
                    found.append((kind, tier))
                    known.append((kind, tier, int(graph.source[edges[0]])))
                    search.cycles.append(Cycle(CLASSES[kind] + TIERS[tier], edges))
    return search


def _localise(graph: Frozen, mask: int, parts: list[Integers]) -> Iterator[_Part]:
    """Each component with the edges inside it, split in one pass over all edges."""
    if not parts:
        return
    label = np.full(graph.vertices, -1, dtype=np.int64)
    local = np.zeros(graph.vertices, dtype=np.int64)
    for number, vertices in enumerate(parts):
        label[vertices] = number
        local[vertices] = np.arange(len(vertices))
    chosen = graph.only(mask)
    of = label[graph.source[chosen]]
    chosen = chosen[(of >= 0) & (of == label[graph.target[chosen]])]
    of = label[graph.source[chosen]]
    chosen = chosen[np.argsort(of, kind="stable")]
    bounds = np.searchsorted(np.sort(of), np.arange(len(parts) + 1))
    for number, vertices in enumerate(parts):
        position = chosen[bounds[number] : bounds[number + 1]]
        source, target = local[graph.source[position]], local[graph.target[position]]
        bit = np.left_shift(np.int64(1), graph.kind[position])
        out: list[list[tuple[int, int, int]]] = [[] for _ in vertices]
        rows = zip(source.tolist(), target.tolist(), position.tolist(), bit.tolist(), strict=True)
        for s, t, p, b in rows:
            out[s].append((t, p, b))
        yield _Part(vertices, source, target, bit, position, out)


def _search_class(part: _Part, kind: int, extra: int, search: Search) -> tuple[int, ...] | None:
    count = len(part.vertices)
    if kind == 0:
        return _closed_by(part, _WW, _WW | extra, search)
    if kind == 1:
        return _closed_by(part, _WR, _WW | _WR | extra, search)
    if kind == 2:
        return _single(part, _WW | _WR | extra, search)
    if kind == 4:
        return _closed_by(part, _RW, _WW | _WR | _RW | extra, search)
    # G-nonadjacent: vertex v of the graph is v (last edge was no rw) and v + count (it was) in the product
    plain, rw = part.edges(_WW | _WR | extra), part.edges(_RW)
    source = np.concatenate([part.source[plain], part.source[plain] + count, part.source[rw]])
    target = np.concatenate([part.target[plain], part.target[plain], part.target[rw] + count])
    labels = strong_labels(2 * count, source, target)
    inside = rw[labels[part.source[rw]] == labels[part.target[rw] + count]]
    return _shortest(part, inside, _WW | _WR | extra, search, alternate=True)


def _closed_by(part: _Part, needed: int, allowed: int, search: Search) -> tuple[int, ...] | None:
    """A cycle over ``allowed`` edges that has one of ``needed``: there is one if such an edge lies in a component."""
    chosen = part.edges(allowed)
    labels = strong_labels(len(part.vertices), part.source[chosen], part.target[chosen])
    candidates = part.edges(needed)
    inside = candidates[labels[part.source[candidates]] == labels[part.target[candidates]]]
    return _shortest(part, inside, allowed, search)


def _shortest(
    part: _Part, closing: Integers, allowed: int, search: Search, *, alternate: bool = False
) -> tuple[int, ...] | None:
    """The shortest cycle through one of the first ``closing`` edges (each known to be on a cycle)."""
    best: tuple[int, ...] | None = None
    for edge in closing[:MAX_STARTS].tolist():
        limit = None if best is None else len(best) - 2
        path = _path(part, int(part.target[edge]), int(part.source[edge]), allowed, search, limit, alternate=alternate)
        if path is not None and (best is None or len(path) + 1 < len(best)):
            best = (int(part.position[edge]), *path)
        if best is not None and (len(best) == 2 or search.steps_left <= 0):
            break
    return best


def _single(part: _Part, allowed: int, search: Search) -> tuple[int, ...] | None:
    """A cycle with exactly one rw edge: for each, a path back over ``allowed``."""
    chosen, rw = part.edges(allowed), part.edges(_RW)
    count = len(part.vertices)
    labels = strong_labels(count, part.source[chosen], part.target[chosen])
    same = labels[part.source[rw]] == labels[part.target[rw]]
    if np.any(same):
        return _shortest(part, rw[same], allowed, search)
    rank = _ranks(labels, part.source[chosen], part.target[chosen])
    possible = rw[rank[labels[part.target[rw]]] < rank[labels[part.source[rw]]]]
    span = rank[labels[part.source[possible]]] - rank[labels[part.target[possible]]]
    ranks = rank[labels].tolist()
    for edge in possible[np.argsort(span, kind="stable")].tolist():
        if search.steps_left <= 0:
            search.bounded = True
            return None
        path = _path(part, int(part.target[edge]), int(part.source[edge]), allowed, search, None, ranks=ranks)
        if path is not None:
            return (int(part.position[edge]), *path)
    return None


def _ranks(labels: Integers, source: Integers, target: Integers) -> Integers:
    """For each component the length of the longest path to it: a path only ever climbs."""
    count = int(labels.max()) + 1
    a, b = labels[source], labels[target]
    out: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for s, t in zip(a.tolist(), b.tolist(), strict=True):
        if s != t:
            out[s].append(t)
            waiting[t] += 1
    rank = [0] * count
    ready = [v for v in range(count) if not waiting[v]]
    while ready:
        v = ready.pop()
        for t in out[v]:
            rank[t] = max(rank[t], rank[v] + 1)
            waiting[t] -= 1
            if not waiting[t]:
                ready.append(t)
    return np.array(rank, dtype=np.int64)


def _path(
    part: _Part,
    start: int,
    goal: int,
    allowed: int,
    search: Search,
    limit: int | None,
    *,
    alternate: bool = False,
    ranks: list[int] | None = None,
) -> tuple[int, ...] | None:
    """The shortest path of edges from ``start`` to ``goal``, by breadth-first search; None if there is none.

    ``alternate``: rw edges are allowed too, but never two in a row, nor first, nor last. ``ranks`` climb along every
    allowed edge, so nothing above the goal's can lead to it. ``limit`` is the most edges of interest.
    """
    came: dict[tuple[int, bool], tuple[tuple[int, bool], int]] = {}
    first = (start, alternate)  # the edge before was rw
    depth = {first: 0}
    queue = deque([first])
    while queue:
        state = queue.popleft()
        if limit is not None and depth[state] >= limit:
            return None
        vertex, after_rw = state
        search.steps_left -= len(part.out[vertex])
        for target, position, bit in part.out[vertex]:
            is_rw = bit == _RW
            if not bit & allowed and not (alternate and is_rw and not after_rw):
                continue
            if ranks is not None and ranks[target] >= ranks[goal] and target != goal:
                continue
            following = (target, alternate and is_rw)
            if following in depth:
                continue
            depth[following] = depth[state] + 1
            came[following] = (state, position)
            if following == (goal, False):
                return _back(came, following, first)
            queue.append(following)
        if search.steps_left <= 0 and ranks is not None:
            search.bounded = True
            return None
    return None


def _back(
    came: dict[tuple[int, bool], tuple[tuple[int, bool], int]], last: tuple[int, bool], first: tuple[int, bool]
) -> tuple[int, ...]:
    edges: list[int] = []
    while last != first:
        last, position = came[last]
        edges.append(position)
    return tuple(reversed(edges))
