"""Rules together: order, modifiers, what a new set keeps, and random streams that other links do not disturb."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.rules.actions import Action, Call, Drop
from raftmon.monitor.rules.actions.decision import Decision
from raftmon.monitor.rules.api import accept, delay, drop, rate
from raftmon.monitor.rules.conditions import ALWAYS
from raftmon.monitor.rules.engine import Chain, Engine
from raftmon.monitor.rules.gate import RuleGate
from raftmon.monitor.rules.replay import craft
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.monitor.rules.serialization import ruleset_from_items, with_items
from raftmon.monitor.rules.tallies import Tallies
from raftmon.monitor.rules.user_code import UserCodeError
from raftmon.monitor.rules.verdict import ACCEPT, Copy, Verdict
from raftmon.setup.topology import Link

THERE, BACK, ASIDE = Link("n1", "n2"), Link("n2", "n1"), Link("n1", "n3")
LINKS = (THERE, BACK, ASIDE)
NAMES = ("n1", "n2", "n3")
PACKET = craft(THERE, payload=b"x" * 100)
MS = 1_000_000


def engine_with(*rules: str | dict[str, Any] | Rule, **options: Any) -> Engine:
    engine = Engine(LINKS, "seed", 0, **options)
    engine.load(with_items(RuleSet((), NAMES), rules), 0)
    return engine


def chain_with(*rules: str | dict[str, Any] | Rule, **options: Any) -> Chain:
    chain = engine_with(*rules, **options).chain(0)
    assert chain is not None
    return chain


def delays_ms(verdict: Verdict, now_ns: int = 0) -> list[float]:
    return [(copy.due_ns - now_ns) / MS if copy.due_ns else 0.0 for copy in verdict.copies]


def pattern(chain: Chain, packets: int, step_ns: int = MS) -> str:
    """One letter a packet: ``.`` passed, ``x`` dropped."""
    return "".join("." if chain(PACKET, n * step_ns).copies else "x" for n in range(packets))


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


def test_the_dice_of_a_link_do_not_depend_on_rules_of_other_links() -> None:
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


def call(function: Any) -> Rule:
    return Rule("mine", ALWAYS, Call(function))


def test_user_code_returns_an_action_several_a_verdict_or_nothing() -> None:
    assert not chain_with(call(lambda view: drop()))(PACKET, 0).copies
    assert delays_ms(chain_with(call(lambda view: [delay(2), delay(3)]))(PACKET, 0)) == [5]
    assert chain_with(call(lambda view: None))(PACKET, 0) is ACCEPT
    own = Verdict((Copy(7, b"abc"),), comment="forged")
    verdict = chain_with(call(lambda view: own), Rule("late", ALWAYS, Call(lambda view: drop())))(PACKET, 0)
    assert (verdict.copies, verdict.rule, verdict.comment) == (own.copies, "mine", "forged")


def test_user_code_that_accepts_stops_later_rules_and_one_without_opinion_does_not() -> None:
    assert chain_with(Rule("first", ALWAYS, Drop()), call(lambda view: accept()))(PACKET, 0).copies == ()
    engine = Engine(LINKS, "", 0)
    engine.load(RuleSet((call(lambda view: accept()), Rule("cut", ALWAYS, Drop()))), 0)
    assert engine.chain(0)(PACKET, 0).copies  # type: ignore[misc]


def test_a_bucket_returned_by_user_code_is_one_bucket() -> None:
    chain = chain_with(call(lambda view: rate(8, burst_bytes=140)))
    assert delays_ms(chain(PACKET, 1), 1) == [0]
    assert delays_ms(chain(PACKET, 1), 1) == [140]


def test_an_exception_in_user_code_lets_the_packet_pass_is_told_once_and_counted() -> None:
    told: list[tuple[str, str]] = []

    def broken(view: PacketView) -> None:
        raise KeyError("no such thing")

    engine = engine_with(call(broken), on_error=lambda rule, text: told.append((rule, text)))
    for n in range(3):
        assert engine.chain(0)(PACKET, n) is ACCEPT  # type: ignore[misc]
    assert engine.stats()["mine"]["errors"] == 3
    assert [rule for rule, _ in told] == ["mine"]
    assert "KeyError: 'no such thing'" in told[0][1]
    assert 'raise KeyError("no such thing")' in told[0][1]
    assert "effects.py" not in told[0][1]


@pytest.mark.parametrize("answer", [5, "drop", [delay(1), "x"], Call(print)])
def test_a_wrong_answer_of_user_code_counts_as_its_error(answer: Any) -> None:
    engine = engine_with(call(lambda view: answer))
    assert engine.chain(0)(PACKET, 0) is ACCEPT  # type: ignore[misc]
    assert engine.stats()["mine"]["errors"] == 1


def test_user_code_that_wants_to_exit_does_not() -> None:
    engine = engine_with(call(lambda view: exit(3)))
    assert engine.chain(0)(PACKET, 0) is ACCEPT  # type: ignore[misc]


def test_in_a_strict_run_user_code_that_fails_ends_it() -> None:
    chain = chain_with(call(lambda view: 1 // 0), strict=True)
    with pytest.raises(UserCodeError, match=r"rule mine: (.|\n)*ZeroDivisionError"):
        chain(PACKET, 0)


@dataclass(frozen=True, slots=True)
class DropLetters(Action):
    """What another module adds: an action on messages."""

    stage = "message"


LETTERS = Rule("letters", ALWAYS, DropLetters(), every_nth=2)


class Stage:
    """A message stage that drops what carries the letter q."""

    def check(self, rules: RuleSet) -> None:
        """Nothing is impossible here."""

    def __init__(self) -> None:
        self.gates: list[RuleGate] = []
        self.seen = 0

    def bind(self, link: Link, gates: Any) -> Any:
        if link != THERE:
            return None
        self.gates = list(gates)

        def apply(decision: Decision) -> bool:
            self.seen += 1
            if b"!" in decision.view.payload:
                raise ValueError("a message that cannot be read")
            if decision.ended or b"q" not in decision.view.payload:
                return False
            for gate in self.gates:
                if gate.in_window(decision.now_ns) and gate.fires():
                    gate.acted(decision.view.size)
                    decision.lose("message drop")
                    decision.rules.append(gate.name)
                    return True
            return False

        return apply


def test_message_rules_are_asked_after_packet_rules() -> None:
    stage = Stage()
    engine = engine_with("port 1 drop", LETTERS, message_stage=stage)
    chain = engine.chain(0)
    assert chain is not None
    letter = craft(THERE, payload=b"q")
    assert [chain(data, 0) for data in (PACKET, letter)] == [ACCEPT, ACCEPT]
    verdict = chain(letter, 0)
    assert (verdict.copies, verdict.rule, verdict.comment) == ((), "letters", "message drop")
    assert chain(craft(THERE, ports=(1, 2), payload=b"q"), 0).rule == "r1"
    assert engine.stats()["letters"] == {"packets": 2, "hits": 1, "bytes": len(letter), "errors": 0}


def test_a_message_rule_that_stays_keeps_its_gate() -> None:
    stage = Stage()
    engine = engine_with(LETTERS, message_stage=stage)
    (before,) = stage.gates
    engine.load(with_items(RuleSet((), NAMES), [LETTERS, "drop"]), 5)
    assert stage.gates == [before]
    engine.load(with_items(RuleSet((), NAMES), [replace(LETTERS, every_nth=3)]), 5)
    assert stage.gates != [before]


def test_message_rules_alone_make_no_chain_without_their_stage() -> None:
    assert engine_with(LETTERS).chain(0) is None


def test_message_rules_see_what_was_accepted_but_not_what_was_lost() -> None:
    stage = Stage()
    chain = chain_with("port 2380 accept", "port 1 drop", LETTERS, message_stage=stage)
    assert chain(craft(THERE, payload=b"q"), 0).copies
    assert stage.seen == 1
    chain(craft(THERE, ports=(1, 2), payload=b"q"), 0)
    assert stage.seen == 1


def test_a_message_stage_that_fails_lets_the_packet_pass_and_is_told_once() -> None:
    told: list[tuple[str, str]] = []
    chain = chain_with("port 1 drop", message_stage=Stage(), on_error=lambda rule, text: told.append((rule, text)))
    for _ in range(2):
        assert chain(craft(THERE, payload=b"!"), 0) is ACCEPT
    assert [rule for rule, _ in told] == ["messages"]
    assert "a message that cannot be read" in told[0][1]


def test_chains_of_links_whose_rules_stay_are_kept() -> None:
    engine = engine_with("a: n1->n2 port 1 drop", "b: port 2 drop")
    before = [engine.chain(n) for n in range(3)]
    engine.load(with_items(engine.ruleset, ["c: n1->n3 drop"]), 5)
    after = [engine.chain(n) for n in range(3)]
    assert [one is two for one, two in zip(before, after, strict=True)] == [True, True, False]
    engine.load(ruleset_from_items(["a: n1->* port 1 drop", "b: port 2 drop"], NAMES), 6)
    engine.chain(0)(craft(THERE, ports=(1, 5)), 7)  # type: ignore[misc]
    assert engine.stats()["a"]["hits"] == 1
