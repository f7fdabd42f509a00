"""The obvious, slow judgement of consistency levels: every causal order's views, every subset, every order.

Knows nothing of the checkers' code. Written for registers with unique values: ``(process, f, value)`` in order of call,
f being ``r`` or ``w``; a register holds None at first. Several registers: ``(process, f, value, key)``.
"""

from __future__ import annotations

import itertools


def holds(level, operations):
    """Whether ``operations`` are right at ``level``."""
    numbers = range(len(operations))
    same = {(a, b) for a in numbers for b in numbers if a < b and operations[a][0] == operations[b][0]}
    writes = [n for n in numbers if operations[n][1] == "w"]
    saw = {}
    for n in numbers:
        if operations[n][1] == "r" and operations[n][2] is not None:
            by = [w for w in writes if operations[w][2:] == operations[n][2:]]
            if not by:
                return False
            saw[n] = by[0]
    if level == "sequential":
        return _some_order(list(numbers), same, operations, set(numbers))
    order = {
        "pram": same,
        "causal": _closure(same | {(w, r) for r, w in saw.items()}),
        "monotonic-reads": {(a, b) for a, b in same if a not in writes and b not in writes},
        "read-your-writes": {(a, b) for a, b in same if a in writes and b not in writes},
        "monotonic-writes": {(a, b) for a, b in same if a in writes and b in writes},
        "writes-follow-reads": _closure(
            {(saw[a], b) for a, b in same if a in saw and b in writes} | {(w, r) for r, w in saw.items()}
        ),
    }
    order["monotonic"] = _closure(
        order["monotonic-reads"] | order["read-your-writes"] | order["monotonic-writes"] | order["writes-follow-reads"]
    )
    mine = order[level]
    if any(a == b for a, b in mine):
        return False
    for process in {one[0] for one in operations}:
        reads = [n for n in numbers if operations[n][0] == process and operations[n][1] == "r"]
        own = {"monotonic-writes", "read-your-writes", "writes-follow-reads"}
        for group in [[r] for r in reads] if level in own else [reads]:
            if not any(
                _some_order([*group, *more], mine, operations, {a for a, b in mine if b in (*group, *more)} - set(saw))
                for size in range(len(writes) + 1)
                for more in itertools.combinations(writes, size)
            ):
                return False
    return True


def _closure(pairs):
    pairs = set(pairs)
    while True:
        more = {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs
        if not more:
            return pairs
        pairs |= more


def _some_order(chosen, before, operations, required):
    writes_required = {n for n in required if operations[n][1] == "w"}
    if not writes_required <= set(chosen):
        return False
    for ordered in itertools.permutations(chosen):
        place = {n: at for at, n in enumerate(ordered)}
        if any(a in place and b in place and place[a] > place[b] for a, b in before):
            continue
        held = {}
        for n in ordered:
            _, f, value, *key = operations[n]
            if f == "w":
                held[tuple(key)] = value
            elif held.get(tuple(key)) != value:
                break
        else:
            return True
    return False
