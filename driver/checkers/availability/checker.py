"""Availability in each fault, and what CAP says of the system that was tested.

Availability in the sense of Gilbert and Lynch (2002): every request to a node that has not itself failed gets an
answer (``measure``). ``cap`` has the label that follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from raftmon.driver.checkers.availability.cap import CapVerdict, cap_verdict
from raftmon.driver.checkers.availability.measure import Window, answered, measure
from raftmon.driver.checkers.base import Result, Valid
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation

__all__ = ["Availability"]


@dataclass(slots=True)
class Availability:
    """Per node and window: share of operations answered, longest gap, first failure, first success; and the verdict.

    ``windows`` are the faults; ``consistency`` the other checkers' results. The result is *valid* wherever something
    could be measured (whether the run is valid is the other checkers' matter). ``details``: ``label``, ``sentence``,
    ``how``, ``served`` (one entry per node and window, and per node outside of all windows), ``windows``.
    """

    windows: Sequence[Window] = ()
    consistency: Sequence[Result] = ()
    answered: Callable[[Operation], bool] = answered
    name: str = field(default="availability", init=False)

    def check(self, history: History) -> Result:
        """Measure and judge."""
        windows = _told_apart(self.windows)
        served = measure(history.operations, windows, self.answered)
        verdict = cap_verdict(served, windows, self.consistency)
        details = {
            "label": verdict.label.value,
            "sentence": verdict.sentence,
            "how": verdict.how,
            "served": [one.as_json() for one in served],
            "windows": [
                {
                    "name": window.name,
                    "start_ns": window.start_ns,
                    "stop_ns": window.stop_ns,
                    "nodes": list(window.nodes),
                    "links": [str(link) for link in window.links],
                }
                for window in windows
            ],
        }
        return Result(Valid.YES if served else Valid.UNKNOWN, self.name, _whole(verdict), details)


def _told_apart(windows: Sequence[Window]) -> list[Window]:
    """The same, the second of one name called ``name #2`` and so on."""
    seen: dict[str, int] = {}
    told = []
    for window in windows:
        number = seen[window.name] = seen.get(window.name, 0) + 1
        told.append(window if number == 1 else replace(window, name=f"{window.name} #{number}"))
    return told


def _whole(verdict: CapVerdict) -> str:
    if not verdict.how:
        return verdict.sentence
    return f"{verdict.sentence}{'' if verdict.sentence.endswith('.') else ':'} {verdict.how}"
