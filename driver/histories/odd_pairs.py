"""Pairing, one by one, the events of processes in which something is odd; says what (``pairing`` has the rules)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raftmon.driver.histories.events import FAIL, INFO, INVOKE, MUTATING, NO_KEY, OK, Events
from raftmon.driver.histories.model import ONE_IN_FLIGHT, freeze

__all__ = ["NO_ROW", "READING", "Integers", "in_words", "pair_odd"]

Integers = NDArray[np.int64]
NO_ROW = -1
_TYPE_WORDS = ("invoke", "ok", "fail", "info")
READING = frozenset(("read", "get", "r", "dequeue"))


def pair_odd(events: Events, strange: Integers, rows: Integers) -> tuple[Integers, Integers]:
    """Pair the events of the processes in which something is odd, and say what."""
    open_rows: dict[int, list[int]] = {int(process): [] for process in strange}
    last: dict[int, int] = {}
    calls: list[int] = []
    returns: list[int] = []
    for row in rows.tolist():
        process, waiting = events.process[row], open_rows[events.process[row]]
        if events.type[row] == INVOKE:
            if waiting:
                events.complain(
                    events.line[row],
                    f"process {process} begins {in_words(events, row)} while its {in_words(events, waiting[-1])} "
                    f"(line {events.line[waiting[-1]]}) has not ended",
                    ONE_IN_FLIGHT,
                )
            waiting.append(row)
            continue
        call = _fitting(events, waiting, row)
        if call is not None:
            waiting.remove(call)
            calls.append(call)
            returns.append(row)
        elif process in last and _same(events, last[process], row):
            events.complain(events.line[row], f"process {process} ends {in_words(events, row)} a second time")
        else:
            fate = _adopt(events, row, calls, returns)
            what = f"process {process} ends {in_words(events, row)} ({_TYPE_WORDS[events.type[row]]})"
            events.complain(events.line[row], f"{what} which it never began; {fate}")
        last[process] = row
    for waiting in open_rows.values():
        calls += waiting
        returns += [NO_ROW] * len(waiting)
    return np.array(calls, np.int64), np.array(returns, np.int64)


def _adopt(events: Events, row: int, calls: list[int], returns: list[int]) -> str:
    """Keep a completion without invocation where that says something; tell what became of it."""
    reads = events.f_names.objects[events.f[row]] in READING
    if events.type[row] == FAIL or (events.type[row] == INFO and (reads or events.value[row] is None)):
        return "it is left out"
    calls.append(row)
    returns.append(row)
    return "it may have begun at any time"


def _fitting(events: Events, waiting: list[int], row: int) -> int | None:
    """The open operation that a completion belongs to: same function, same key, and if it can be, same value."""
    same = [call for call in waiting if events.f[call] == events.f[row]]
    if events.key[row] != NO_KEY:
        same = [call for call in same if events.key[call] in (NO_KEY, events.key[row])]
    exact = [call for call in same if freeze(events.value[call]) == freeze(events.value[row])]
    if exact:
        return exact[0]
    written = events.f_names.objects[events.f[row]] in MUTATING
    if len(same) > 1 and written and events.type[row] == OK and events.value[row] is not None:
        return None
    return same[0] if same else None


def _same(events: Events, one: int, two: int) -> bool:
    return all(
        freeze(column[one]) == freeze(column[two]) for column in (events.type, events.f, events.key, events.value)
    )


def in_words(events: Events, row: int) -> str:
    """The operation of an event, as in a complaint: ``write 3 on 'x'``."""
    value = events.value[row]
    text = events.f_names.objects[events.f[row]] + ("" if value is None else f" {value!r:.60}")
    key = events.keys.objects[events.key[row]]
    return text if key is None else f"{text} on {key!r:.40}"
