"""Random small register histories, nearly right: simulated, then perhaps one thing changed."""

from __future__ import annotations

from dataclasses import replace

from raftmon.driver.histories.operation import Operation, Outcome
from tests.driver.histories.synthetic import register_deeds, simulate


def small_history(rng, *, tell=1.0, delete=0.0, size=(2, 7)):
    """Operations on one register with unique written values, right or wrong."""
    deeds = register_deeds(write=0.35, cas=0.3, delete=delete, tell=tell)
    processes = rng.randint(1, 4)
    made = simulate(
        deeds, {}, rng.randint(*size), processes, rng, indefinite=rng.choice([0, 0.3]), latency_ns=rng.choice([3, 10])
    ).operations
    operations = [replace(operation) for operation in made]
    for _ in range(rng.choice([0, 1, 1, 2])):
        spoil(operations, rng)
    operations.sort(key=lambda operation: operation.call_ns)
    return operations


def spoil(operations: list[Operation], rng) -> None:
    """Change one read's value, one cas' expectation, one interval, or whether something happened."""
    operation = rng.choice(operations)
    known = [None] + [o.value[1] if o.f == "cas" else o.value for o in operations if o.f in ("write", "cas")]
    change = rng.randrange(4)
    if change == 0 and operation.f == "read":
        operation.value = rng.choice(known)
    elif change == 1 and operation.f == "cas":
        if operation.has_seen:
            operation.seen = rng.choice(known)
        else:
            operation.value = [rng.choice([v for v in known if v != operation.value[1]]), operation.value[1]]
    elif change == 2 and operation.return_ns is not None:
        shift = rng.randint(-6, 6)
        operation.call_ns += shift
        operation.return_ns += shift
    elif operation.f in ("write", "cas") and operation.outcome is not Outcome.FAIL:
        happened = rng.random() < 0.5
        operation.outcome = Outcome.INFO if happened else Outcome.FAIL
        operation.error = "refused"
        if happened:
            operation.return_ns = None
        elif operation.return_ns is None:
            operation.return_ns = operation.call_ns + 3
