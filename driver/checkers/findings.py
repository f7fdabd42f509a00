"""What a checker found wrong, collected by name: bounded, and turned into one Result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.checkers.base import Counterexample, Result, Valid
from raftmon.driver.checkers.kept import Kept
from raftmon.driver.histories.bars import draw_timeline
from raftmon.driver.histories.operation import Operation

__all__ = ["Finding", "Findings", "milliseconds"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: its name, a sentence that can stand alone, the operations it is about."""

    name: str
    sentence: str
    operations: tuple[Operation, ...] = ()
    key: Any = None
    at_ns: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; operations by their index."""
        return {
            "name": self.name,
            "sentence": self.sentence,
            "key": self.key,
            "at_ns": self.at_ns,
            "operations": [operation.index for operation in self.operations],
            **self.facts,
        }


class Findings(Kept[Finding]):
    """Findings by name, at most twenty examples of each."""

    def add(
        self,
        name: str,
        sentence: str,
        operations: Iterable[Operation] = (),
        *,
        key: Any = None,
        at_ns: int | None = None,
        **facts: Any,
    ) -> None:
        """Count one more; ``at_ns`` is by default when the last of its operations returned."""

        def make() -> Finding:
            involved = tuple(sorted(operations, key=lambda operation: operation.call_ns))
            last_ns = max((o.return_ns for o in involved if o.return_ns is not None), default=None)
            return Finding(name, sentence, involved, key, last_ns if at_ns is None else at_ns, facts)

        self.keep(name, make)

    def result(
        self,
        checker: str,
        *,
        good: str,
        details: dict[str, Any],
        harmless: Sequence[str] = (),
        unknown: str | None = None,
    ) -> Result:
        """Invalid where anything but ``harmless`` was found, else unknown with that reason, else valid.

        ``details`` gets ``anomalies`` {name: count} and ``examples``; the counterexample is the first finding in time.
        """
        listed = [finding for name in self.examples for finding in self.examples[name]]
        details = {"anomalies": dict(self.counts), "examples": [one.as_json() for one in listed], **details}
        bad = [finding for finding in listed if finding.name not in harmless]
        if bad:
            first = min(bad, key=lambda finding: (finding.at_ns is None, finding.at_ns or 0))
            counts = ", ".join(f"{name} ({count})" for name, count in self.counts.items() if name not in harmless)
            picture = draw_timeline(first.operations)
            found = Counterexample(first.operations, first.sentence, first.key, first.at_ns, picture)
            return Result(Valid.NO, checker, f"found {counts}. First, {first.name}: {first.sentence}", details, found)
        if unknown is not None:
            return Result(Valid.UNKNOWN, checker, unknown, details)
        return Result(Valid.YES, checker, good, details)


def milliseconds(span_ns: int) -> str:
    """A span of time as a sentence says it."""
    return f"{span_ns / 1e6:.3f} ms"
