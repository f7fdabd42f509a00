"""The two checkers: transactions on lists, transactions on registers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from raftmon.driver.checkers.base import Counterexample, Result, Valid
from raftmon.driver.checkers.elle.anomalies import Anomalies, Anomaly
from raftmon.driver.checkers.elle.cycles import find_cycles
from raftmon.driver.checkers.elle.exact import decide
from raftmon.driver.checkers.elle.graph import Edges, Kind
from raftmon.driver.checkers.elle.isolation import LEVELS, isolation_level, ruled_out, strongest_left
from raftmon.driver.checkers.elle.list_append import analyse_list_append
from raftmon.driver.checkers.elle.ordering import process_edges, realtime_edges
from raftmon.driver.checkers.elle.rw_register import analyse_rw_register
from raftmon.driver.checkers.elle.transactions import APPEND, WRITE, Transactions, parse_transactions
from raftmon.driver.checkers.elle.words import cycle_anomaly, name_transaction
from raftmon.driver.checkers.search.explain import explain
from raftmon.driver.checkers.search.linearizable import scale_of
from raftmon.driver.checkers.search.models import MultiRegister
from raftmon.driver.histories.bars import draw_timeline, name_operation
from raftmon.driver.histories.model import History

__all__ = ["ListAppend", "RwRegister"]

_BROKEN = ("duplicate-appends", "duplicate-writes")
_GRAVITY = (  # which finding is told first
    "garbage-read",
    "duplicate-elements",
    "incompatible-order",
    "internal",
    "G0",
    "G1a",
    "dirty-update",
    "G1b",
    "cyclic-versions",
    "G1c",
    "lost-update",
)


class ListAppend:
    """Transactions of ``append`` and ``r`` on lists (shapes: see the package).

    ``expected`` is the isolation level the system promises: the verdict is *invalid* if an anomaly rules it out, and
    *unknown* if an element was appended twice or nothing was understood. ``details`` has ``anomalies`` {name: count},
    ``examples`` (name, sentence, indexes, steps, the cycle as a graph), ``ruled_out``, ``not_ruled_out`` (the
    strongest levels), ``transactions``, ``edges``, ``problems``. Raises InputError for an unknown level.
    """

    stops_by_itself = True

    name = "list-append"

    def __init__(self, expected: str = "strict-serializable") -> None:
        self.expected = isolation_level(expected)

    def check(self, history: History) -> Result:
        """Judge every ``txn`` of the history."""
        return _check(self.name, self.expected, history, APPEND, analyse_list_append)


class RwRegister:
    """Transactions of ``w`` and ``r`` on registers (shapes: see the package); a key starts as null.

    ``linearizable_keys``: the user vouches that each key by itself is linearizable, which orders far more versions;
    ``sequential_keys``: the same for process order. ``expected`` and ``details``: see ListAppend.
    """

    stops_by_itself = True

    name = "rw-register"

    def __init__(
        self,
        expected: str = "strict-serializable",
        *,
        linearizable_keys: bool = False,
        sequential_keys: bool = False,
    ) -> None:
        self.expected = isolation_level(expected)
        self._linearizable_keys = linearizable_keys
        self._sequential_keys = sequential_keys

    def check(self, history: History) -> Result:
        """Judge every ``txn`` of the history."""

        def analyse(transactions: Transactions, found: Anomalies) -> Edges:
            return analyse_rw_register(
                transactions,
                found,
                linearizable_keys=self._linearizable_keys,
                sequential_keys=self._sequential_keys,
            )

        result = _check(self.name, self.expected, history, WRITE, analyse)
        return _decided(result, history, self.expected)


def _check(
    name: str,
    expected: str,
    history: History,
    writer: str,
    analyse: Callable[[Transactions, Anomalies], Edges],
) -> Result:
    started = time.perf_counter()
    transactions = parse_transactions(history.operations, writer)
    found = Anomalies()
    edges = analyse(transactions, found)
    operations = [transaction.operation for transaction in transactions.live]
    ordering = [
        (*process_edges(operations), Kind.PROCESS),
        (*realtime_edges(operations), Kind.REALTIME),
    ]
    graph = edges.freeze(len(operations), ordering)
    broken = [word for word in _BROKEN if word in found.counts]
    bounded = False
    if not broken:
        search = find_cycles(graph)
        bounded = search.bounded
        found.extend(cycle_anomaly(cycle, graph, edges.reasons, transactions) for cycle in search.cycles)
    names = found.names() - set(_BROKEN)
    details: dict[str, Any] = {
        "expected": expected,
        "anomalies": {word: found.counts[word] for word in sorted(found.counts)},
        "ruled_out": [level for level in LEVELS if level in ruled_out(names)],
        "not_ruled_out": strongest_left(names),
        "transactions": len(operations) + len(transactions.aborted),
        "edges": len(graph.source),
        "search_bounded": bounded,
        "skipped": transactions.skipped,
        "problems": transactions.problems,
        "examples": [_example(anomaly, transactions) for word in _ordered(found) for anomaly in found.examples[word]],
    }
    result = Result(Valid.YES, name, "", details, seconds=time.perf_counter() - started)
    _judge(result, expected, found, broken, transactions)
    return result


def _decided(result: Result, history: History, level: str) -> Result:
    """Registers: what inference has not ruled out is shown, or ruled out, by a search for an order."""
    details = result.details
    if result.valid is Valid.NO or details["skipped"] or not details["transactions"]:
        return result
    transactions = [one for one in history.operations if one.f == "txn"]
    valid, reason = decide(transactions, level)
    result.valid = valid
    details["decided_by"] = "inference" if valid is Valid.UNKNOWN else "search"
    if valid is Valid.YES:
        result.sentence = f"valid: an order of all {details['transactions']} transactions was found that is {level}" + (
            f"; {result.sentence}" if not any(word in details["anomalies"] for word in _BROKEN) else ""
        )
    elif valid is Valid.NO:
        details["ruled_out"] = sorted({*details["ruled_out"], level})
        details["not_ruled_out"] = [one for one in details["not_ruled_out"] if one != level]
        result.sentence = f"not {level}: no order of these transactions explains every read"
        if level == "strict-serializable":
            found = explain(transactions, MultiRegister(), scale_of(history), None)
            result.counterexample = dataclasses.replace(found, key=None)
            result.sentence = f"not {level}: {found.sentence}"
    else:
        result.sentence = (
            f"unknown: {result.sentence or 'no anomaly was found'}; but of blind writes the order cannot be inferred, "
            f"and no order of all transactions was found: {reason}"
        )
    return result


def _ordered(found: Anomalies) -> list[str]:
    rank = {word: place for place, word in enumerate(_GRAVITY)}
    return sorted(found.examples, key=lambda word: (rank.get(word, len(rank)), word))


def _example(anomaly: Anomaly, transactions: Transactions) -> dict[str, Any]:
    involved = _operations_of(anomaly, transactions)
    return {
        "name": anomaly.name,
        "sentence": anomaly.sentence,
        "operations": [operation.index for operation in involved],
        "steps": list(anomaly.steps),
        "cycle": _cycle(anomaly, transactions),
    }


def _cycle(anomaly: Anomaly, transactions: Transactions) -> dict[str, Any] | None:
    """The cycle as a graph that can be drawn: what each transaction is called and did, edges by their places."""
    if not anomaly.edges:
        return None
    place = {vertex: number for number, vertex in enumerate(dict.fromkeys(anomaly.vertices))}
    live = [transactions.live[vertex] for vertex in place]
    return {
        "transactions": [[name_transaction(one), name_operation(one.operation)] for one in live],
        "edges": [[place[source], place[target], kind] for source, target, kind in anomaly.edges],
    }


def _operations_of(anomaly: Anomaly, transactions: Transactions) -> list[Any]:
    chosen = [transactions.live[number].operation for number in dict.fromkeys(anomaly.vertices) if number >= 0]
    chosen += [transactions.aborted[number].operation for number in dict.fromkeys(anomaly.aborted)]
    return sorted(chosen, key=lambda operation: operation.call_ns)


def _judge(result: Result, expected: str, found: Anomalies, broken: list[str], transactions: Transactions) -> None:
    left = " or ".join(result.details["not_ruled_out"]) or "none"
    if broken:
        result.valid = Valid.UNKNOWN
        result.sentence = f"nothing can be said: {found.examples[broken[0]][0].sentence}"
        return
    if not transactions.live:
        result.valid = Valid.UNKNOWN
        result.sentence = "there is no transaction that could be judged"
        if transactions.problems:
            result.sentence += f": {transactions.problems[0]}"
        return
    forbidden = LEVELS[expected][0]
    guilty = [word for word in _ordered(found) if word in forbidden]
    if guilty == ["garbage-read"] and transactions.skipped:
        result.valid = Valid.UNKNOWN
        result.sentence = (
            f"unknown: {transactions.problems[0]}, and may have written what was read. Without it: "
            f"{found.examples[guilty[0]][0].sentence}"
        )
        return
    if guilty:
        anomaly = found.examples[guilty[0]][0]
        result.valid = Valid.NO
        who = ", ".join(name_transaction(transactions.live[n]) for n in anomaly.vertices if n >= 0)
        text = anomaly.sentence if anomaly.steps else f"{anomaly.name}: {who} {anomaly.sentence}"
        result.sentence = (
            f"not {expected}: found {', '.join(guilty)}; the strongest level not ruled out is {left}. {text}"
        )
        involved = _operations_of(anomaly, transactions)
        returns = [operation.return_ns for operation in involved if operation.return_ns is not None]
        result.counterexample = Counterexample(
            tuple(involved), text, anomaly.key, max(returns, default=None), draw_timeline(involved)
        )
        return
    milder = f", though found {', '.join(sorted(found.counts))}" if found.counts else ""
    if transactions.skipped or result.details["search_bounded"]:
        result.valid = Valid.UNKNOWN
        why = transactions.problems[0] if transactions.problems else "the search for cycles met its bound"
        result.sentence = f"nothing speaks against {expected} in what could be judged, but {why}"
        return
    result.sentence = f"nothing speaks against {expected}{milder}; the strongest level not ruled out is {left}"
