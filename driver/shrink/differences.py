"""Two runs of one plan side by side: what happened in both, and where they first went different ways."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from raftmon.driver.run_folder import RESULTS, RunFolder
from raftmon.monitor.raft.database.store import open_store
from raftmon.monitor.raft.message import STEADY_KINDS
from raftmon.setup.errors import RaftmonError

__all__ = ["differences", "first_difference", "likeliest_naming", "rare_messages"]

_LATE_S = 0.2
_MOST_NODES = 6

Message = tuple[str, str, str]


def differences(before: RunFolder, after: RunFolder) -> list[str]:
    """What was different in ``after``, a sentence each; empty if nothing that is compared was."""
    return [
        *_verdicts(before, after),
        *_faults(before, after),
        *_wire(before, after),
    ]


def _verdicts(before: RunFolder, after: RunFolder) -> Iterator[str]:
    old, new = before.load(RESULTS) or {}, after.load(RESULTS) or {}
    if old.get("valid") != new.get("valid"):
        yield f"the verdict: {new.get('valid')}, it was {old.get('valid')}"
    for name in sorted({*old.get("checkers", {}), *new.get("checkers", {})}):
        was, now = (one.get("checkers", {}).get(name, {}).get("valid") for one in (old, new))
        if was != now:
            yield f"the checker {name}: {now}, it was {was}"


def _faults(before: RunFolder, after: RunFolder) -> Iterator[str]:
    old, new = (_done(folder.load(RESULTS) or {}) for folder in (before, after))
    for number, (was, now) in enumerate(zip(old, new, strict=False), 1):
        if was[0] != now[0]:
            yield f"fault {number}: {now[0]}, it was {was[0]}"
        elif abs(was[1] - now[1]) > _LATE_S:
            yield f"fault {number} ({now[0]}) at {now[1]:.2f} s, it was {was[1]:.2f} s"
    if len(old) != len(new):
        yield f"{len(new)} faults took place, there were {len(old)}"


def _done(results: dict[str, Any]) -> list[tuple[str, float]]:
    """(what was done, at which second) of each fault that took place."""
    began_ns = results.get("began_ns") or 0
    return [
        (row["did"], (row["start_ns"] - began_ns) / 1e9)
        for row in results.get("faults") or []
        if row.get("did") and row.get("start_ns")
    ]


def _wire(before: RunFolder, after: RunFolder) -> Iterator[str]:
    try:
        with contextlib.ExitStack() as stack:
            old, new = (
                stack.enter_context(contextlib.closing(open_store(folder.path / "messages.sqlite")))
                for folder in (before, after)
            )
            was, now = rare_messages(old), rare_messages(new)
            names = likeliest_naming(was, now)
            if moved := [f"{then} of then is {at} now" for then, at in names.items() if then != at]:
                yield f"nodes took each other's parts: {', '.join(moved)}"
            was = [(kind, names.get(source, source), names.get(target, target)) for kind, source, target in was]
            yield from _leaders(old, new, names)
            at = first_difference(was, now)
            if at is not None:
                this, that = (_message(one, at) for one in (now, was))
                yield f"messages beside appends and heartbeats: the first {at} alike, then {this}, it was {that}"
            counts = [Counter(kind for kind, _, _ in one) for one in (was, now)]
            for kind in sorted({*counts[0], *counts[1]}):
                if counts[0][kind] != counts[1][kind]:
                    yield f"{kind}: {counts[1][kind]} messages, there were {counts[0][kind]}"
    except (RaftmonError, sqlite3.Error) as error:
        yield f"the messages could not be compared: {error}"


def _leaders(old: sqlite3.Connection, new: sqlite3.Connection, names: dict[str, str]) -> Iterator[str]:
    query = "SELECT node, value FROM changes WHERE what = 'leader' ORDER BY rowid"
    was = [(names.get(node, node), term) for node, term in old.execute(query)]
    now = [tuple(row) for row in new.execute(query)]
    if was != now:
        yield f"leaders: {_named(now)}; they were {_named(was)}"


def _named(leaders: Sequence[tuple[str, ...]]) -> str:
    return ", ".join(f"{node} in term {term}" for node, term in leaders[:8]) or "none"


def likeliest_naming(before: Sequence[Message], after: Sequence[Message]) -> dict[str, str]:
    """Which node of ``after`` plays the part of which of ``before``: who leads first is chance, who follows is not.

    The renaming under which the longest beginning of the two is the same; each its own where there are many nodes.
    """
    nodes = sorted({name for messages in (before, after) for _, *ends in messages for name in ends if name})
    own = {name: name for name in nodes}
    if len(nodes) > _MOST_NODES:
        return own

    def alike(names: dict[str, str]) -> int:
        for at, ((kind, source, target), now) in enumerate(zip(before, after, strict=False)):
            if (kind, names.get(source, source), names.get(target, target)) != now:
                return at
        return min(len(before), len(after))

    choices = [dict(zip(nodes, order, strict=True)) for order in itertools.permutations(nodes)]
    return max((own, *choices), key=alike)  # the first of equals: its own where that is as good


def rare_messages(record: sqlite3.Connection) -> list[Message]:
    """(kind, sender, receiver) of every message of a rare kind, as they passed."""
    marks = ", ".join("?" * len(STEADY_KINDS))
    query = f"SELECT kind, source, target FROM messages WHERE kind NOT IN ({marks}) ORDER BY id"
    return [tuple(row) for row in record.execute(query, STEADY_KINDS)]


def first_difference(before: Sequence[Any], after: Sequence[Any]) -> int | None:
    """The first place where two sequences differ, one of them perhaps at its end; None if they are the same."""
    for at, (was, now) in enumerate(zip(before, after, strict=False)):
        if was != now:
            return at
    return None if len(before) == len(after) else min(len(before), len(after))


def _message(messages: Sequence[Message], at: int) -> str:
    if at >= len(messages):
        return "nothing more"
    kind, source, target = messages[at]
    return f"{kind} {source}->{target}"
