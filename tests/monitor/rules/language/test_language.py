"""Lines become rules, rules become lines again, and what is wrong is pointed at."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftmon.monitor.rules import conditions as m
from raftmon.monitor.rules.actions import kinds
from raftmon.monitor.rules.language import parse_action, parse_match, parse_rule, write_action, write_match, write_rule
from raftmon.monitor.rules.rule import Rule
from raftmon.setup.errors import InputError

NAMES = ("n1", "n2", "n3", "drop", "etcd-0.cluster")


def links(*ends: Any, both: bool = False) -> m.Links:
    return m.Links(*(None if end is None else frozenset(end.split(",")) for end in ends), both)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("n1->n2 drop 10%", Rule("", links("n1", "n2"), kinds.Drop(), probability=0.1)),
        ("n1<->n3 delay 50ms ±10ms", Rule("", links("n1", "n3", both=True), kinds.Delay(50, 10))),
        ("n1<->n3 delay 50ms +-10ms", Rule("", links("n1", "n3", both=True), kinds.Delay(50, 10))),
        ("* -> n2 rate 512kbit for 5s", Rule("", links(None, "n2"), kinds.Rate(512), for_ms=5000)),
        (
            "n1->n2 port 2380 size > 1000 drop every 5",
            Rule(
                "",
                m.AllOf((links("n1", "n2"), m.Port(frozenset({2380})), m.Size(">", 1000))),
                kinds.Drop(),
                every_nth=5,
            ),
        ),
        ("drop count 3", Rule("", m.ALWAYS, kinds.Drop(), count=3)),
        ("* drop after 2s", Rule("", m.ALWAYS, kinds.Drop(), after_ms=2000)),
        ("all drop probability 5%", Rule("", m.ALWAYS, kinds.Drop(), probability=0.05)),
        ("cut: n1,n2->n3 reject", Rule("cut", links("n1,n2", "n3"), kinds.Reject())),
        ('"my cut": n1->* accept', Rule("my cut", links("n1", None), kinds.Accept())),
        ('"drop"->n1 drop', Rule("", links("drop", "n1"), kinds.Drop())),
        ("etcd-0.cluster->n1 drop", Rule("", links("etcd-0.cluster", "n1"), kinds.Drop())),
        ("delay 2s normal", Rule("", m.ALWAYS, kinds.Delay(2000, 0, "normal"))),
        ("delay 0.5ms ±100us pareto unordered", Rule("", m.ALWAYS, kinds.Delay(0.5, 0.1, "pareto", False))),
        ("loss 3%", Rule("", m.ALWAYS, kinds.Loss(0.03))),
        ("loss bursts enter 1% leave 30%", Rule("", m.ALWAYS, kinds.LossBursts(0.01, 0.3))),
        (
            "loss bursts enter 1% leave 30% bad 90% good 1%",
            Rule("", m.ALWAYS, kinds.LossBursts(0.01, 0.3, 0.9, 0.01)),
        ),
        ("duplicate", Rule("", m.ALWAYS, kinds.Duplicate())),
        ("duplicate 2 gap 3ms 10%", Rule("", m.ALWAYS, kinds.Duplicate(2, 3), probability=0.1)),
        ("duplicate 10%", Rule("", m.ALWAYS, kinds.Duplicate(), probability=0.1)),
        ("reorder 10ms 25%", Rule("", m.ALWAYS, kinds.Reorder(10), probability=0.25)),
        ("corrupt 1%", Rule("", m.ALWAYS, kinds.Corrupt(), probability=0.01)),
        ("corrupt 3 bits repaired", Rule("", m.ALWAYS, kinds.Corrupt(3, True))),
        ("rate 1.5Mbit queue 64kB burst 1KiB", Rule("", m.ALWAYS, kinds.Rate(1500, 64000, 1024))),
        (r'rewrite "a\x00\"" to ""', Rule("", m.ALWAYS, kinds.Replace(b'a\0"', b""))),
        ("mirror", Rule("", m.ALWAYS, kinds.Mirror())),
        ("unrecorded", Rule("", m.ALWAYS, kinds.Unrecorded())),
        ("dialled by n1,n2 drop", Rule("", m.Dialled(frozenset({"n1", "n2"})), kinds.Drop())),
        ("age > 1min drop", Rule("", m.Age(">", 60000), kinds.Drop())),
    ],
)
def test_line(line: str, rule: Rule) -> None:
    assert parse_rule(line, NAMES) == rule


def test_and_binds_stronger_than_or_and_not_strongest() -> None:
    port = {n: m.Port(frozenset({n})) for n in (1, 2, 3)}
    assert parse_match("port 1 or port 2 and not port 3") == m.AnyOf((port[1], m.AllOf((port[2], m.Not(port[3])))))
    assert parse_match("(port 1 or port 2) port 3") == m.AllOf((m.AnyOf((port[1], port[2])), port[3]))


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("n1->n9 drop", 5, "unknown host 'n9' (available: n1, n2, n3"),
        ("n1->n2 dorp", 8, "did you mean 'drop'?"),
        ("n1 drop", 1, "expected -> or <-> after the host n1"),
        ("n1->n2 delay 50", 14, "units: us, µs, ms, s, min"),
        ("n1->n2 delay fast", 14, "expected a time such as 50ms"),
        ("n1->n2 drop every 0", 19, "expected a number of packets"),
        ("n1->n2 drop 110%", 13, "from 0% to 100%"),
        ("n1->n2 drop 5% 10%", 16, "says again"),
        ("n1->n2 drop evry 5", 13, "did you mean 'every'?"),
        ("n1->n2 (port 80 drop", 17, "expected ), not 'drop'"),
        ("n1->n2 port x drop", 13, "expected a port"),
        ("n1->n2 port 9..5 drop", 16, "expected the last port"),
        ("n1->n2 size 5 drop", 13, "expected < or <="),
        ("n1->n2 size > 1.5 drop", 15, "a whole number of bytes"),
        ("n1->n2 payload drop", 16, "expected has"),
        ("payload ~ /a(/ drop", 1, "no regular expression"),
        ("n1->n2 § drop", 8, "'§' has no meaning"),
        ('payload has "abc drop', 13, "is not closed"),
        (r'payload has "\q" drop', 13, "is no escape"),
        (r'payload has "\x1" drop', 13, "is no escape"),
        ("rate 10parsec", 6, "expected a rate such as 512kbit"),
        ("rate 0kbit", 1, "a rate in kbit/s is a number from"),
        ("corrupt 3 drop", 11, "expected bits or bit"),
        ("dialled by * drop", 14, "expected the name of a host"),
        ("loss bursts leave 1%", 13, "expected enter"),
        ('rewrite "" to "x"', 1, "nothing to look for"),
        ("n1->n2", 7, "expected an action"),
        ("n1->n2 MsgAp drop", 8, "MsgApp"),
        ("", 1, "expected a condition"),
        ("(" * 60 + "tcp" + ")" * 60 + " drop", 51, "nested more than 50 deep"),
    ],
)
def test_error_points_at_the_column(line: str, column: int, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_rule(line, NAMES)
    first, shown, caret = str(caught.value).split("\n")
    assert first.startswith(f"column {column}: ")
    assert words in first
    assert shown.strip() == line.strip()
    assert caret.index("^") - 4 == column - 1


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(InputError, match="at most 4096 characters"):
        parse_rule("n1->n2 drop " + " " * 5000)


def test_parts_alone_must_end_where_they_end() -> None:
    assert parse_match("  ") is m.ALWAYS
    with pytest.raises(InputError, match="expected the end of the line, not 'drop'"):
        parse_match("tcp drop")
    with pytest.raises(InputError, match="expected the end of the line, not '5%'"):
        parse_action("drop 5%")


HOSTS = st.frozensets(st.sampled_from([*NAMES, "odd name", "tcp"]), min_size=1, max_size=3)
OPERATORS = st.sampled_from(["<", "<=", ">", ">=", "=", "!="])
MS = st.floats(0, 3_600_000, allow_nan=False).map(abs)
SHARE = st.floats(0, 1, allow_nan=False).map(abs)
ENDS = st.sampled_from(["either", "source", "target"])
PATTERN = st.text(string.ascii_letters + string.digits + "/.é ", max_size=8).map(str.encode)

LEAF = st.one_of(
    st.builds(m.Links, HOSTS, st.none() | HOSTS, st.booleans()),
    st.builds(m.Links, st.none(), HOSTS, st.booleans()),
    st.builds(m.Port, st.frozensets(st.integers(0, 65535), min_size=1, max_size=4), ENDS),
    st.builds(m.ProtocolIs, st.integers(0, 255)),
    st.builds(m.Family, st.sampled_from([4, 6])),
    st.builds(m.Flag, st.sampled_from([1, 2, 4, 8, 16, 32])),
    st.builds(m.Size, OPERATORS, st.integers(0, 70000)),
    st.builds(m.PayloadSize, OPERATORS, st.integers(0, 70000)),
    st.builds(m.PayloadHas, st.binary(max_size=10)),
    st.builds(m.PayloadMatches, PATTERN),
    st.builds(m.Address, st.sampled_from(["10.0.0.1", "10.0.0.0/8", "fd00::/8", "::1", "::ffff:1.2.3.4"]), ENDS),
    st.builds(m.Dialled, HOSTS),
    st.builds(m.Age, OPERATORS, MS),
    st.just(m.Fragment()),
    st.just(m.Malformed()),
)
MATCH = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: m.both(*parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: m.either(*parts)),
        inner.map(m.negate),
    ),
    max_leaves=6,
) | st.just(m.ALWAYS)
ACTION = st.one_of(
    st.sampled_from([kinds.Accept(), kinds.Drop(), kinds.Reject(), kinds.Mirror(), kinds.Unrecorded()]),
    st.builds(kinds.Delay, MS, MS, st.sampled_from(["uniform", "normal", "pareto"]), st.booleans()),
    st.builds(kinds.Loss, SHARE),
    st.builds(kinds.LossBursts, SHARE, SHARE, SHARE, SHARE),
    st.builds(kinds.Duplicate, st.integers(1, 100), MS),
    st.builds(kinds.Reorder, MS),
    st.builds(kinds.Corrupt, st.integers(1, 1000), st.booleans()),
    st.builds(kinds.Rate, st.floats(0.001, 1e9), st.integers(0, 1 << 26), st.integers(1, 1 << 26)),
    st.builds(kinds.Replace, st.binary(min_size=1, max_size=8), st.binary(max_size=8)),
)
RULE = st.builds(
    Rule,
    st.sampled_from(["", "r1", "odd name", "slow-2"]),
    MATCH,
    ACTION,
    probability=SHARE,
    count=st.none() | st.integers(1, 1 << 31),
    after_ms=MS,
    for_ms=st.none() | MS,
    every_nth=st.integers(1, 1 << 31),
)


@given(RULE)
def test_a_rule_written_as_a_line_is_read_back_the_same(rule: Rule) -> None:
    assert parse_rule(write_rule(rule)) == rule


@given(MATCH, ACTION)
def test_parts_written_are_read_back_the_same(match: m.Match, action: kinds.Action) -> None:
    assert parse_match(write_match(match)) == match
    assert parse_action(write_action(action)) == action


@given(st.text(alphabet=st.sampled_from(list('n12-><*±+.,:()"/%\\ adeloprstuy0')) | st.characters(), max_size=40))
def test_any_text_is_a_rule_or_an_input_error(text: str) -> None:
    try:
        rule = parse_rule(text)
    except InputError:
        return
    assert parse_rule(write_rule(rule)) == rule
