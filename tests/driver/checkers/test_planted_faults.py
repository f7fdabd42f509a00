"""At least five planted faults for every checker in the table, each found; a new row without them fails here."""

import pytest

from raftmon.driver.checkers.asked_for import chosen_checkers
from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.checkers import CHECKERS
from raftmon.driver.checkers.safe import check_safely
from raftmon.driver.histories.model import History
from tests.driver.checkers import test_branches, test_kubernetes
from tests.driver.checkers.making import FAIL, INFO, history, op
from tests.driver.checkers.scenarios.stores import BANKS, LEASES, LOCKS, SETS
from tests.driver.checkers.scenarios.streams import WATCHES
from tests.driver.checkers.scenarios.transactions import LISTS, REGISTERS
from tests.driver.checkers.test_differential import BAG_FAULTS, COUNTER_FAULTS, FIFO_FAULTS, SET_FAULTS
from tests.driver.checkers.test_kafka import FAULTS as KAFKA_FAULTS
from tests.driver.checkers.test_unique_values import FAULTS as CONTAINER_FAULTS
from tests.driver.checkers.test_unique_values import NAMES

AT_LEAST = 5


def _story(*steps, key="x", also=()):
    """One operation after the other: (process, f, value[, outcome])."""
    rows = []
    for number, (process, f, value, *more) in enumerate(steps):
        end = 10 * number + 5
        outcome = more[0] if more else None
        extra = {"outcome": outcome} if outcome is not None else {}
        rows.append(op(process, f, value, end - 5, None if outcome is INFO else end, key=key, **extra))
    return [*rows, *also]


def _txns(*values):
    return _story(*((number, "txn", value) for number, value in enumerate(values)), key=None)


def _shown(scenarios, *, but=()):
    return {one.title: list(one.operations) for one in scenarios if one.title not in but and one.title not in _DOUBT}


_DOUBT = {"compacted-apart", "no-answer", "unreadable", "never-read", "duplicate-appends", "duplicate-writes"}

_PLAIN = {
    "stale": _story((0, "write", 1), (0, "write", 2), (1, "read", 1)),
    "never-written": _story((0, "write", 1), (1, "read", 7)),
    "failed-write": _story((0, "write", 1), (0, "write", 2, FAIL), (1, "read", 2)),
    "lost": _story((0, "write", 1), (1, "read", None)),
    "back-and-forth": _story((0, "write", 1, INFO), (1, "read", 1), (2, "read", None), (3, "read", 1)),
    "from-the-future": _story((1, "read", 1), (0, "write", 1)),
}
_CAS = {
    "cas-of-nothing": _story((0, "write", 1), (1, "cas", [2, 3])),
    "cas-twice": _story((0, "write", 1), (1, "cas", [1, 2]), (2, "cas", [1, 3])),
}
_TOGETHER = {
    "torn": _txns([["w", "x", 1], ["w", "y", 1]], [["r", "x", 1], ["r", "y", None]]),
    "stale": _txns([["w", "x", 1]], [["w", "x", 2]], [["r", "x", 1]]),
    "never-written": _txns([["w", "x", 1]], [["r", "x", 5]]),
    "own-write-unseen": _txns([["w", "x", 1], ["r", "x", None]]),
    "lost-update": _txns([["r", "x", None], ["w", "x", 1]], [["r", "x", None], ["w", "x", 2]]),
    "undone": _txns([["w", "x", 1]], [["r", "x", 1]], [["r", "x", None]]),
}
_FORK = {
    "two-reads": [*_txns([["w", "x", 1]], [["w", "y", 1]]),
                  op(5, "txn", [["r", "x", 1], ["r", "y", None]], 100, 105),
                  op(6, "txn", [["r", "x", None], ["r", "y", 1]], 100, 105)],
    "three-keys": [*_txns([["w", "x", 1]], [["w", "y", 1]], [["w", "z", 1]]),
                   op(5, "txn", [["r", "x", 1], ["r", "y", None]], 100, 105),
                   op(6, "txn", [["r", "y", 1], ["r", "z", None]], 100, 105),
                   op(7, "txn", [["r", "z", 1], ["r", "x", None]], 100, 105)],
    "never-written": _txns([["w", "x", 1]], [["r", "x", 5]]),
    "failed-write": [op(0, "txn", [["w", "x", 1]], 0, 5, outcome=FAIL), op(1, "txn", [["r", "x", 1]], 10, 15)],
    "reads-and-writes-apart": [op(0, "write", [["w", "x", 1]], 0, 5), op(0, "write", [["w", "y", 1]], 10, 15),
                               op(1, "read", [["r", "x", 1], ["r", "y", None]], 20, 25),
                               op(2, "read", [["r", "y", 1], ["r", "x", None]], 20, 25)],
    "indefinite-write": [op(0, "txn", [["w", "x", 1]], 0, None, outcome=INFO), op(0, "txn", [["w", "y", 1]], 10, 15),
                         op(1, "txn", [["r", "x", 1], ["r", "y", None]], 20, 25),
                         op(2, "txn", [["r", "y", 1], ["r", "x", None]], 20, 25)],
}  # fmt: skip
_IDS = {
    "twice": _story((0, "generate", 1), (1, "generate", 1)),
    "twice-by-one": _story((0, "generate", 1), (0, "generate", 1)),
    "much-later": _story(*((0, "generate", n) for n in range(50)), (1, "generate", 0)),
    "texts": _story((0, "generate", "a"), (1, "generate", "b"), (2, "generate", "a")),
    "lists": _story((0, "generate", ["n1", 7]), (1, "generate", ["n1", 7])),
    "at-one-time": [op(0, "generate", 1, 0, 9), op(1, "generate", 1, 1, 8)],
}
_LOCKS = {
    "two": _story((0, "acquire", None), (1, "acquire", None)),
    "third": _story((0, "acquire", None), (0, "release", None), (1, "acquire", None), (2, "acquire", None)),
    "not-held": _story((0, "release", None)),
    "another-s": _story((0, "acquire", None), (1, "release", None)),
    "again": _story((0, "acquire", None), (0, "acquire", None)),
}
_LEASED = {
    "overlap": _story((0, "acquire", 1), (1, "acquire", 2), (0, "guarded", 1)),
    "duplicate-token": _story((0, "acquire", 1), (1, "acquire", 1)),
    "token-order": _story((0, "acquire", 7), (0, "release", 8), (1, "acquire", 3)),
    "stale-token-accepted": _story((0, "acquire", 1), (1, "acquire", 5), (1, "guarded", 5), (0, "guarded", 1)),
    "not-held": _story((0, "release", 3)),
}
_SEMAPHORE = {
    "two": _story((0, "acquire", None), (1, "acquire", None)),
    "again": _story((0, "acquire", None), (0, "acquire", None)),
    "after-one-came-back": _story((0, "acquire", 1), (0, "release", 1), (1, "acquire", 1), (2, "acquire", 1)),
    "failed-release": _story((0, "acquire", None), (0, "release", None, FAIL), (1, "acquire", None)),
    "released-later": _story((0, "acquire", None), (1, "acquire", None), (0, "release", None)),
}
_TEXTS = {
    "lost": _story((0, "append", "a"), (0, "append", "b"), (1, "get", "a")),
    "order": _story((0, "append", "a"), (0, "append", "b"), (1, "get", "ba")),
    "twice": _story((0, "append", "a"), (1, "get", "aa")),
    "never-written": _story((0, "put", "a"), (1, "get", "z")),
    "undeleted": _story((0, "put", "a"), (0, "delete", None), (1, "get", "a")),
}
_ELEMENTS = {
    "lost": _story((0, "add", 1), (1, "read", [])),
    "never-added": _story((0, "add", 1), (1, "read", [1, 2])),
    "still-there": _story((0, "add", 1), (0, "remove", 1), (1, "read", [1])),
    "failed-add": _story((0, "add", 1, FAIL), (1, "read", [1])),
    "back-and-forth": _story((0, "add", 1, INFO), (1, "read", [1]), (2, "read", []), (3, "read", [1])),
}
_SUMS = {
    "too-much": _story((0, "add", 1), (1, "read", 2)),
    "too-little": _story((0, "add", 2), (1, "read", 0)),
    "failed-add": _story((0, "add", 1, FAIL), (1, "read", 1)),
    "backwards": _story((0, "inc", None, INFO), (1, "read", 1), (2, "read", 0)),
    "dec": _story((0, "inc", 1), (0, "dec", 1), (1, "read", 1)),
}
_DRAINED = {
    **BAG_FAULTS,
    "lost": _story((0, "enqueue", 1), (0, "enqueue", 2), (1, "drain", [1])),
    "drained-twice": _story((0, "enqueue", 1), (1, "drain", [1, 1])),
}
_DELIVERED = {
    "lost": _story((0, "enqueue", 1), (0, "enqueue", 2), (1, "dequeue", 1), (1, "drain", [])),
    "unexpected": _story((0, "enqueue", 1), (1, "dequeue", 1), (1, "dequeue", 7), (1, "drain", [])),
    "failed-enqueue": _story((0, "enqueue", 1, FAIL), (1, "drain", [1])),
    "too-early": _story((1, "dequeue", 1), (0, "enqueue", 1), (1, "drain", [])),
    "unmarked-duplicate": _story((0, "enqueue", 1), (1, "dequeue", 1), (1, "dequeue", 1), (1, "drain", [])),
}
_IN_ORDER = {
    "swapped": _story((0, "enqueue", 1), (0, "enqueue", 2), (1, "dequeue", 2), (1, "dequeue", 1)),
    "in-a-drain": _story((0, "enqueue", 1), (0, "enqueue", 2), (1, "drain", [2, 1])),
    "two-readers": _story((0, "enqueue", 1), (0, "enqueue", 2), (1, "dequeue", 2), (2, "dequeue", 1)),
    "two-writers": _story((0, "enqueue", 1), (3, "enqueue", 2), (1, "dequeue", 2), (2, "dequeue", 1)),
    "third-first": _story(*((0, "enqueue", n) for n in (1, 2, 3)), *((1, "dequeue", n) for n in (3, 1, 2))),
}


def _store(node, at, revision, digest, **more):
    return op(0, "store", {"revision": revision, "hash": digest, **more}, at, at + 1, node=node)


_STORES = {
    "hash-differs": [_store("n1", 0, 7, 1), _store("n2", 2, 7, 2)],
    "hash-changed": [_store("n1", 0, 7, 1), _store("n1", 2, 7, 2)],
    "revision-differs": [_store("n1", 0, 7, 1), _store("n2", 2, 8, 2)],
    "revision-back": [_store("n1", 0, 8, 1), _store("n1", 2, 7, 2)],
    "same-log-other-revision": [_store("n1", 0, 7, 1, applied=40), _store("n2", 2, 8, 2, applied=40)],
}


def _told(f, value, call, revision, **more):
    return op(0, f, value, call, call + 5, key="x", revision=revision, **more)


_REVISIONS = {
    "read-differs": [_told("write", 1, 0, 2), _told("write", 2, 10, 3), _told("read", 1, 20, 3)],
    "past-differs": [_told("write", 1, 0, 2), _told("write", 2, 10, 3), _told("read-at", 2, 20, 3, at=2)],
    "local-differs": [_told("write", 1, 0, 2), _told("write", 2, 10, 3), _told("read-local", 2, 20, 2)],
    "never-written": [_told("write", 1, 0, 2), _told("read", 7, 10, 2)],
    "revision-back": [_told("write", 1, 0, 2), _told("write", 2, 10, 3), _told("read", 2, 20, 3),
                      _told("read", 1, 30, 2)],
    "duplicate-revision": [_told("write", 1, 0, 2), _told("write", 2, 10, 2)],
}  # fmt: skip


def _mistaken(module):
    made = {}
    for number, (name, mistake) in enumerate(module.MISTAKES):
        rows = module.good()
        mistake(rows)
        made[f"{number}-{name}"] = rows
    return made


def _named(name):
    names = dict(zip(("put", "take"), NAMES[name], strict=True))
    return {
        fault: [op(o.process, names[o.f], o.value, o.call_ns, o.return_ns, outcome=o.outcome) for o in rows]
        for fault, rows in CONTAINER_FAULTS[name].items()
    }


FAULTS = {
    "register": {**_PLAIN, **_CAS},
    "linearizable-register": _PLAIN,
    "linearizable-cas-register": {**_PLAIN, **_CAS},
    "linearizable-key-value": _TEXTS,
    "linearizable-set": _ELEMENTS,
    "linearizable-counter": _SUMS,
    "linearizable-lock": _LOCKS,
    "linearizable-multi-register": _TOGETHER,
    **{name: _named(name) for name in CONTAINER_FAULTS},
    "list-append": _shown(LISTS),
    "rw-register": {**_TOGETHER, **_shown(REGISTERS)},
    "queue": FIFO_FAULTS,
    "total-queue": _DRAINED,
    "deliveries": _DELIVERED,
    "delivery-order": _IN_ORDER,
    "kafka": KAFKA_FAULTS,
    "long-fork": _FORK,
    "unique-ids": _IDS,
    "bank": _shown(BANKS, but=("missing-account", "unexpected-account", "wrong-total"))
    | {
        "wrong-total": _story((0, "read", {"a": 5, "b": 5}), (1, "read", {"a": 5, "b": 4})),
        "missing-account": _story(*((0, "read", {"a": 5, "b": 5}),) * 2, (1, "read", {"a": 10})),
        "unexpected-account": _story(*((0, "read", {"a": 5, "b": 5}),) * 2, (1, "read", {"a": 5, "b": 5, "c": 0})),
        "overdrawn": _story((0, "read", {"a": 5, "b": 5}), (1, "read", {"a": 11, "b": -1})),
    },
    "lock": _shown(LOCKS),
    "lock-under-lease": _LEASED,
    "semaphore": _SEMAPHORE,
    "set-full": _shown(SETS),
    "g-set": SET_FAULTS,
    "counter-bounds": {name: rows for name, rows in COUNTER_FAULTS.items() if name != "no-number"},
    "watch": _shown(WATCHES),
    "txn-branches": _mistaken(test_branches),
    "kubernetes": _mistaken(test_kubernetes),
    "lease": _shown(LEASES),
    "revision-reads": _REVISIONS,
    "stores-agree": _STORES,
}


@pytest.mark.parametrize("name", CHECKERS)
def test_a_checker_has_five_planted_faults_or_more(name):
    assert len(FAULTS[name]) >= AT_LEAST


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, faults in FAULTS.items() for fault in faults])
def test_the_planted_fault_is_found(name, fault):
    rows = FAULTS[name][fault]
    shown = History(rows) if rows and rows[0].index >= 0 else history(*rows)
    (checker,) = chosen_checkers([name], shown)
    result = check_safely(checker, shown)
    assert result.valid is Valid.NO, result.sentence
