"""Transactions with comparisons, replayed in the order of the revisions that the system gave them.

Operation ``transact`` (``driver/workloads/txn.py`` says its shape), field ``revision``. Each transaction that changed
something has its own revision; one that changed nothing shows the state at its revision. Names of what is found:

- *comparison*: a branch was taken that the state does not lead to; *read*: a get or a delete's count is not the state;
- *revision-twice*: two transactions that changed something have one revision; *revision-back*: a revision below one
  that had been answered before it was asked for; *unexplained-revision*: a revision that no transaction can have;
- *failed-took-effect*: a value is there whose transaction was refused; *phantom*: one that nobody wrote.

A transaction of unknown outcome may have taken any missing revision: the keys that it names are then unknown until
somebody reads or deletes them. Source: etcd, "KV API guarantees"; its ``applyTxn`` on steps in order, and a comparison
of the value of a key that is not there is false.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.branches_state import State, all_steps, changes_something, items_told
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.histories.model import NEVER, History, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Branches"]


@dataclass(frozen=True, slots=True)
class _Row:
    operation: Operation
    revision: int
    steps: list[list[Any]]
    results: list[Any]
    changes: bool


def _rows(history: History) -> list[_Row]:
    rows = []
    for one in history.operations:
        revision = (one.extra or {}).get("revision")
        if one.f != "transact" or one.outcome is not Outcome.OK or not isinstance(revision, int):
            continue
        steps = one.value["then" if one.value["succeeded"] else "else"]
        results = one.value["results"]
        rows.append(_Row(one, revision, steps, results, changes_something(steps, results)))
    # at one revision the transaction that made it comes first, then those that only saw it
    return sorted(rows, key=lambda row: (row.revision, not row.changes, row.operation.call_ns))


class Branches:
    """``details``: ``anomalies``, ``examples``, ``transactions``, ``changes``, ``unknown`` (of unknown outcome)."""

    name = "txn-branches"

    def check(self, history: History) -> Result:
        """Replay the whole history."""
        found = Findings()
        rows = _rows(history)
        doubtful = [one for one in history.operations if one.f == "transact" and one.outcome is Outcome.INFO]
        _values(history, rows, found)
        _real_time(rows, found)
        at: list[Operation] = []
        state = State(
            lambda sentence, key: found.add("read", sentence, at[-1:], key=key if isinstance(key, str) else None)
        )
        last: _Row | None = None
        newest = 0
        for row in rows:
            first = not newest
            if row.revision > newest + (1 if row.changes else 0):
                self._gap(row, newest, first, doubtful, state, found)
            if row.changes:
                if last is not None and last.revision == row.revision:
                    sentence = f"two transactions changed something at revision {row.revision}"
                    found.add("revision-twice", sentence, [last.operation, row.operation])
                last = row
            newest = max(newest, row.revision)
            at.append(row.operation)
            _replay(row, state, found)
        return found.result(
            self.name,
            good=f"{len(rows)} transactions agree with one order, that of their revisions",
            details={
                "transactions": len(rows),
                "changes": sum(row.changes for row in rows),
                "unknown": len(doubtful),
            },
            unknown=None if rows else "no transaction was answered",
        )

    @staticmethod
    def _gap(row: _Row, newest: int, first: bool, doubtful: list[Operation], state: State, found: Findings) -> None:
        """Revisions are missing before this one."""
        missing = row.revision - newest - (1 if row.changes else 0)
        ended = NEVER if row.operation.return_ns is None else row.operation.return_ns
        possible = [one for one in doubtful if one.call_ns < ended]
        if not first and missing > len(possible):
            sentence = (
                f"{missing} revisions are missing before {row.revision}, and {len(possible)} transactions of unknown "
                "outcome can have made them"
            )
            found.add("unexplained-revision", sentence, [row.operation, *possible[:3]])
        for one in possible:
            for step in all_steps(one.value):
                state.forget(step, newest + 1)


def _replay(row: _Row, state: State, found: Findings) -> None:
    """Compare what was answered with the state before it, and make its changes."""
    value = row.operation.value
    inside = [(step, told) for step, told in zip(row.steps, row.results, strict=False) if step[0] == "txn"]
    # etcd looks at all comparisons, those of transactions inside too, before it carries any step out
    for comparisons, succeeded in [(value["if"], value["succeeded"]), *((s[1], t["succeeded"]) for s, t in inside)]:
        expected = state.branch(comparisons)
        if expected is None or expected == succeeded:
            continue
        which = [each for each in comparisons if state.holds(each) is False] or comparisons
        sentence = (
            f"at revision {row.revision} the comparisons {which} {'held' if expected else 'did not hold'}, "
            f"and the {'then' if succeeded else 'else'} branch was taken"
        )
        found.add("comparison", sentence, [row.operation])
    state.carry_out(row.steps, row.results, row.revision)


def _values(history: History, rows: list[_Row], found: Findings) -> None:
    """Every value that was read was put by somebody, and not by a refused transaction."""
    writers: dict[tuple[str, Any], Operation] = {}
    for one in history.operations:
        if one.f == "transact" and isinstance(one.value, Mapping):
            for step in all_steps(one.value):
                if step[0] == "put":
                    writers[step[1], freeze(step[2])] = one
    for row in rows:
        for told in items_told(row.steps, row.results):
            key = told["key"]
            writer = writers.get((key, freeze(told["value"])))
            said = f"{key} was read as {told['value']!r} at revision {row.revision}"
            if writer is None:
                found.add("phantom", f"{said}, which nobody wrote", [row.operation], key=key)
            elif writer.outcome is Outcome.FAIL:
                sentence = f"{said}, and the transaction that puts it was refused"
                found.add("failed-took-effect", sentence, [writer, row.operation], key=key)


def _real_time(rows: list[_Row], found: Findings) -> None:
    ended = sorted(rows, key=lambda row: row.operation.return_ns or NEVER)
    at, most, whose = 0, 0, None
    for row in sorted(rows, key=lambda row: row.operation.call_ns):
        while at < len(ended) and (ended[at].operation.return_ns or NEVER) < row.operation.call_ns:
            if ended[at].revision > most:
                most, whose = ended[at].revision, ended[at].operation
            at += 1
        if whose is not None and row.revision < most + (1 if row.changes else 0):
            sentence = f"revision {row.revision} was answered after {most} had been"
            found.add("revision-back", sentence, [whose, row.operation])
