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

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.histories.model import NEVER, History, freeze
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["Branches"]

_UNKNOWN: Any = object()
_SIGNS = {"=": operator.eq, "!": operator.ne, "<": operator.lt, ">": operator.gt}
_ABSENT = {"version": 0, "create": 0, "mod": 0}
_State = dict[str, Any]


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
        changes = any(
            step[0] == "put" or (step[0] == "delete" and told) for step, told in zip(steps, results, strict=False)
        )
        rows.append(_Row(one, revision, steps, results, changes))
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
        state: _State = {}
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
    def _gap(row: _Row, newest: int, first: bool, doubtful: list[Operation], state: _State, found: Findings) -> None:
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
            for step in (*one.value["then"], *one.value["else"]):
                if step[0] != "get":
                    state[step[1]] = _UNKNOWN


def _replay(row: _Row, state: _State, found: Findings) -> None:
    """Compare what was answered with the state before it, and make its changes."""
    one = row.operation
    truths = [_holds(comparison, state) for comparison in one.value["if"]]
    expected = False if False in truths else None if None in truths else True
    if expected is not None and expected != one.value["succeeded"]:
        which = [each for each, truth in zip(one.value["if"], truths, strict=True) if truth is False] or one.value["if"]
        sentence = (
            f"at revision {row.revision} the comparisons {which} {'held' if expected else 'did not hold'}, "
            f"and the {'then' if one.value['succeeded'] else 'else'} branch was taken"
        )
        found.add("comparison", sentence, [one])
    for step, told in zip(row.steps, row.results, strict=False):
        kind, key = step[0], step[1]
        item = state.get(key)
        if kind == "get":
            if item is not _UNKNOWN and freeze(item) != freeze(told):
                sentence = f"at revision {row.revision} {key} was read as {told!r}; it was {item!r}"
                found.add("read", sentence, [one], key=key)
            state[key] = told
        elif kind == "delete":
            if item is not _UNKNOWN and bool(told) != (item is not None):
                sentence = f"at revision {row.revision} a delete of {key} removed {told} keys; it was {item!r}"
                found.add("read", sentence, [one], key=key)
            state[key] = None
        elif item is not _UNKNOWN:
            create, version = (item["create"], item["version"] + 1) if item else (row.revision, 1)
            state[key] = {
                "key": key,
                "value": step[2],
                "mod": row.revision,
                "create": create,
                "version": version,
            }


def _holds(comparison: list[Any], state: _State) -> bool | None:
    """Whether it is true of the state; None where that is unknown."""
    target, key, sign, operand = comparison
    item = state.get(key)
    if item is _UNKNOWN:
        return None
    if target == "value":
        return item is not None and bool(_SIGNS[sign](freeze(item["value"]), freeze(operand)))
    return bool(_SIGNS[sign]((item or _ABSENT)[target], operand))


def _values(history: History, rows: list[_Row], found: Findings) -> None:
    """Every value that was read was put by somebody, and not by a refused transaction."""
    writers: dict[tuple[str, Any], Operation] = {}
    for one in history.operations:
        if one.f == "transact" and isinstance(one.value, Mapping):
            for step in (*one.value["then"], *one.value["else"]):
                if step[0] == "put":
                    writers[step[1], freeze(step[2])] = one
    for row in rows:
        for step, told in zip(row.steps, row.results, strict=False):
            if step[0] != "get" or told is None:
                continue
            writer = writers.get((step[1], freeze(told["value"])))
            said = f"{step[1]} was read as {told['value']!r} at revision {row.revision}"
            if writer is None:
                found.add("phantom", f"{said}, which nobody wrote", [row.operation], key=step[1])
            elif writer.outcome is Outcome.FAIL:
                sentence = f"{said}, and the transaction that puts it was refused"
                found.add("failed-took-effect", sentence, [writer, row.operation], key=step[1])


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
