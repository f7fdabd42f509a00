"""Semaphores: never more permits held than there are, whoever gives them back (Hazelcast's ``cp-semaphore``).

Operations: ``f="acquire"`` and ``f="release"`` of one permit each; ``key`` names the semaphore. At any moment the
permits that are certainly held are the acquires that have returned less the releases that have been called (one of
unknown outcome may have given its permit back): some order of the operations is right exactly if that is never more
than there are, since every release can take effect when it is called and every acquire when it returns.
"""

from __future__ import annotations

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.histories.model import NEVER, History
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.setup.errors import InputError

__all__ = ["Semaphore"]


class Semaphore:
    """Names: *too-many-holders*. Raises InputError for permits that are no positive number.

    ``details``: ``anomalies``, ``examples``, ``permits``, ``acquires``, ``most`` (permits certainly held at once).
    """

    stops_by_itself = True

    name = "semaphore"

    def __init__(self, permits: str | int = 1) -> None:
        if not str(permits).isdecimal() or int(permits) < 1:
            raise InputError(f"a semaphore has a number of permits, 1 or more: permits={permits}")
        self._permits = int(permits)

    def check(self, history: History) -> Result:
        """Judge every semaphore of the history."""
        found = Findings()
        acquires = most = 0
        for operations in history.by_key().values():
            taken = [one for one in operations if one.f == "acquire" and one.outcome is Outcome.OK]
            given = [one for one in operations if one.f == "release" and one.outcome is not Outcome.FAIL]
            acquires += len(taken)
            most = max(most, self._most(taken, given, found))
        return found.result(
            self.name,
            good=f"{acquires} acquires, and never more than {most} of {self._permits} permits held at once",
            details={"permits": self._permits, "acquires": acquires, "most": most},
            unknown=None if acquires else "no permit was ever acquired",
        )

    def _most(self, taken: list[Operation], given: list[Operation], found: Findings) -> int:
        events = [(NEVER if one.return_ns is None else one.return_ns, 1, one) for one in taken]
        events += [(one.call_ns, 0, one) for one in given]
        held: list[Operation] = []
        most = surplus = 0
        for at_ns, takes, one in sorted(events, key=lambda event: event[:2]):
            if takes and surplus:
                surplus -= 1  # given back before: whoever releases may release another's permit
                continue
            if takes:
                held.append(one)
                most = max(most, len(held))
                if len(held) > self._permits:
                    sentence = f"{len(held)} permits were held at once, and there are {self._permits}"
                    found.add("too-many-holders", sentence, held[-20:], key=one.key, at_ns=at_ns)
            elif held:
                mine = next((place for place, other in enumerate(held) if other.process == one.process), 0)
                held.pop(mine)
            else:
                surplus += 1
        return most
