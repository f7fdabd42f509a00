"""Rules together: modifiers, counts, what a new set keeps, and random streams that other links do not disturb."""

from __future__ import annotations

import pytest

from raftmon.monitor.rules.replay import craft
from raftmon.monitor.rules.rule import RuleSet
from raftmon.monitor.rules.serialization import ruleset_from_items, with_items
from raftmon.monitor.rules.tallies import Tallies
from raftmon.monitor.rules.verdict import ACCEPT
from tests.monitor.rules.chains import (
    MS,
    NAMES,
    PACKET,
    THERE,
    chain_with,
    delays_ms,
    engine_with,
    pattern,
)


def test_links_without_rules_have_no_chain() -> None:
    engine = engine_with("n1->n2 drop")
    assert engine.chain(0) is not None
    assert engine.chain(1) is None
    assert engine.chain(2) is None


def test_a_packet_that_no_rule_wants_gets_the_shared_accept() -> None:
    assert chain_with("port 1 drop", "size > 5000 delay 5ms")(PACKET, 5) is ACCEPT


def test_first_terminal_rule_decides() -> None:
    assert chain_with("port 2380 accept", "drop")(PACKET, 0).copies
    verdict = chain_with("keep: port 1 accept", "cut: drop", "late: accept")(PACKET, 0)
    assert (verdict.copies, verdict.rule, verdict.comment) == ((), "cut", "drop")


def test_accept_keeps_what_rules_before_it_decided_and_stops_those_behind() -> None:
    verdict = chain_with("a: delay 5ms", "b: accept", "c: delay 7ms")(PACKET, 0)
    assert delays_ms(verdict) == [5]
    assert verdict.rule == "a+b"


def test_delays_add_up_and_the_verdict_says_so() -> None:
    verdict = chain_with("slow: delay 5ms", "more: delay 7ms")(PACKET, 0)
    assert delays_ms(verdict) == [12]
    assert (verdict.rule, verdict.comment) == ("slow+more", "delay 5.000 ms, delay 7.000 ms")


@pytest.mark.parametrize(
    ("modifiers", "expected"),
    [
        ("every 3", "..x..x..x."),
        ("count 2", "xx........"),
        ("every 2 count 2", ".x.x......"),
        ("after 3ms", "...xxxxxxx"),
        ("for 3ms", "xxx......."),
        ("after 2ms for 3ms", "..xxx....."),
        ("after 2ms count 2", "..xx......"),
        ("0%", ".........."),
        ("100%", "xxxxxxxxxx"),
    ],
)
def test_modifier(modifiers: str, expected: str) -> None:
    assert pattern(chain_with(f"drop {modifiers}"), 10) == expected


def test_probability_is_met_in_the_long_run() -> None:
    lost = pattern(chain_with("drop 25%"), 4000).count("x")
    assert 900 < lost < 1100


def test_counts_run_over_all_links_of_a_rule() -> None:
    engine = engine_with("drop count 3")
    verdicts = [engine.chain(n % 2)(PACKET, n) for n in range(5)]  # type: ignore[misc]
    assert [bool(verdict.copies) for verdict in verdicts] == [False, False, False, True, True]


def test_stats_tell_matching_packets_from_hits() -> None:
    engine = engine_with("a: port 2380 drop every 2", "b: port 1 drop")
    pattern(engine.chain(0), 5)  # type: ignore[arg-type]
    assert engine.stats() == {
        "a": {"packets": 5, "hits": 2, "bytes": 2 * len(PACKET), "errors": 0},
        "b": {"packets": 0, "hits": 0, "bytes": 0, "errors": 0},
    }


def test_a_rule_that_stays_goes_on_where_it_was() -> None:
    engine = engine_with("cut: drop count 3 for 100ms", "slow: port 1 delay 1ms")
    pattern(engine.chain(0), 2)  # type: ignore[arg-type]
    engine.load(ruleset_from_items(["port 2 drop", "cut: drop count 3 for 100ms"], NAMES), 50 * MS)
    assert pattern(engine.chain(0), 3) == "x.."  # type: ignore[arg-type]
    assert engine.stats()["cut"]["hits"] == 3
    engine.load(ruleset_from_items(["cut: drop count 4 for 100ms"], NAMES), 60 * MS)
    assert engine.stats()["cut"]["hits"] == 3
    assert engine.chain(0)(PACKET, 159 * MS).copies == ()  # type: ignore[misc]


def test_counts_go_on_when_a_rule_changes_and_its_limit_starts_anew() -> None:
    engine = engine_with("cut: drop count 3")
    assert pattern(engine.chain(0), 5) == "xxx.."  # type: ignore[arg-type]
    engine.load(ruleset_from_items(["cut: drop count 2"], NAMES), 60 * MS)
    assert pattern(engine.chain(0), 4) == "xx.."  # type: ignore[arg-type]
    assert engine.stats() == {"cut": {"packets": 9, "hits": 5, "bytes": 5 * len(PACKET), "errors": 0}}


def test_a_removed_rule_keeps_its_counts_and_goes_on_from_them_when_it_comes_back() -> None:
    engine = engine_with("cut: drop count 2", "idle: port 1 drop")
    pattern(engine.chain(0), 3)  # type: ignore[arg-type]
    cut = {"packets": 3, "hits": 2, "bytes": 2 * len(PACKET), "errors": 0}
    idle = {"packets": 0, "hits": 0, "bytes": 0, "errors": 0}
    engine.load(RuleSet((), NAMES), 10 * MS)
    assert engine.stats() == {"cut": {**cut, "removed": True}, "idle": {**idle, "removed": True}}
    engine.load(ruleset_from_items(["cut: drop count 2"], NAMES), 20 * MS)
    assert pattern(engine.chain(0), 1) == "x"  # type: ignore[arg-type]
    cut = {"packets": 4, "hits": 3, "bytes": 3 * len(PACKET), "errors": 0}
    assert engine.stats() == {"cut": cut, "idle": {**idle, "removed": True}}


def test_the_latest_removed_rules_are_remembered_and_the_others_counted() -> None:
    tallies = Tallies(most_removed=2)
    for name in "abcd":
        tallies.load(ruleset_from_items([f"{name}: drop"], NAMES), 0)
    assert list(tallies.stats()) == ["b", "c", "d"]
    assert tallies.forgotten == 1


def test_a_bucket_survives_a_change_of_other_rules() -> None:
    line = "slow: rate 8kbit burst 140"
    engine = engine_with(line)
    assert delays_ms(engine.chain(0)(PACKET, 1 * MS), 1 * MS) == [0]  # type: ignore[misc]
    engine.load(ruleset_from_items([line, "port 1 drop"], NAMES), 2 * MS)
    assert delays_ms(engine.chain(0)(PACKET, 2 * MS), 2 * MS)[0] == pytest.approx(139)  # type: ignore[misc]


def test_the_random_stream_of_a_link_does_not_depend_on_rules_of_other_links() -> None:
    alone = engine_with("n1->n2 drop 50%")
    crowded = engine_with("n1->n2 drop 50%", "n2->n1 drop 30%", "n1->n3 loss 20%")
    ours = []
    for n in range(200):
        crowded.chain(1)(PACKET, n)  # type: ignore[misc]
        ours.append(bool(crowded.chain(0)(PACKET, n).copies))  # type: ignore[misc]
    assert ours == [bool(alone.chain(0)(PACKET, n).copies) for n in range(200)]  # type: ignore[misc]


def test_the_same_seed_gives_the_same_run_and_links_differ() -> None:
    one, two = engine_with("drop 50%"), engine_with("drop 50%")
    first = pattern(one.chain(0), 100)  # type: ignore[arg-type]
    assert first == pattern(two.chain(0), 100)  # type: ignore[arg-type]
    assert first != pattern(two.chain(1), 100)  # type: ignore[arg-type]


def test_chains_of_links_whose_rules_stay_are_kept() -> None:
    engine = engine_with("a: n1->n2 port 1 drop", "b: port 2 drop")
    before = [engine.chain(n) for n in range(3)]
    engine.load(with_items(engine.ruleset, ["c: n1->n3 drop"]), 5)
    after = [engine.chain(n) for n in range(3)]
    assert [one is two for one, two in zip(before, after, strict=True)] == [True, True, False]
    engine.load(ruleset_from_items(["a: n1->* port 1 drop", "b: port 2 drop"], NAMES), 6)
    engine.chain(0)(craft(THERE, ports=(1, 5)), 7)  # type: ignore[misc]
    assert engine.stats()["a"]["hits"] == 1
