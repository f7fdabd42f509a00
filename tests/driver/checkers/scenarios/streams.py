"""Anomalies of watches, and of the wire against the clients."""

from raftmon.driver.checkers.watch import Watch
from raftmon.driver.checkers.wire.checker import Committed, Wire
from tests.driver.checkers.making import FAIL, op
from tests.driver.checkers.scenarios.scenario import scenario


def put(call, value, revision, key="k"):
    return op(0, "write", value, call, call + 1, key=key, revision=revision)


def event(revision, value, key="k", **more):
    return {"type": "put", "key": key, "value": value, "revision": revision, **more}


def batch(header, *events, **more):
    return {"revision": header, "events": list(events), **more}


def watch(call, *responses, key="k", start=2):
    return op(1, "watch", list(responses), call, call + 1, key=key, start_revision=start)


WATCHES = [
    scenario("unordered", "Events came in another order than their revisions.", put(0, 1, 2), put(2, 2, 3),
             watch(4, batch(3, event(3, 2)), batch(3, event(2, 1)))),
    scenario("duplicate", "An event came twice.", put(0, 1, 2),
             watch(4, batch(2, event(2, 1)), batch(2, event(2, 1)))),
    scenario("missing", "An event never came, though earlier and later ones did.", put(0, 1, 2), put(2, 2, 3),
             put(4, 3, 4), watch(6, batch(2, event(2, 1)), batch(4, event(4, 3)))),
    scenario("not-resumed", "A watch that was to go on from a revision left out its first events.", put(0, 1, 2),
             put(2, 2, 3), watch(4, batch(3, event(3, 2)))),
    scenario("split", "The two events of one revision came in two responses.", put(0, 1, 2, "a"), put(2, 2, 2, "b"),
             watch(4, batch(2, event(2, 1, "a")), batch(2, event(2, 2, "b")), key=None)),
    scenario("bookmark", "A bookmark promised that all up to revision 3 was sent, and then revision 3 came.",
             put(0, 1, 2), put(2, 2, 3), watch(4, batch(2, event(2, 1)), batch(3), batch(3, event(3, 2)))),
    scenario("previous-value", "The previous value that came with an event was not the previous one.", put(0, 1, 2),
             put(2, 2, 3), watch(4, batch(2, event(2, 1)),
                                 batch(3, event(3, 2, prev={"value": 9, "revision": 2})))),
    scenario("time-travel", "An event from a revision that, by its own header, was not there yet.", put(0, 1, 2),
             put(2, 2, 3), watch(4, batch(2, event(2, 1), event(3, 2)))),
    scenario("disagree", "Two watches were told different things of one revision.", put(0, 1, 2), put(2, 2, 4),
             watch(4, batch(2, event(2, 1)), batch(4, event(3, 1), event(4, 2))),
             watch(6, batch(2, event(2, 1)), batch(4, event(3, 2), event(4, 2)))),
    scenario("phantom", "A value that nobody wrote.", put(0, 1, 2),
             watch(4, batch(2, event(2, 1)), batch(3, event(3, 9)))),
    scenario("wrong-key", "A watch of one key got an event of another.", put(0, 1, 2), put(2, 2, 3, "other"),
             watch(4, batch(2, event(2, 1)), batch(3, event(3, 2, "other")))),
    scenario("before-start", "A watch from revision 3 on got an older event.", put(0, 1, 2), put(2, 2, 3),
             watch(4, batch(3, event(2, 1)), batch(3, event(3, 2)), start=3)),
]  # fmt: skip


def wire(title, text, entries, *operations, also=()):
    """``entries``: (index, value) or (index, value, ms), all of key k and term 1."""
    log = [Committed(1, one[0], "k", one[1], (one[2] if len(one) > 2 else 1000) * 1_000_000) for one in entries]
    note = "Committed on the wire: " + ", ".join(f"index {one[0]} k = {one[1]}" for one in entries) + "."
    return scenario(title, text, *operations, also=also, checker=lambda: Wire(log), note=note, facts={"log": log})


def write(call, value, **more):
    return op(0, "write", value, call, call + 1, key="k", **more)


def read(call, value):
    return op(1, "read", value, call, call + 1, key="k")


WIRES = [
    wire("acked-not-committed", "A write was acknowledged, and no entry of it was committed.", [(1, 1)], write(0, 1),
         write(2, 2)),
    wire("failed-but-committed", "A write that certainly failed was committed.", [(1, 1)], write(0, 1, outcome=FAIL)),
    wire("read-never-committed", "A value was read that was never committed.", [(1, 1)], write(0, 1), read(2, 5)),
    wire("committed-before-call", "An entry was committed before its write was called.", [(1, 1, 2)], write(5, 1)),
    wire("phantom-commit", "An entry was committed that nobody wrote.", [(1, 1), (2, 7)], write(0, 1)),
    wire("index-contradicted", "Two entries were committed at one index.", [(1, 1), (1, 2)], write(0, 1),
         write(2, 2, outcome=FAIL)),
    wire("cas-contradicted", "A cas was acknowledged on another value than the one before it in the log.",
         [(1, 1), (2, 2), (3, 3)], write(0, 1), write(2, 2), op(0, "cas", [1, 3], 4, 5, key="k")),
    wire("stale-read", "A value was read that the log had overwritten before.", [(1, 1), (2, 2)], write(0, 1),
         write(2, 2), read(4, 1)),
    wire("future-read", "A value was read before its write was called.", [(1, 1), (2, 2)], write(0, 1), read(2, 2),
         write(4, 2)),
    wire("order-contradicted", "Two writes, one after the other, stand in the log the other way round.",
         [(1, 2), (2, 1)], write(0, 1), write(2, 2)),
]  # fmt: skip

GROUPS = [
    ("Watches (`watch`)", Watch, WATCHES),
    ("The wire against the clients (`wire`)", None, WIRES),
]
