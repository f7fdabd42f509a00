"""What clients did: events on disk, operations in memory.

On disk (``history.jsonl``) a history is a list of *events*, one JSON object a line, so that what was in flight when a
run died is known too::

    {"index":0,"time_ns":81,"process":3,"type":"invoke","f":"write","key":"k1","value":17,"node":"n2","host":"c1"}
    {"index":5,"time_ns":95,"process":3,"type":"ok","f":"write","key":"k1","value":17}

``type`` is ``invoke``, ``ok``, ``fail`` (certainly did not happen) or ``info`` (nobody knows). A read is invoked with
value null and completes with what it saw. A cas has ``value`` [expected, new]; one that fails may carry ``seen``, the
value it found. An error text is in ``error``. Times are CLOCK_MONOTONIC nanoseconds. After ``info`` the process id is
retired: no later event bears it. An open loop's invocation has ``due_ns`` too: when it should have started.

``index`` is unique in a run, and rises within one client host's process. Lines of different hosts, and of threads of
one host, are not in the order of their times: who needs an order takes ``time_ns``.

In memory a checker gets ``Operation`` objects: an invocation with its completion.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Operation", "Outcome"]


class Outcome(enum.StrEnum):
    """How an operation ended, as far as its client knows."""

    OK = "ok"
    FAIL = "fail"  # certainly did not happen
    INFO = "info"  # nobody knows


@dataclass(slots=True)
class Operation:
    """One operation of one client process, from its call to its return.

    ``return_ns`` is None if it never returned or its outcome is INFO: it may take effect at any later time.
    ``value`` is what was written, what was read, or ``(expected, new)`` of a cas; other workloads put theirs here.
    ``seen`` is what a failed cas found; it means something only where ``has_seen`` is true.
    """

    process: int
    f: str
    key: Any
    value: Any
    call_ns: int
    return_ns: int | None
    outcome: Outcome
    index: int = -1
    node: str | None = None
    host: str | None = None
    error: str | None = None
    seen: Any = field(default=None)
    has_seen: bool = False
    extra: dict[str, Any] | None = None
