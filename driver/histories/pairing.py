"""Pair invocations with completions. Odd events never raise: they become Problems with their line.

What is done with what cannot be paired keeps the verdict sound, that is, never *invalid* for want of a line:

- An invocation that never ends is indefinite.
- A completion without an invocation is an operation that may have begun at any time since the history began.
- A process with two operations open: a completion goes to the open operation it fits; what is left is indefinite.
- A completion earlier than its invocation: the operation is taken to span both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.histories.events import (
    INFO,
    INVOKE,
    MISSING,
    MUTATING,
    NO_KEY,
    NOTHING,
    OF_LISTS,
    OK,
    Events,
)
from raftmon.driver.histories.model import (
    MONOTONIC,
    NEVER,
    Columns,
    History,
    Meta,
    Problem,
    Values,
)
from raftmon.driver.histories.odd_pairs import NO_ROW, READING, Integers, in_words, pair_odd

__all__ = ["pair"]


def pair(events: Events, meta: Meta) -> History:
    """Operations from ``events``, in order of call."""
    size = len(events)
    times = _times(events, meta)
    process = np.frombuffer(events.process, np.int64)
    kind = np.frombuffer(events.type, np.int8)
    f = np.frombuffer(events.f, np.int32).astype(np.int64)
    order = _by_process(process)
    follows = np.zeros(size, np.bool_)
    if size:
        follows[:-1] = process[order][1:] == process[order][:-1]
    is_call = kind[order] == INVOKE
    next_is_call = np.roll(is_call, -1)
    paired = is_call & follows & ~next_is_call
    odd = is_call & follows & next_is_call
    begins = np.roll(~follows, 1) if size else follows
    odd |= ~is_call & (begins | ~np.roll(is_call, 1))
    ends = np.roll(order, -1)
    odd |= paired & (f[order] != f[ends])
    odd |= _other_key(events, order, ends, paired)
    if odd.any():
        strange = np.unique(process[order[odd]])
        is_strange = np.isin(process[order], strange)
        paired &= ~is_strange
        is_call &= ~is_strange
        calls, returns = order[is_call], np.where(paired, ends, NO_ROW)[is_call]
        slow_calls, slow_returns = pair_odd(events, strange, order[is_strange])
        calls = np.concatenate((calls, slow_calls))
        returns = np.concatenate((returns, slow_returns))
    else:
        calls, returns = order[is_call], np.where(paired, ends, NO_ROW)[is_call]
    columns = _columns(events, times, process, kind, f, calls, returns)
    _look_at_indexes(events)
    if events.suppressed:
        events.problems.append(Problem(None, f"and {events.suppressed} more problems"))
    meta.lines = events.lines
    return History(columns=columns, problems=sorted(events.problems, key=_by_line), notes=events.notes, meta=meta)


def _by_process(process: Integers) -> Integers:
    """Rows in order of process, in file order within one. Few processes are sorted as small integers: far faster."""
    if len(process) and abs(process).max() < 2**15:
        return np.argsort(process.astype(np.int16), kind="stable")
    return np.argsort(process, kind="stable")


def _by_line(problem: Problem) -> float:
    return float("inf") if problem.line is None else problem.line


def _times(events: Events, meta: Meta) -> Integers:
    """Times in ns; positions where the format has none; a missing one is the one before it."""
    times = np.frombuffer(events.time, np.int64)
    missing = np.flatnonzero(times == MISSING).tolist()
    if len(missing) == len(times):
        meta.ordered_only = True
        return np.arange(len(times), dtype=np.int64)
    last = 0
    if missing:
        times = times.copy()
    for row in missing:
        events.complain(events.line[row], "an event without a time; taken to be at the time before it", MONOTONIC)
        last = int(times[row - 1]) if row else last
        times[row] = last
    back = np.flatnonzero(times[1:] < times[:-1])
    if len(back):
        row = int(back[0]) + 1
        events.notes.append(
            Problem(
                events.line[row],
                f"the time goes back by {(times[row - 1] - times[row]) / 1e6:g} ms from the line before"
                + (f", and on {len(back) - 1} later lines" if len(back) > 1 else "")
                + "; lines are put in order of their times",
            )
        )
    return times


def _other_key(events: Events, order: Integers, ends: Integers, paired: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a completion names another key than its invocation."""
    keys = np.frombuffer(events.key, np.int32)
    asked, answered = keys[order], keys[ends]
    odd: NDArray[np.bool_] = paired & (answered != NO_KEY) & (asked != answered)
    return odd


def _columns(
    events: Events,
    times: Integers,
    process: Integers,
    kind: NDArray[np.int8],
    f: Integers,
    calls: Integers,
    returns: Integers,
) -> Columns:
    ended = returns >= 0
    adopted = ended & (returns == calls)
    last = np.where(ended, returns, calls)
    outcome = np.where(ended, kind[last] - 1, INFO - 1).astype(np.int8)
    call_ns, return_ns = times[calls], np.where(ended, times[last], NEVER)
    if len(times):
        call_ns[adopted] = times.min()
    back = np.flatnonzero(return_ns < call_ns)
    for row in back.tolist():
        events.complain(
            events.line[int(returns[row])],
            f"process {process[calls[row]]} ends {in_words(events, int(calls[row]))} "
            f"{(call_ns[row] - return_ns[row]) / 1e6:g} ms before it began (line {events.line[int(calls[row])]})",
            MONOTONIC,
        )
    call_ns[back], return_ns[back] = return_ns[back], call_ns[back]
    return_ns[outcome == INFO - 1] = NEVER
    order = np.argsort(call_ns, kind="stable")
    calls, last, ended, outcome = calls[order], last[order], ended[order], outcome[order]
    key_codes, keys = _keys(events, calls, last)
    index = np.frombuffer(events.index, np.int64)[calls]
    place = np.frombuffer(events.place, np.int32)[calls].astype(np.int64)
    return Columns(
        process=process[calls],
        f=f[calls],
        f_names=events.f_names.objects,
        key=key_codes,
        keys=keys,
        value=_values(events, f, calls, last, outcome),
        call_ns=call_ns[order],
        return_ns=return_ns[order],
        outcome=outcome,
        index=np.where(index == MISSING, calls, index),
        place=place,
        places=events.places.objects,
        rare=_rare(events, calls, last),
    )


def _keys(events: Events, calls: Integers, last: Integers) -> tuple[Integers, Values]:
    """Codes of the operations' keys, and the keys in the order in which they first occur."""
    codes = np.frombuffer(events.key, np.int32)
    codes = np.where(codes[calls] != NO_KEY, codes[calls], codes[last])
    used, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    by_occurrence = np.argsort(first)
    keys = Values()
    for code in used[by_occurrence].tolist():
        keys.code(events.keys.objects[code])
    rank = np.empty(len(used), np.int64)
    rank[by_occurrence] = np.arange(len(used))
    return rank[inverse.reshape(len(calls))], keys


def _values(events: Events, f: Integers, calls: Integers, last: Integers, outcome: NDArray[np.int8]) -> list[Any]:
    """Of what was answered the completion's value, of what was sent the invocation's."""
    names = events.f_names.objects
    mutating = np.array([name in MUTATING for name in names] or [False])
    source = np.where((outcome == OK - 1) & ~mutating[f[calls]], last, calls)
    values = [events.value[row] for row in source.tolist()]
    # A lock or a transaction answers without repeating what was asked; a list of parts answers in the same shape.
    telling = np.array([name not in READING for name in names] or [False])
    shape = np.frombuffer(events.shape, np.int8)
    ended = telling[f[calls]] & (outcome == OK - 1)
    for row in np.flatnonzero(ended & ((shape[source] == NOTHING) | (shape[calls] == OF_LISTS))).tolist():
        sent, answered = events.value[int(calls[row])], events.value[int(last[row])]
        if values[row] is None:
            values[row] = sent
        elif isinstance(sent, list) and sent and isinstance(sent[0], list) and isinstance(answered, list):
            values[row] = answered
    return values


def _rare(events: Events, calls: Integers, last: Integers) -> dict[int, dict[str, Any]]:
    if not events.rare:
        return {}
    found: dict[int, dict[str, Any]] = {}
    operation = np.full(len(events), NO_ROW, np.int64)
    operation[last] = operation[calls] = np.arange(len(calls))
    told = operation[np.fromiter(events.rare, np.int64, len(events.rare))]
    for row in np.unique(told[told != NO_ROW]).tolist():
        call, end = int(calls[row]), int(last[row])
        fields = dict(events.rare.get(call, ()))
        fields.update(events.rare.get(end, ()))
        if not fields:
            continue
        entry: dict[str, Any] = {}
        if "seen" in fields:
            entry["seen"], entry["has_seen"] = fields.pop("seen"), True
        if "error" in fields:
            error = fields.pop("error")
            entry["error"] = error if error is None or isinstance(error, str) else repr(error)
        if fields:
            entry["extra"] = fields
        found[row] = entry
    return found


def _look_at_indexes(events: Events) -> None:
    """Repeated indexes are a problem; lines without one among lines with one are told."""
    indexes = np.frombuffer(events.index, np.int64)
    rows = np.flatnonzero(indexes != MISSING)
    if not len(rows):
        return
    if len(rows) < len(indexes):
        row = int(np.flatnonzero(indexes == MISSING)[0])
        events.notes.append(Problem(events.line[row], f"no index, and on {len(indexes) - len(rows) - 1} other lines"))
    known = indexes[rows]
    if (known[1:] > known[:-1]).all():
        return
    order = rows[np.argsort(known, kind="stable")]
    again = np.flatnonzero(indexes[order][1:] == indexes[order][:-1]) + 1
    first_line: dict[int, int] = {}
    for row in rows[np.isin(known, indexes[order][again])].tolist():
        index = int(indexes[row])
        if index in first_line:
            events.complain(events.line[row], f"index {index} is that of line {first_line[index]} too")
        else:
            first_line[index] = events.line[row]
