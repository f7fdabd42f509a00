"""Anomalies of transactions on lists, and the one that only registers have."""

from raftmon.driver.checkers.elle import ListAppend, RwRegister
from tests.driver.checkers.making import FAIL, op
from tests.driver.checkers.scenarios.scenario import scenario


def txn(process, call, back, text, **more):
    """``a x 1`` appends, ``w x 1`` writes, ``r x 1 2`` reads a list, ``r x =1`` reads a register."""
    micro = []
    for part in text.split(";"):
        f, key, *rest = part.split()
        if f == "r" and rest and rest[0].startswith("="):
            micro.append(["r", key, int(rest[0][1:])])
        elif f == "r":
            micro.append(["r", key, [int(word) for word in rest]])
        else:
            micro.append([{"a": "append", "w": "w"}[f], key, int(rest[0])])
    return op(process, "txn", micro, call, back, **more)


LISTS = [
    scenario(
        "G0",
        "Dirty write: two transactions overwrote each other, x in one order and y in the other.",
        txn(0, 0, 4, "a x 1; a y 1"),
        txn(1, 1, 5, "a x 2; a y 2"),
        txn(2, 6, 8, "r x 1 2; r y 2 1"),
    ),
    scenario(
        "G1a",
        "Aborted read: what a failed transaction wrote was read.",
        txn(0, 0, 2, "a x 1", outcome=FAIL),
        txn(1, 3, 4, "r x 1"),
    ),
    scenario(
        "G1b",
        "Intermediate read: a list was read between two appends of one transaction.",
        txn(0, 0, 4, "a x 1; a x 2"),
        txn(1, 1, 3, "r x 1"),
        also=["G-single"],
    ),
    scenario(
        "G1c",
        "Circular information flow: each of two transactions read what the other wrote.",
        txn(0, 0, 4, "a x 1; r y 1"),
        txn(1, 1, 5, "a y 1; r x 1"),
    ),
    scenario(
        "G-single",
        "Read skew: a transaction saw one write of another and missed the other one.",
        txn(0, 0, 4, "a x 1; a y 1"),
        txn(1, 1, 5, "r x; r y 1"),
    ),
    scenario(
        "G-nonadjacent",
        "Long fork: two writes were seen in two orders. Snapshot isolation forbids it, "
        "parallel snapshot isolation does not.",
        txn(0, 0, 6, "a x 1"),
        txn(1, 1, 7, "a y 1"),
        txn(2, 2, 8, "r x 1; r y"),
        txn(3, 3, 9, "r x; r y 1"),
    ),
    scenario(
        "G2-item",
        "Write skew: each of two transactions missed what the other wrote. Snapshot isolation allows it.",
        txn(0, 0, 4, "r x; a y 1"),
        txn(1, 1, 5, "r y; a x 1"),
    ),
    scenario(
        "lost-update",
        "Lost update: two transactions read the same version and both wrote on it.",
        txn(0, 0, 4, "r x; a x 1"),
        txn(1, 1, 5, "r x; a x 2"),
        txn(2, 6, 7, "r x 1 2"),
        also=["G-single"],
    ),
    scenario(
        "internal",
        "Internal: a transaction did not read its own write.",
        txn(0, 0, 2, "a x 1; r x"),
    ),
    scenario(
        "incompatible-order",
        "Incompatible order: two reads of a list, neither the beginning of the other. One must have been undone.",
        txn(0, 0, 5, "a x 1"),
        txn(1, 1, 6, "a x 2"),
        txn(2, 2, 7, "r x 1 2"),
        txn(3, 3, 8, "r x 2 1"),
    ),
    scenario(
        "dirty-update",
        "Dirty update: a committed transaction wrote on top of what a failed one wrote.",
        txn(0, 0, 1, "a x 1", outcome=FAIL),
        txn(1, 2, 3, "a x 2"),
        txn(2, 4, 5, "r x 1 2"),
        also=["G1a"],
    ),
    scenario(
        "duplicate-elements",
        "Duplicates: an element appended once is there twice.",
        txn(0, 0, 1, "a x 1"),
        txn(1, 2, 3, "r x 1 1"),
    ),
    scenario(
        "garbage-read",
        "Garbage read: an element that nobody appended.",
        txn(0, 0, 1, "r x 9"),
    ),
]

# name, what it means, and operations as a function of the process of the later one
_ORDERED = {
    "G0": (
        "Two writes took effect against {order}.",
        lambda later: [txn(0, 0, 1, "a x 1"), txn(later, 2, 3, "a x 2"), txn(2, 4, 5, "r x 2 1")],
    ),
    "G1c": (
        "A write was read before it began, by {order}.",
        lambda later: [txn(0, 0, 1, "r x 1"), txn(later, 2, 3, "a x 1")],
    ),
    "G-single": (
        "Stale read: a write that came before, by {order}, was missed.",
        lambda later: [txn(0, 0, 1, "a x 1"), txn(later, 2, 3, "r x")],
    ),
    "G-nonadjacent": (
        "Long fork of which one side is held together by {order}.",
        lambda later: [
            txn(3, 0, 6, "r x 1; r y"),
            txn(0, 1, 3, "a y 1"),
            txn(2, 2, 7, "a x 1"),
            txn(later, 4, 5, "r x"),
        ],
    ),
    "G2-item": (
        "Write skew of three, one step of which is {order}.",
        lambda later: [txn(0, 0, 2, "a y 1"), txn(2, 1, 5, "r y; a x 1"), txn(later, 3, 4, "r x")],
    ),
}
for _name, (_text, _make) in _ORDERED.items():
    LISTS.append(scenario(f"{_name}-process", _text.format(order="the order of one process"), *_make(0)))
    LISTS.append(scenario(f"{_name}-realtime", _text.format(order="real time"), *_make(1)))

REGISTERS = [
    scenario(
        "cyclic-versions",
        "Cyclic versions: no order of a register's values fits what was read and written.",
        txn(0, 0, 4, "r x =2; w x 1"),
        txn(1, 1, 5, "r x =1; w x 2"),
        also=["G1c"],
    ),
    scenario(
        "G1a", "Aborted read.", txn(0, 0, 1, "w x 1", outcome=FAIL), txn(1, 2, 3, "r x =1"), facts={"quiet": True}
    ),
    scenario(
        "G1b", "Intermediate read.", txn(0, 0, 4, "w x 1; w x 2"), txn(1, 1, 3, "r x =1"), also=["G-single"],
        facts={"quiet": True},
    ),
    scenario(
        "lost-update", "Lost update.", txn(9, 0, 1, "w x 1"), txn(0, 2, 5, "r x =1; w x 2"),
        txn(1, 3, 6, "r x =1; w x 3"), also=["G2-item"], facts={"quiet": True},
    ),
    scenario(
        "dirty-update", "Dirty update.", txn(0, 0, 1, "w x 1", outcome=FAIL), txn(1, 2, 3, "r x =1; w x 2"),
        also=["G1a"], facts={"quiet": True},
    ),
    scenario("internal", "Internal.", txn(0, 0, 1, "w x 1; r x =2"), facts={"quiet": True}),
    scenario("garbage-read", "Garbage read.", txn(0, 0, 1, "r x =7"), facts={"quiet": True}),
]  # fmt: skip

GROUPS = [("Transactions on lists (`list-append`)", ListAppend, LISTS),
          ("Transactions on registers (`rw-register`)", RwRegister, REGISTERS)]  # fmt: skip
