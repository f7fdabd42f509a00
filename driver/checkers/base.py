"""What every checker speaks: a verdict in three words, a result with its reasons, and a counterexample.

A checker is any object with a ``name`` and ``check(history) -> Result``. It does no I/O beyond what its own
documentation says, and leaves the history as it found it. What it raises is turned into *unknown* by ``safe.py``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation
from raftmon.setup.errors import EXIT_INVALID, EXIT_UNKNOWN, EXIT_VALID

__all__ = ["ASSUMPTIONS_NAME", "ONLY_IF", "Checker", "Counterexample", "Result", "Valid", "combine"]


ASSUMPTIONS_NAME = "assumptions"
"""The checker whose *unknown* outweighs every *invalid* (see ``assumptions.py``)."""


ONLY_IF = "only_if"
"""In the details of an invalid result: what must be so for it to be invalid, and how to say that it is.

Where nobody chose the checker such a result is unknown (see ``understanding.py``).
"""


class Valid(enum.StrEnum):
    """The three verdicts; their values are the words that are printed."""

    YES = "valid"
    NO = "invalid"
    UNKNOWN = "unknown"

    @property
    def exit_status(self) -> int:
        """0 valid, 1 invalid, 2 unknown."""
        return _EXIT_STATUS[self]


_EXIT_STATUS = {Valid.YES: EXIT_VALID, Valid.NO: EXIT_INVALID, Valid.UNKNOWN: EXIT_UNKNOWN}


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Operations that cannot be linearized, as few as possible, with a sentence and a text timeline.

    ``operations`` are those of the history itself (in order of call). ``sentence`` says why they cannot be reconciled.
    ``key`` is the key they are about, None where keys do not matter. ``at_ns`` is when it first showed
    (CLOCK_MONOTONIC), None where times mean nothing. ``timeline`` is plain text of several lines, or empty.
    ``minimal`` is true only where each operation was proved necessary and the set was proved wrong on its own.
    """

    operations: tuple[Operation, ...]
    sentence: str
    key: Any = None
    at_ns: int | None = None
    timeline: str = ""
    minimal: bool = False


@dataclass(slots=True)
class Result:
    """One checker's verdict: ``sentence`` can stand alone, ``details`` are plain JSON values."""

    valid: Valid
    checker: str
    sentence: str
    details: dict[str, Any] = field(default_factory=dict)
    counterexample: Counterexample | None = None
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """A dict of JSON values (operations as dicts with their indexes), for results.json and ``--json``."""
        found = self.counterexample
        return {
            "valid": self.valid.value,
            "checker": self.checker,
            "sentence": self.sentence,
            "seconds": round(self.seconds, 6),
            "details": self.details,
            "counterexample": None
            if found is None
            else {
                "sentence": found.sentence,
                "key": found.key,
                "at_ns": found.at_ns,
                "minimal": found.minimal,
                "timeline": found.timeline,
                "operations": [operation_as_json(operation) for operation in found.operations],
            },
        }


def operation_as_json(operation: Operation) -> dict[str, Any]:
    """The fields of an operation that say something, as JSON values."""
    fields: dict[str, Any] = {
        "index": operation.index,
        "process": operation.process,
        "f": operation.f,
        "key": operation.key,
        "value": operation.value,
        "call_ns": operation.call_ns,
        "return_ns": operation.return_ns,
        "outcome": operation.outcome.value,
    }
    for name in ("node", "host", "error", "extra"):
        if getattr(operation, name) is not None:
            fields[name] = getattr(operation, name)
    if operation.has_seen:
        fields["seen"] = operation.seen
    return fields


@runtime_checkable
class Checker(Protocol):
    """One question about a history."""

    @property
    def name(self) -> str:
        """What its results are filed under."""

    def check(self, history: History) -> Result:
        """Judge ``history``. May raise anything; callers go through ``safe.check_safely``."""


def combine(results: Iterable[Result]) -> Valid:
    """The verdict over several results: invalid if any is invalid, else unknown if any is unknown, else valid.

    Nothing checked is unknown: no checker has vouched for it. Where the assumptions were looked at and one is broken,
    all is unknown: what a checker found may be the instrument's fault.
    """
    listed = list(results)
    if any(result.checker == ASSUMPTIONS_NAME and result.valid is not Valid.YES for result in listed):
        return Valid.UNKNOWN
    words = [result.valid for result in listed if result.checker != ASSUMPTIONS_NAME]
    if Valid.NO in words:
        return Valid.NO
    if Valid.UNKNOWN in words or not words:
        return Valid.UNKNOWN
    return Valid.YES
