"""Do all nodes hold the same store once everything has healed? Their revisions and hashes say.

Operations: ``f="store"``, ``node`` the node asked, ``value`` ``{"revision": r, "hash": h, "compact_revision": c}``
(``compact_revision`` may be left out; in etcd: HashKV). Each node is asked after healing, some more than once.
``applied`` may be there too, the index of the last log entry that the node has applied, and ``keys``, the first keys on
which the nodes differ: ``{key: [revision of its last change, value] or null if the node lacks it}``.

Two nodes that have applied the same log entries hold the same store, or one of them has lost or doubled a change: that
is what etcd issues 13766 and 18667 look like from outside.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from raftmon.driver.checkers.base import Result
from raftmon.driver.checkers.findings import Findings
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome

__all__ = ["StoresAgree", "differing_keys"]


_DOUBTFUL = ("no-answer", "behind", "compacted-apart")
_SHOWN_KEYS = 3


class StoresAgree:
    """Names: *hash-differs* (two nodes, one revision, two hashes), *hash-changed* (one node, one revision, two hashes),
    *revision-differs* (the nodes' last answers; where both tell their applied index, at the same one), *revision-back*
    (one node's revision went down), *behind* (a node has applied less of the log than another; unknown),
    *compacted-apart* (not comparable: the last answers were compacted at different revisions; unknown), *no-answer* (a
    node of ``nodes`` never gave its hash; unknown), *unreadable*.

    ``nodes`` are all that should answer; where it is not given, those that were asked. ``details``: ``anomalies``,
    ``examples``, ``stores`` {node: last answer}.
    """

    name = "stores-agree"
    functions = frozenset(("store",))

    def __init__(self, nodes: Iterable[str] = ()) -> None:
        self._nodes = tuple(nodes)

    def check(self, history: History) -> Result:
        """Compare every answer with every other of the same revision, and the last ones with each other."""
        found = Findings()
        asked = [operation for operation in history.operations if operation.f == "store"]
        nodes = sorted({*self._nodes, *(str(operation.node) for operation in asked)})
        last: dict[str, Operation] = {}
        by_revision: dict[tuple[Any, Any], list[Operation]] = {}
        for operation in asked:
            if operation.outcome is not Outcome.OK:
                continue
            if not _readable(operation, found):
                continue
            node = str(operation.node)
            before = last.get(node)
            if before is not None and operation.value["revision"] < before.value["revision"]:
                sentence = f"{node} went back from revision {before.value['revision']} to {operation.value['revision']}"
                found.add("revision-back", sentence, [before, operation])
            last[node] = operation
            mark = (operation.value["revision"], operation.value.get("compact_revision"))
            by_revision.setdefault(mark, []).append(operation)
        for (revision, _), answers in by_revision.items():
            _compare(revision, answers, found)
        _last(last, found)
        silent = [node for node in nodes if node not in last]
        for node in silent:
            found.add("no-answer", f"{node} never told its hash", [o for o in asked if o.node == node][-1:])
        doubtful = [name for name in _DOUBTFUL if name in found.counts]
        unknown = found.examples[doubtful[0]][0].sentence if doubtful else None
        if not last:
            unknown = "no node told its hash"
        return found.result(
            self.name,
            good=f"{', '.join(nodes)} hold the same store",
            details={"stores": {node: operation.value for node, operation in sorted(last.items())}},
            harmless=_DOUBTFUL,
            unknown=unknown,
        )


def _readable(operation: Operation, found: Findings) -> bool:
    value = operation.value
    if isinstance(value, Mapping) and isinstance(value.get("revision"), int) and value.get("hash") is not None:
        return True
    found.add("unreadable", f"{operation.node} gave {value!r}, which has no revision and hash", [operation])
    return False


def _compare(revision: Any, answers: list[Operation], found: Findings) -> None:
    """Answers of one revision (and one compaction) must have one hash."""
    first: dict[Any, Operation] = {}
    for operation in answers:
        first.setdefault(operation.value["hash"], operation)
    if len(first) < 2:
        return
    a, b = list(first.values())[:2]
    hashes = f"{a.value['hash']} and {b.value['hash']}"
    if a.node == b.node:
        found.add("hash-changed", f"{a.node} had the hashes {hashes}, both at revision {revision}", [a, b])
    else:
        sentence = f"{a.node} and {b.node} have the hashes {hashes} at revision {revision}{_keys_in_words(a, b)}"
        found.add("hash-differs", sentence, [a, b])


def _last(last: Mapping[str, Operation], found: Findings) -> None:
    answers = list(last.values())
    for a, b in itertools.pairwise(answers):
        if a.value["revision"] != b.value["revision"]:
            one, two = a.value.get("applied"), b.value.get("applied")
            ends = f"{a.node} ends at revision {a.value['revision']}, {b.node} at {b.value['revision']}"
            if one is not None and two is not None and one != two:
                slow = a.node if one < two else b.node
                sentence = f"{slow} had not caught up: {a.node} has applied the log up to {one}, {b.node} up to {two}"
                found.add("behind", sentence, [a, b])
                continue
            if one is not None and two is not None:
                ends += f", though both have applied the log up to index {one}"
            found.add("revision-differs", ends + _keys_in_words(a, b), [a, b])
        elif a.value.get("compact_revision") != b.value.get("compact_revision"):
            found.add("compacted-apart", f"{a.node} and {b.node} were compacted at different revisions", [a, b])


def differing_keys(stores: Mapping[str, Iterable[tuple[str, Any]]], limit: int = 20) -> dict[str, dict[str, Any]]:
    """Of what each node holds (node -> (key, anything) in the order of the keys) the first keys on which they differ.

    node -> key -> what it has there, None if it has no such key; {} if they hold the same. Stores of any size: they are
    gone through side by side, and no further than to the last key that is told.
    """
    walks = {node: iter(held) for node, held in stores.items()}
    heads = {node: next(walk, None) for node, walk in walks.items()}
    differing: dict[str, dict[str, Any]] = {}
    while len(differing) < limit:
        key = min((head[0] for head in heads.values() if head is not None), default=None)
        if key is None:
            break
        here = {node: head[1] if head is not None and head[0] == key else None for node, head in heads.items()}
        first = next(iter(here.values()))
        if any(other != first for other in here.values()):
            differing[key] = here
        for node, head in heads.items():
            if head is not None and head[0] == key:
                heads[node] = next(walks[node], None)
    return {node: {key: here[node] for key, here in differing.items()} for node in stores} if differing else {}


def _keys_in_words(a: Operation, b: Operation) -> str:
    one, two = a.value.get("keys"), b.value.get("keys")
    if not isinstance(one, Mapping) or not isinstance(two, Mapping):
        return ""
    differing = [key for key in one if one[key] != two.get(key)]
    if not differing:
        return ""
    words = [
        f"{key} is {_held(one[key])} on {a.node} and {_held(two.get(key))} on {b.node}"
        for key in differing[:_SHOWN_KEYS]
    ]
    return "; first keys that differ: " + "; ".join(words)


def _held(entry: Any) -> str:
    if entry is None:
        return "missing"
    if isinstance(entry, list) and len(entry) == 2:
        return f"{entry[1]!r:.60} (revision {entry[0]})"
    return f"{entry!r:.60}"
