"""Short words for making operations in tests."""

from __future__ import annotations

from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome

OK, FAIL, INFO = Outcome.OK, Outcome.FAIL, Outcome.INFO


def op(process, f, value, call, back, *, key=None, outcome=OK, index=-1, node=None, error=None, **extra):
    """One operation; ``back`` None for one without a return."""
    return Operation(process, f, key, value, call, back, outcome, index, node, error=error, extra=extra or None)


def history(*operations):
    """A History, with indexes by order of call where there are none."""
    listed = sorted(operations, key=lambda operation: operation.call_ns)
    for number, operation in enumerate(listed):
        if operation.index < 0:
            operation.index = number
    return History(listed)


def found(result):
    """The names found."""
    return set(result.details["anomalies"])
