"""Linearizability by trying every order: slow and obviously right, for small histories."""

from __future__ import annotations

from raftmon.driver.histories.operation import Outcome


def linearizable(operations, state, step):
    """``step(state, operation)`` gives the next state (hashable), or None where the operation cannot happen now.

    Failed operations never happen, indefinite ones at any time after their call or not at all.
    """
    alive = [o for o in operations if o.outcome is not Outcome.FAIL]
    needed = sum(1 << i for i, o in enumerate(alive) if o.outcome is Outcome.OK)
    before = [
        sum(1 << j for j, a in enumerate(alive) if a.outcome is Outcome.OK and a.return_ns < b.call_ns) for b in alive
    ]
    seen = set()

    def search(done, state):
        if done & needed == needed:
            return True
        if (done, state) in seen:
            return False
        seen.add((done, state))
        for i, operation in enumerate(alive):
            if done >> i & 1 or before[i] & ~done:
                continue
            after = step(state, operation)
            if after is not None and search(done | 1 << i, after):
                return True
        return False

    return search(0, state)
