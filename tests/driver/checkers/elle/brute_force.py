"""Slow and obviously right judges of small transaction histories, and a maker of such histories.

A history is valid under a level if some choice of which indefinite transactions committed, and some order, explains
every read. Serializable: one order of whole transactions. Snapshot isolation: an order of starts and commits, where a
transaction reads what was committed when it started, and two that wrote one key do not overlap.
"""

from __future__ import annotations

import itertools

from raftmon.driver.histories.operation import Operation, Outcome


def apply(micro, state, kind):
    """Run one transaction on ``state`` (a dict of tuples or values); the new state, or None if a read contradicts."""
    state = dict(state)
    for f, key, value in micro:
        if f == "r":
            if kind == "append":
                if state.get(key, ()) != tuple(value or ()):
                    return None
            elif state.get(key) != value:
                return None
        elif f == "append":
            state[key] = (*state.get(key, ()), value)
        else:
            state[key] = value
    return state


def choices(operations):
    """Every set of transactions that may have committed, with the reads of indefinite ones left out."""
    sure = [o for o in operations if o.outcome is Outcome.OK]
    maybe = [o for o in operations if o.outcome is Outcome.INFO]
    for size in range(len(maybe) + 1):
        for some in itertools.combinations(maybe, size):
            yield sure + list(some)


def micro_of(operation):
    if operation.outcome is Outcome.OK:
        return operation.value
    return [m for m in operation.value if m[0] != "r"]


def precedes(a, b, order):
    if order == "realtime":
        return a.outcome is Outcome.OK and a.return_ns < b.call_ns
    if order == "process":
        return a.process == b.process and a.outcome is Outcome.OK and a.return_ns < b.call_ns
    return False


def serializable(operations, kind, order=None):
    """Is there a serial order (that keeps ``order``: None, "process" or "realtime")?"""
    return any(_serial(chosen, kind, order) for chosen in choices(operations))


def _serial(chosen, kind, order):
    n = len(chosen)
    before = [sum(1 << j for j in range(n) if precedes(chosen[j], chosen[i], order)) for i in range(n)]
    seen = set()

    def search(done, state):
        if done == (1 << n) - 1:
            return True
        mark = (done, tuple(sorted(state.items())))
        if mark in seen:
            return False
        seen.add(mark)
        for i in range(n):
            if not done >> i & 1 and before[i] & ~done == 0:
                after = apply(micro_of(chosen[i]), state, kind)
                if after is not None and search(done | 1 << i, after):
                    return True
        return False

    return search(0, {})


def snapshot(operations, kind, order=None):
    """Is there an order of starts and commits that snapshot isolation allows?"""
    return any(_snapshot(chosen, kind, order) for chosen in choices(operations))


def _snapshot(chosen, kind, order):
    n = len(chosen)
    writes = [{m[1] for m in micro_of(o) if m[0] != "r"} for o in chosen]
    before = [[j for j in range(n) if precedes(chosen[j], chosen[i], order)] for i in range(n)]
    seen = set()

    def search(started, committed, state, dirty):
        # dirty[i]: keys written by commits since i started
        if len(committed) == n:
            return True
        mark = (frozenset(started), committed, tuple(sorted(state.items())), tuple(dirty))
        if mark in seen:
            return False
        seen.add(mark)
        for i in range(n):
            if i in committed:
                continue
            if i not in started:
                if any(j not in committed for j in before[i]):
                    continue
                if apply(micro_of(chosen[i]), state, kind) is None:
                    continue
                since = list(dirty)
                since[i] = frozenset()
                if search({**started, i: state}, committed, state, since):
                    return True
            elif not dirty[i] & writes[i]:
                after = dict(state)
                mine = apply(micro_of(chosen[i]), started[i], kind)
                for key in writes[i]:
                    after[key] = mine[key]
                since = [frozenset(keys | writes[i]) for keys in dirty]
                if search(started, committed | {i}, after, since):
                    return True
        return False

    return search({}, frozenset(), {}, [frozenset()] * n)


def random_history(rng, kind, *, transactions, keys, processes, observed):
    """A history of a store that is sometimes wrong in one of many ways; ``observed`` adds a last read of every key.

    ``kind`` is "append" or "w". A third of the histories come from a serial store, a third from one with snapshots and
    first-committer-wins, and the others read old states, drop writes, make failed ones happen, or overwrite blindly.
    """
    state, states, operations = {}, [{}], []
    free = [0] * processes
    style = rng.choice(["serial", "snapshot", "faulty"])
    fault = style == "faulty"
    names = "abcdef"[:keys]
    retired = 0
    for number in range(transactions):
        process = rng.randrange(processes)
        call = free[process] + rng.randrange(1, 6)
        back = call + rng.randrange(1, 12)
        old = style != "serial" and rng.random() < 0.5
        start = rng.choice(states[-4:]) if old else state
        view = dict(start)
        outcome = rng.choices([Outcome.OK, Outcome.INFO, Outcome.FAIL], [8, 1, 1])[0]
        micro, written = [], []
        for step in range(rng.randint(1, 3)):
            key = rng.choice(names)
            if rng.random() < 0.5:
                value = view.get(key, () if kind == "append" else None)
                micro.append(["r", key, list(value) if kind == "append" else value])
                continue
            value = number * 10 + step
            micro.append([kind, key, value])
            view[key] = (*view.get(key, ()), value) if kind == "append" else value
            written.append((key, value))
        if style == "snapshot" and any(start.get(key) != state.get(key) for key, _ in written):
            outcome = Outcome.FAIL
        happens = outcome is Outcome.OK or (outcome is Outcome.INFO and rng.random() < 0.5)
        if fault and rng.random() < 0.1:
            happens = not happens
        if happens:
            base = dict(view) if fault and rng.random() < 0.1 else dict(state)
            for key, value in written:
                base[key] = (*base.get(key, ()), value) if kind == "append" else value
            state = base
            states.append(state)
        info = outcome is Outcome.INFO
        operations.append(
            Operation(process + 10 * retired, "txn", None, micro, call, None if info else back, outcome, number)
        )
        if info:
            retired += 1
        free[process] = back
    if observed:
        call = max(free) + 100
        empty = () if kind == "append" else None
        last = [["r", key, list(state.get(key, ())) if kind == "append" else state.get(key, empty)] for key in names]
        operations.append(Operation(99, "txn", None, last, call, call + 1, Outcome.OK, transactions))
    return operations
