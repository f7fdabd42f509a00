"""Rules in their order, and packets in theirs: nothing overtakes what is held, shaping means the same anywhere."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from raftmon.monitor.rules.replay import craft
from raftmon.monitor.rules.rule import RuleSet
from raftmon.monitor.rules.verdict import ACCEPT, Copy, Verdict
from tests.monitor.rules.chains import (
    MS,
    NAMES,
    PACKET,
    THERE,
    chain_with,
    delays_ms,
    engine_with,
)


def test_held_packets_are_not_overtaken_after_the_rules_are_gone() -> None:
    engine = engine_with("delay 50ms")
    engine.chain(0)(PACKET, 1 * MS)  # type: ignore[misc]
    engine.load(RuleSet((), NAMES), 10 * MS)
    chain = engine.chain(0)
    assert chain is not None
    assert chain(PACKET, 20 * MS) == Verdict((Copy(51 * MS),), None, "waits its turn")
    assert chain(PACKET, 60 * MS) is ACCEPT
    engine.load(RuleSet((), NAMES), 70 * MS)
    assert engine.chain(0) is None


def test_order_is_kept_within_a_connection_but_not_between_connections() -> None:
    chain = chain_with("size > 500 delay 40ms")
    big, small = craft(THERE, payload=b"x" * 600), craft(THERE, payload=b"y")
    other = craft(THERE, ports=(40001, 2380), payload=b"z")
    assert delays_ms(chain(big, 1 * MS), 1 * MS) == [40]
    assert delays_ms(chain(small, 2 * MS), 2 * MS) == [39]
    assert delays_ms(chain(other, 2 * MS), 2 * MS) == [0]


@given(
    st.lists(st.tuples(st.integers(0, 20 * MS), st.integers(0, 2)), min_size=2, max_size=40),
    st.sampled_from(["uniform", "normal", "pareto"]),
)
def test_jitter_never_reorders_a_connection(packets: list[tuple[int, int]], distribution: str) -> None:
    chain = chain_with(f"delay 10ms ±10ms {distribution} 70%", "duplicate gap 1ms 10%")
    left: dict[int, list[int]] = {}
    now_ns = 1
    for gap_ns, connection in packets:
        now_ns += gap_ns
        verdict = chain(craft(THERE, ports=(40000 + connection, 2380)), now_ns)
        left.setdefault(connection, []).append(verdict.copies[0].due_ns or now_ns)
    assert all(a <= b for times in left.values() for a, b in pairwise(times))


def test_unordered_delay_and_reorder_let_packets_overtake() -> None:
    for rule in ("delay 20ms unordered count 1", "reorder 20ms count 1"):
        chain = chain_with(rule)
        assert delays_ms(chain(PACKET, 1 * MS), 1 * MS) == [20]
        assert chain(PACKET, 2 * MS) is ACCEPT


SHAPING = ["a: delay 5ms", "b: delay 7ms", "c: duplicate 2 gap 1ms", "d: rate 80kbit burst 200", "e: mirror"]


@given(st.permutations(SHAPING), st.lists(st.integers(0, 30 * MS), max_size=10))
def test_shaping_rules_mean_the_same_in_any_order(rules: list[str], gaps_ns: list[int]) -> None:
    ours, sorted_ones = chain_with(*rules), chain_with(*SHAPING)
    now_ns = 1
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        one, two = ours(PACKET, now_ns), sorted_ones(PACKET, now_ns)
        assert (one.copies, one.record) == (two.copies, two.record)


@given(st.permutations([*SHAPING, "z: drop"]))
def test_a_dropped_packet_is_dropped_wherever_the_rule_stands(rules: list[str]) -> None:
    engine = engine_with(*rules)
    verdict = engine.chain(0)(PACKET, 1)  # type: ignore[misc]
    assert verdict.copies == ()
    assert verdict.comment == "drop"


@given(st.permutations([*SHAPING, "z: accept"]))
def test_accept_cuts_the_list_where_it_stands(rules: list[str]) -> None:
    before = rules[: rules.index("z: accept")]
    expected = chain_with(*before, "z: accept")(PACKET, 1).copies
    assert chain_with(*rules)(PACKET, 1).copies == expected


def test_lost_packets_take_no_tokens() -> None:
    chain = chain_with("rate 8kbit burst 140", "drop count 5")
    for n in range(5):
        assert not chain(PACKET, n + 1).copies
    assert delays_ms(chain(PACKET, 10), 10) == [0]
