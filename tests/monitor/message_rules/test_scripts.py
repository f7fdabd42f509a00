"""Users' ``message(view)``: what it sees, what its answers do, what happens when it fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from raftmon.monitor.raft.codecs.etcd.raftpb import read_message
from raftmon.monitor.rules.rule import RuleSet
from raftmon.monitor.rules.scripts import Scripts
from raftmon.monitor.rules.user_code import UserCodeError
from raftmon.setup.errors import InputError
from tests.monitor.message_rules.bench import LINKS, NAMES, Bench
from tests.monitor.raft.wire import append_entries, chunk, entry, frame, full, put, raftpb

VOTE = raftpb(6, term=7, index=4, log_term=3, commit=2)


def scripts_of(tmp_path: Path, text: str) -> Scripts:
    path = tmp_path / "mine.py"
    path.write_text(f"from raftmon.monitor.rules.api import *\n{text}\n")
    return Scripts([path], names=NAMES, links=LINKS)


def bench_of(tmp_path: Path, text: str, *, system: str = "etcd", strict: bool = False) -> Bench:
    scripts = scripts_of(tmp_path, text)
    return Bench(ruleset=scripts.apply(RuleSet((), NAMES)), system=system, strict=strict)


def answering(tmp_path: Path, answer: str, *, strict: bool = False) -> Bench:
    return bench_of(tmp_path, f"def message(view): return {answer}", strict=strict).stream()


def test_the_view_has_what_the_head_of_a_message_tells(tmp_path: Path) -> None:
    seen: list[object] = []
    bench = bench_of(tmp_path, "def message(view): seen.append(view)")
    (rule,) = bench.engine.ruleset
    rule.action.function.__globals__["seen"] = seen  # type: ignore[attr-defined]
    bench.stream().send(chunk(frame(VOTE)))
    (view,) = seen
    assert (view.source, view.target, view.link) == ("n1", "n2", LINKS[0])  # type: ignore[attr-defined]
    fields = ("kind", "term", "index", "log_term", "commit", "entries", "keys", "size", "now_ns")
    assert [getattr(view, name) for name in fields] == [
        "MsgVoteResp", 7, 4, 3, 2, 0, (), len(VOTE) + 8, bench.now_ns,
    ]  # fmt: skip


def test_the_view_of_appends_has_their_keys_and_size(tmp_path: Path) -> None:
    seen: list[object] = []
    bench = bench_of(tmp_path, "def message(view): seen.append((view.entries, view.keys, view.size, view.commit))")
    (rule,) = bench.engine.ruleset
    rule.action.function.__globals__["seen"] = seen  # type: ignore[attr-defined]
    first = full(raftpb(3, log_term=2, index=9))
    one = append_entries([entry(2, 10, put(b"k", b"v"))], 9)
    two = append_entries([entry(2, 11, put(b"a", b"v")), entry(2, 12, put(b"b", b"v"))], 9)
    none = append_entries([], 12)
    bench.stream()
    for body in (first, one, two, none):
        bench.send(chunk(body))
    assert seen == [
        (0, (), len(first), 0),
        (1, (b"k",), len(one), None),
        (2, (b"a", b"b"), None, None),
        (0, (), len(none), 12),
    ]


def test_no_opinion_and_accept_let_the_message_pass(tmp_path: Path) -> None:
    for answer, hits in (("None", 0), ("accept()", 1)):
        bench = answering(tmp_path, answer)
        assert bench.kind(bench.send(chunk(frame(VOTE)))) == "as it came"
        assert bench.engine.stats()["mine"] == {"packets": 1, "hits": hits, "bytes": 0, "errors": 0}


def test_a_message_can_be_lost_and_others_pass(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, "def message(view): return drop() if view.term == 7 else None").stream()
    assert bench.kind(bench.send(chunk(frame(VOTE)))) == "1"
    assert bench.kind(bench.send(chunk(frame(raftpb(6, term=8))))) == "as it came"


def test_a_message_can_be_delivered_later(tmp_path: Path) -> None:
    bench = answering(tmp_path, "delay(300)")
    assert bench.kind(bench.send(chunk(frame(VOTE)))) == "1"
    assert bench.agent.posted == [("n2", VOTE, bench.now_ns + 300_000_000)]


def test_a_message_can_be_doubled(tmp_path: Path) -> None:
    bench = answering(tmp_path, "duplicate()")
    assert bench.kind(bench.send(chunk(frame(VOTE)))) == "as it came"
    assert [body for _, body, _ in bench.agent.posted] == [VOTE]


def test_a_message_can_be_held_until_the_rule_goes(tmp_path: Path) -> None:
    bench = answering(tmp_path, "hold()")
    assert bench.kind(bench.send(chunk(frame(VOTE)))) == "1"
    assert bench.agent.posted == []
    bench.load()
    assert [body for _, body, _ in bench.agent.posted] == [VOTE]


def test_another_message_can_be_forged_beside_it(tmp_path: Path) -> None:
    bench = answering(tmp_path, 'forge("MsgTimeoutNow", term=5)')
    assert bench.kind(bench.send(chunk(frame(VOTE)))) == "as it came"
    ((target, body, _),) = bench.agent.posted
    forged = read_message(body, 0, len(body))
    assert (target, forged.type, forged.term) == ("n2", 14, 5)


def test_a_condition_restricts_it(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, 'match = "n1->n2 MsgVoteResp"\ndef message(view): return drop()').stream()
    assert bench.engine.chain(1) is None
    assert bench.kind(bench.send(chunk(frame(raftpb(8))))) == "as it came"
    assert bench.kind(bench.send(chunk(frame(VOTE)))) == "1"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("corrupt()", "message\\(view\\) returned Corrupt"),
        ("[drop()]", "return accept\\(\\), drop\\(\\)"),
        ("5", "returned 5"),
        ("1 // 0", "Traceback \\(your code only\\)(.|\n)*mine.py(.|\n)*ZeroDivisionError"),
    ],
)
def test_what_it_cannot_do_is_shown_once_and_counted_and_the_message_passes(
    tmp_path: Path, answer: str, words: str
) -> None:
    bench = answering(tmp_path, answer)
    for _ in range(3):
        assert bench.kind(bench.send(chunk(frame(VOTE)))) == "as it came"
    assert bench.engine.stats()["mine"]["errors"] == 3
    ((name, text),) = bench.shown
    assert name == "mine"
    assert re.search(words, text)


def test_a_strict_run_ends_with_the_rule_and_its_traceback(tmp_path: Path) -> None:
    bench = answering(tmp_path, "1 // 0", strict=True)
    with pytest.raises(UserCodeError, match=r"^rule mine: Traceback(.|\n)*ZeroDivisionError"):
        bench.send(chunk(frame(VOTE)))


@pytest.mark.parametrize("system", ["pysyncobj", "nats-server", "zookeeper"])
def test_a_file_with_message_is_refused_where_messages_cannot_be_edited(tmp_path: Path, system: str) -> None:
    with pytest.raises(
        InputError, match=r"'mine' has message\(view\), which(.|\n)*impossible(.|\n)*use packet\(view\)"
    ):
        bench_of(tmp_path, "def message(view): pass", system=system)


def test_a_file_with_packet_alone_is_never_refused(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, "def packet(view): return drop()", system="pysyncobj")
    assert bench.send(b"anything").copies == ()


def test_a_new_version_takes_over_in_the_middle_of_a_stream(tmp_path: Path) -> None:
    scripts = scripts_of(tmp_path, "def message(view): return drop()")
    bench = Bench(ruleset=scripts.apply(RuleSet((), NAMES))).stream()
    assert bench.kind(bench.send(chunk(frame(VOTE)))) == "1"
    (tmp_path / "mine.py").write_text("def message(view): return None  # another size\n")
    assert scripts.poll(10**9) is True
    bench.engine.load(scripts.apply(bench.engine.ruleset), 10**9)
    assert bench.kind(bench.send(chunk(frame(VOTE)))) == "as it came"


def test_an_answer_for_messages_is_refused_from_packet(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, "def packet(view): return hold()")
    bench.send(b"anything")
    ((_, text),) = bench.shown
    assert "return it from message(view)" in text
