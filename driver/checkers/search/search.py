"""The search for a linearization: Wing and Gong's algorithm with Lowe's memo.

Wing and Gong, "Testing and Verifying Concurrent Objects", J. Parallel and Distributed Computing 17, 1993; Lowe,
"Testing for linearizability", Concurrency and Computation 29(4), 2017. Depth first: of the operations that may come
next (those called no later than the earliest return among the rest) one is taken, the model steps, and so on; a
configuration already seen is not entered again. Six things keep it small, and none changes the answer:

- A configuration is (first operation still missing, bits of those taken after it, state), so its size is that of the
  concurrency and not of the history.
- States and operations are small integers, and the model is asked once for each pair of them (``layout.py``).
- An operation that only observes is taken as soon as it is legal, without alternatives: moving it forward disturbs
  nothing. (A write of the value already there is no such: it may be needed later.)
- A state in which no observation that is left can come true any more (``Model.barren``) is not entered while one is.
- Indefinite operations are optional. Those with equal effect are taken in order of their calls, so that only their
  number matters.
- A configuration that failed with some indefinite operations used fails with any superset of them used.

The walk itself is compiled (``_walk.pyx``) where it was built; ``walk.py`` says the same in Python.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.search.layout import Problem, lay_out
from raftmon.driver.checkers.search.limits import Limits
from raftmon.driver.checkers.search.model import Model
from raftmon.driver.checkers.search.walk import Walked
from raftmon.driver.checkers.search.walk import walk as _walk_in_python
from raftmon.driver.histories.operation import Operation

__all__ = ["Limits", "Search", "search"]

_walk: Callable[[Problem, Limits], Walked] = _walk_in_python
if os.environ.get("RAFTMON_INTERPRETED", "") in ("", "0"):
    with contextlib.suppress(ImportError):
        from raftmon.driver.checkers.search._walk import walk as _walk


@dataclass(slots=True)
class Search:
    """What a search found. ``order`` is a linearization, or the longest beginning of one that was found.

    ``stuck`` are the operations of which one had to come next after ``order`` and none could. ``reason`` says why a
    verdict is unknown. ``configurations`` counts what was entered.
    """

    valid: Valid
    order: list[Operation]
    stuck: list[Operation] = field(default_factory=list)
    reason: str = ""
    configurations: int = 0


def search(operations: Sequence[Operation], model: Model, limits: Limits | None = None) -> Search:
    """Look for a linearization of ``operations`` (of one partition) under ``model``.

    Raises whatever the model's ``step`` raises.
    """
    problem = lay_out(operations, model)
    found, order, stuck, reason, configurations = _walk(problem, limits or Limits())
    valid = Valid.UNKNOWN if reason else Valid.YES if found else Valid.NO
    named = problem.operations
    return Search(valid, [named[n] for n in order], [named[n] for n in stuck], reason, configurations)
