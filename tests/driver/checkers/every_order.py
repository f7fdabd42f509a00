"""The obvious, slow judgement: try every order of a small history against a specification written out plainly.

Knows nothing of the checkers' code. A specification is ``(state, f, value, process) -> (answer, state after)``; an
operation is right if its answer is what was recorded. What failed did not happen, except what a register's failed cas
says: that the value was another one.
"""

from __future__ import annotations

from raftmon.driver.histories.operation import Outcome


def register(state, f, value, process):
    if f == "read":
        return state, state
    if f == "write":
        return value, value
    if f == "delete":
        return value, None
    if state == value[0]:
        return value, value[1]
    return "refused", state


def key_value(state, f, value, process):
    if f == "get":
        return state, state
    return value, (state + value if f == "append" else "" if f == "delete" else value)


def grow_set(state, f, value, process):
    if f == "read":
        return sorted(state), state
    return value, (state | {value} if f == "add" else state - {value})


def queue(state, f, value, process):
    if f == "enqueue":
        return value, (*state, value)
    return (state[0], state[1:]) if state else (None, state)


def stack(state, f, value, process):
    if f == "push":
        return value, (*state, value)
    return (state[-1], state[:-1]) if state else (None, state)


def priority_queue(state, f, value, process):
    if f == "insert":
        return value, tuple(sorted([value, *state], reverse=True))
    return (state[0], state[1:]) if state else (None, state)


def counter(state, f, value, process):
    if f == "read":
        return state, state
    return value, state + {"add": value, "inc": 1, "dec": -1}[f]


def lock(state, f, value, process):
    if f == "acquire":
        return (None, process) if state is None else ("held", state)
    return (None, None) if state == process else ("not mine", state)


def two_permits(state, f, value, process):
    if f == "acquire":
        return (value, state + 1) if state < 2 else ("all held", state)
    return value, state - 1


def many_registers(state, f, value, process):
    held, answer = dict(state), []
    for kind, key, written in value:
        if kind == "w":
            held[key] = written
        answer.append([kind, key, held.get(key)])
    return answer, tuple(sorted(held.items()))


def explainable(operations, specification, state):
    """Whether some order of the operations, keeping who ended before whom began, gives the recorded answers."""
    must = [o for o in operations if o.outcome is Outcome.OK or _tells(o)]
    may = [o for o in operations if o.outcome is Outcome.INFO]
    return _search(must, may, specification, state)


def _tells(operation):
    return operation.outcome is Outcome.FAIL and (operation.has_seen or operation.error is None)


def _search(must, may, specification, state):
    if not must:
        return True
    limit = min(operation.return_ns for operation in must)
    for place, operation in enumerate(must):
        if operation.call_ns > limit:
            continue
        answer, after = specification(state, operation.f, operation.value, operation.process)
        if operation.outcome is not Outcome.FAIL:
            right = answer == operation.value
        elif operation.has_seen:
            right, after = state == operation.seen, state
        else:
            right = after == state and answer != operation.value
        if right and _search(must[:place] + must[place + 1 :], may, specification, after):
            return True
    for place, operation in enumerate(may):
        if operation.call_ns <= limit:
            _, after = specification(state, operation.f, operation.value, operation.process)
            if _search(must, may[:place] + may[place + 1 :], specification, after):
                return True
    return False
