"""Unique identifiers: no two requests are given the same one (Maelstrom's ``unique-ids``, Jepsen's ``unique-ids``).

Operations: ``f="generate"``, ``value`` the identifier. An indefinite one may have been given any, which nobody saw.
"""

from __future__ import annotations

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.histories.model import History, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["UniqueIds"]


class UniqueIds:
    """Names: *duplicate* (one identifier given twice). ``details``: ``anomalies``, ``examples``, ``generated``."""

    stops_by_itself = True

    name = "unique-ids"

    def check(self, history: History) -> Result:
        """Compare every acknowledged identifier with all before it."""
        found = Findings()
        first: dict[object, Operation] = {}
        generated = 0
        for operation in history.operations:
            if operation.f != "generate" or operation.outcome is not Outcome.OK:
                continue
            generated += 1
            before = first.setdefault(freeze(operation.value), operation)
            if before is not operation:
                found.add("duplicate", f"{operation.value!r} was generated twice", [before, operation])
        return found.result(
            self.name,
            good=f"{generated} identifiers, no two alike",
            details={"generated": generated},
            unknown=None if generated else "no identifier was generated",
        )
