"""Leases: 10,000 runs of a right server are never called wrong, and planted faults are found."""

import random

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.lease import Lease
from tests.driver.checkers.making import INFO, found, history, op

S = 1_000_000_000


def run(rng, steps):
    """A server that ends a lease between its time to live and 2 s more after the last renewal it handled.

    Every operation is handled at some point between call and return. Returns operations of one lease and one key.
    """
    ttl = rng.randint(1, 4)
    at = 0
    operations = []

    def handled(process, f, value_at, *, key, **extra):
        nonlocal at
        call = at + rng.randrange(1, S)
        inside = call + rng.randrange(1, S // 2)
        at = inside + rng.randrange(1, S // 2)
        operations.append(op(process, f, value_at(inside), call, at, key=key, **extra))
        return inside

    state = {"deadline": 0, "end": 0, "dead": False}

    def renew(inside):
        state["deadline"] = inside + ttl * S
        state["end"] = state["deadline"] + rng.randrange(2 * S)

    def alive(inside):
        state["dead"] = state["dead"] or inside >= state["end"]
        return not state["dead"]

    handled(0, "grant", lambda inside: renew(inside) or ttl, key="lease")
    attached = handled(0, "attach", lambda inside: 1 if alive(inside) else None, key="k", lease="lease")
    if not alive(attached):
        operations.pop()
    for _ in range(steps):
        kind = rng.choices(["read", "keepalive", "revoke"], [6, 4, 1])[0]
        if kind == "read":
            handled(1, "read", lambda inside: 1 if alive(inside) else None, key="k")
        elif kind == "keepalive":
            handled(0, "keepalive", lambda inside: renew(inside) or ttl if alive(inside) else 0, key="lease")
            if rng.random() < 0.1:
                operations[-1].outcome, operations[-1].return_ns = INFO, None
        else:
            handled(0, "revoke", lambda inside: state.update(dead=True), key="lease")
    return operations


def test_a_right_server_is_never_called_wrong():
    rng = random.Random(8)
    judged = 0
    for _ in range(10_000):
        operations = run(rng, rng.randint(1, 10))
        result = Lease(grace_s=2).check(history(*operations))
        assert result.valid is not Valid.NO, (operations, result.sentence)
        judged += result.valid is Valid.YES
    assert judged > 5000


def test_a_read_turned_round_is_found_wherever_it_was_certain():
    """Changing what one read saw is a fault exactly if the read was certainly before, or long after, the end."""
    rng = random.Random(9)
    caught = 0
    for _ in range(4000):
        operations = run(rng, 8)
        reads = [o for o in operations if o.f == "read"]
        if not reads:
            continue
        read = rng.choice(reads)
        grant = operations[0]
        renewals = [o for o in operations if o.f == "keepalive" and o.outcome != "info" and o.value]
        promised = max(o.call_ns + o.value * S for o in [grant, *renewals])
        latest = max(o.return_ns + o.value * S for o in [grant, *renewals])
        plain = all(o.f in ("grant", "attach", "read") or o in renewals for o in operations)
        plain = plain and any(o.f == "attach" for o in operations)
        certain_life, certain_end = read.return_ns < promised, read.call_ns > latest + 2 * S
        read.value = None if read.value else 1
        result = Lease(grace_s=2).check(history(*operations))
        if plain and certain_life and read.value is None:
            assert "gone-while-alive" in found(result)
            caught += 1
        if plain and certain_end and read.value:
            assert "outlives" in found(result)
            caught += 1
    assert caught > 300


def long_history():
    """A lease of 10 s kept alive every second for 100 s and then revoked; its key read every second."""
    operations = [
        op(0, "grant", 10, 0, 1000, key="lease"),
        op(0, "attach", 1, 2000, 3000, key="k", lease="lease"),
    ]
    for second in range(1, 101):
        operations.append(op(0, "keepalive", 10, second * S, second * S + 1000, key="lease"))
        operations.append(op(1, "read", 1, second * S + 2000, second * S + 3000, key="k"))
    operations.append(op(0, "revoke", None, 101 * S, 101 * S + 1000, key="lease"))
    operations.append(op(1, "read", None, 102 * S, 102 * S + 1000, key="k"))
    return operations


def stop_keeping_alive(operations):
    operations[:] = [o for o in operations if o.f not in ("keepalive", "revoke")]


FAULTS = {
    "gone-while-alive": lambda o: setattr(o[201], "value", None),
    "outlives": stop_keeping_alive,
    "survives-revoke": lambda o: setattr(o[-1], "value", 1),
    "expired-early": lambda o: setattr(o[100], "value", 0),
    "expired-early, as the time left says": lambda o: o.insert(
        101, op(1, "left", -1, o[100].call_ns + 9, o[100].call_ns + 10, key="lease")
    ),
    "left-too-long": lambda o: o.append(op(1, "left", 13, 50 * S + 5, 50 * S + 6, key="lease")),
    "alive-after-revoke": lambda o: o.append(op(0, "keepalive", 10, 103 * S, 103 * S + 9, key="lease")),
    "resurrected": lambda o: (
        o.insert(-2, op(1, "read", None, 101 * S + 1, 101 * S + 2, key="k"))
        or o.insert(-2, op(1, "read", 1, 101 * S + 4, 101 * S + 5, key="k"))
    ),
    "duplicate-lease": lambda o: o.append(op(2, "grant", 10, 50 * S, 50 * S + 1, key="lease")),
}


def test_a_long_valid_history_is_valid():
    assert Lease().check(history(*long_history())).valid is Valid.YES


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name):
    operations = long_history()
    FAULTS[name](operations)
    result = Lease().check(history(*operations))
    assert result.valid is Valid.NO
    assert found(result) == {name.split(",")[0]}


def after_an_election(read_s, told_term=3, **other):
    """A lease of 10 s that nobody renews; a read knows of a new leader 5 s after the grant, another comes later."""
    terms = {"term": 2}
    operations = [
        op(0, "grant", 10, 0, 1000, key="lease", **terms),
        op(0, "attach", 1, 2000, 3000, key="k", lease="lease", **terms),
        op(1, "read", 1, 5 * S, 5 * S + 1000, key="k", term=told_term),
        op(1, "read", 1, read_s * S, read_s * S + 1000, key="k", term=told_term),
    ]
    return Lease(**other).check(history(*operations))


def test_a_new_leader_gives_leases_their_whole_time_again_and_no_more():
    assert after_an_election(17.5).valid is Valid.YES  # 5 + 10 + 2, and 3 s of grace
    assert after_an_election(19.9).valid is Valid.YES
    assert found(after_an_election(20.1)) == {"outlives"}
    assert found(after_an_election(17.5, told_term=2)) == {"outlives"}  # nobody was elected
    assert found(after_an_election(13.1, told_term=2)) == {"outlives"}
    assert after_an_election(12.9, told_term=2).valid is Valid.YES


def test_an_election_that_a_read_does_not_know_of_excuses_nothing():
    operations = [
        op(0, "grant", 10, 0, 1000, key="lease", term=2),
        op(0, "attach", 1, 2000, 3000, key="k", lease="lease", term=2),
        op(2, "keepalive", 10, 12 * S, 12 * S + 1000, key="another", term=3),
        op(1, "read", 1, 14 * S, 14 * S + 1000, key="k", term=2),
    ]
    assert found(Lease().check(history(*operations))) == {"outlives"}


def test_an_election_before_the_grant_excuses_nothing():
    operations = [
        op(1, "read", None, 0, 10, key="other", term=2),
        op(1, "read", None, 20, 30, key="other", term=3),
        op(0, "grant", 10, 1000, 2000, key="lease", term=3),
        op(0, "attach", 1, 3000, 4000, key="k", lease="lease", term=3),
        op(1, "read", 1, 14 * S, 14 * S + 1000, key="k", term=3),
    ]
    assert found(Lease().check(history(*operations))) == {"outlives"}


def test_a_keepalive_that_may_have_come_before_the_grant_says_nothing():
    operations = [
        op(0, "grant", 10, 0, 1000, key="lease"),
        op(1, "keepalive", 0, 500, 1500, key="lease"),
        op(0, "attach", 1, 2000, 3000, key="k", lease="lease"),
        op(1, "read", 1, 4000, 5000, key="k"),
    ]
    assert Lease().check(history(*operations)).valid is Valid.YES


def test_the_time_left_of_a_lease_that_is_alive_or_about_to_end_is_no_fault():
    operations = long_history()
    operations.append(op(1, "left", 12, 50 * S + 5, 50 * S + 6, key="lease"))
    operations.append(op(1, "left", 0, 60 * S + 5, 60 * S + 6, key="lease"))
    operations.append(op(1, "left", -1, 104 * S, 104 * S + 6, key="lease"))
    assert Lease().check(history(*operations)).valid is Valid.YES
