"""How long Elle takes for 100,000 transactions: ``python -m tests.bench.transactions``. Prints one line a case.

Peak memory is that of the whole process so far, so it only grows from line to line.
"""

from __future__ import annotations

import heapq
import random
import resource
import time

from raftmon.driver.checkers.elle import ListAppend, RwRegister
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome

TRANSACTIONS = 100_000
CASES = (
    ("list-append, 10 clients", ListAppend, "append", 10, 0.0),
    ("list-append, 50 clients", ListAppend, "append", 50, 0.0),
    ("list-append, 50 clients, 0.05% of reads stale", ListAppend, "append", 50, 0.0005),
    ("list-append, 50 clients, 5% of reads stale", ListAppend, "append", 50, 0.05),
    ("rw-register, 50 clients", RwRegister, "w", 50, 0.0),
)


def transactions(kind: str, clients: int, stale: float, seed: int = 1) -> list[Operation]:
    """A serial store of 10 keys at a time, each left after 100 writes; 1% of transactions are indefinite."""
    rng = random.Random(seed)
    lists: dict[int, list[int]] = {}
    active, following = list(range(10)), 10
    process = list(range(clients))
    ready = [(rng.randrange(1000), client) for client in range(clients)]
    heapq.heapify(ready)
    operations = []
    for number in range(TRANSACTIONS):
        call, client = heapq.heappop(ready)
        back = call + rng.randrange(100, 2000)
        micro: list[list[object]] = []
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(active))
            values = lists.setdefault(active[place], [])
            if rng.random() < 0.5:
                seen = values[:-1] if rng.random() < stale else list(values)
                micro.append(["r", active[place], seen if kind == "append" else seen[-1] if seen else None])
                continue
            values.append(len(values) + 1)
            micro.append([kind, active[place], len(values)])
            if len(values) == 100:
                active[place], following = following, following + 1
        unsure = rng.random() < 0.01
        outcome = Outcome.INFO if unsure else Outcome.OK
        operations.append(
            Operation(process[client], "txn", None, micro, call, None if unsure else back, outcome, number)
        )
        if unsure:
            process[client] += clients
        heapq.heappush(ready, (back + 1, client))
    return operations


def main() -> None:
    """Run every case."""
    for name, checker, kind, clients, stale in CASES:
        history = History(transactions(kind, clients, stale))
        began = time.perf_counter()
        result = checker().check(history)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name}: {result.valid.value}, {seconds:.2f} s, {result.details['edges']} edges, peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
