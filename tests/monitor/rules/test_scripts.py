"""Users' files: what they may contain, what happens when they fail, and when they change."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from raftmon.monitor.rules.actions.kinds import MessageCall
from raftmon.monitor.rules.conditions import ALWAYS
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.language import parse_match
from raftmon.monitor.rules.replay import craft, replay
from raftmon.monitor.rules.rule import RuleSet
from raftmon.monitor.rules.scripts import Scripts
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.monitor.rules.user_code import UserCodeError
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

LINKS = (Link("n1", "n2"), Link("n2", "n1"))
NAMES = ("n1", "n2")
DROP_ALL = "from raftmon.monitor.rules.api import drop\ndef packet(view):\n    return drop()\n"
_ticks = itertools.count(1)


def write(path: Path, text: str) -> Path:
    """Write the file with a modification time of its own, as if some time lay between two writes."""
    path.write_text(text)
    tick = next(_ticks) * 10**9
    os.utime(path, ns=(tick, tick))
    return path


def load(path: Path, text: str, **options: Any) -> Scripts:
    return Scripts([write(path, text)], names=NAMES, links=LINKS, **options)


def names_of(scripts: Scripts) -> list[str]:
    return [rule.name for rule in scripts.rules()]


def test_a_plain_function_is_a_rule_named_after_its_file(tmp_path: Path) -> None:
    scripts = load(tmp_path / "cut.py", DROP_ALL)
    assert names_of(scripts) == ["cut"]
    assert replay(scripts, ["n1->n2"])[0].dropped


def test_classes_are_made_once_and_keep_their_state(tmp_path: Path) -> None:
    scripts = load(
        tmp_path / "two.py",
        "from raftmon.monitor.rules.api import drop\n"
        "class Second:\n"
        "    def __init__(self): self.seen = 0\n"
        "    def packet(self, view):\n"
        "        self.seen += 1\n"
        "        if self.seen == 2: return drop()\n"
        "class _Hidden:\n"
        "    def packet(self, view): return drop()\n"
        "class NoRule:\n"
        "    pass\n",
    )
    assert names_of(scripts) == ["two.Second"]
    assert [outcome.dropped for outcome in replay(scripts, ["n1->n2"] * 3)] == [False, True, False]


def test_a_list_of_addons_replaces_the_search(tmp_path: Path) -> None:
    scripts = load(
        tmp_path / "list.py",
        "class A:\n    def __init__(self, n): self.n = n\n    def packet(self, view): pass\naddons = [A(1), A(2)]\n",
    )
    assert names_of(scripts) == ["list.A1", "list.A2"]


def test_a_condition_keeps_the_script_off_other_links(tmp_path: Path) -> None:
    scripts = load(tmp_path / "cut.py", 'match = "n1->n2 port 2380"\n' + DROP_ALL)
    engine = Engine(LINKS, "", 0)
    engine.load(scripts.apply(RuleSet((), NAMES)), 0)
    assert engine.chain(0) is not None
    assert engine.chain(1) is None


def test_hooks_are_called_in_their_order(tmp_path: Path) -> None:
    notes: list[str] = []
    scripts = load(
        tmp_path / "hooks.py",
        "def configure(context):\n"
        "    global note; note = context.note\n"
        "    note(f'{context.names} {context.options[\"n\"]} {len(context.links)} {context.random.random():.3f}')\n"
        "def started(): note('started')\n"
        "def done(): note('done')\n"
        "def packet(view): note('packet')\n",
        options={"n": "5"},
        seed="s",
        note=notes.append,
    )
    replay(scripts, ["n1->n2"])
    assert notes[0].startswith("('n1', 'n2') 5 2 0.")
    assert notes[1:] == ["started", "packet", "done"]


def test_configure_may_take_nothing(tmp_path: Path) -> None:
    scripts = load(tmp_path / "a.py", "x = []\ndef configure(): x.append(1)\ndef packet(view): assert x == [1]\n")
    assert not replay(scripts, ["n1->n2"])[0].dropped


def test_a_script_may_judge_messages_alone(tmp_path: Path) -> None:
    scripts = load(tmp_path / "votes.py", 'match = "n1->n2 MsgVote"\ndef message(view): return 5\n')
    (rule,) = scripts.rules()
    assert isinstance(rule.action, MessageCall)
    assert (rule.name, rule.action.function(None)) == ("votes", 5)
    assert rule.match == parse_match("n1->n2 MsgVote", NAMES)


def test_a_script_may_judge_packets_and_messages(tmp_path: Path) -> None:
    scripts = load(tmp_path / "a.py", 'match = "tcp"\ndef packet(view): pass\ndef message(view): pass\n')
    assert [(rule.name, rule.stage, rule.match == ALWAYS) for rule in scripts.rules()] == [
        ("a", "packet", False),
        ("a.message", "message", True),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def packt(view): pass\n", "neither packet"),
        ("def packet(view:\n", "SyntaxError"),
        ("import nothing_of_that_name\ndef packet(view): pass\n", "ModuleNotFoundError"),
        ("def configure(context): return context.option\ndef packet(view): pass\n", "AttributeError"),
        ("import sys\nsys.exit(3)\n", "SystemExit"),
        ('match = "n1->n7"\ndef packet(view): pass\n', "unknown host 'n7'"),
        ("from raftmon.monitor.rules.api import dorp\ndef packet(view): pass\n", "cannot import name 'dorp'"),
        ('match = "MsgVote"\ndef packet(view): pass\n', "names messages"),
        ("class A:\n    def __init__(self, x): pass\n    def packet(self, view): pass\n", "TypeError"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path / "bad.py", text)
    assert sentence in str(caught.value)
    assert "bad.py" in str(caught.value)
    assert "scripts.py" not in str(caught.value)


def test_a_missing_file_and_two_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        Scripts([tmp_path / "absent.py"])
    with pytest.raises(InputError, match="two rules files are called a"):
        Scripts([tmp_path / "a.py", tmp_path / "x" / "a.py"])


def test_a_changed_file_is_loaded_again_and_starts_afresh(tmp_path: Path) -> None:
    notes: list[str] = []
    path = tmp_path / "live.py"
    hooks = "def configure(context):\n    global note; note = context.note\ndef done(): note('old done')\n"
    scripts = load(path, hooks + "def packet(view): pass\n", note=notes.append)
    scripts.started()
    engine = Engine(LINKS, "", 0)
    engine.load(scripts.apply(RuleSet((), NAMES)), 0)
    assert scripts.poll(0) is False
    write(path, DROP_ALL + "def started(): print('new started')\n")
    assert scripts.poll(1) is False  # looks four times a second
    assert scripts.poll(10**9) is True
    engine.load(scripts.apply(engine.ruleset), 10**9)
    assert [rule.name for rule in engine.ruleset] == ["live"]
    assert engine.chain(0)(b"", 10**9).copies == ()  # type: ignore[misc]
    assert notes == ["old done", f"{path}: loaded again"]
    assert scripts.poll(2 * 10**9) is False


def test_counts_go_on_when_a_file_is_loaded_again(tmp_path: Path) -> None:
    scripts = load(tmp_path / "mine.py", DROP_ALL)
    engine = Engine(LINKS, "", 0)
    packet = craft(LINKS[0])
    for time_ns in (1, 10**9):
        engine.load(scripts.apply(RuleSet((), NAMES)), time_ns)
        assert not engine.chain(0)(packet, time_ns).copies  # type: ignore[misc]
        write(tmp_path / "mine.py", DROP_ALL + "# another version\n")
        assert scripts.poll(time_ns)
    assert engine.stats() == {"mine": {"packets": 2, "hits": 2, "bytes": 2 * len(packet), "errors": 0}}


def test_a_broken_new_version_leaves_the_old_one_in_force_and_is_told_once(tmp_path: Path) -> None:
    notes: list[str] = []
    path = tmp_path / "live.py"
    scripts = load(path, DROP_ALL, note=notes.append)
    before = scripts.rules()
    write(path, "def packet(view)\n")
    assert scripts.poll(10**9) is False
    assert scripts.poll(2 * 10**9) is False
    assert scripts.rules() == before
    assert len(notes) == 1
    assert "SyntaxError" in notes[0]
    assert notes[0].endswith("the version before stays in force")
    path.unlink()
    assert scripts.poll(3 * 10**9) is False
    write(path, DROP_ALL)
    assert scripts.poll(4 * 10**9) is True


def test_written_rules_stay_when_scripts_are_applied_again(tmp_path: Path) -> None:
    scripts = load(tmp_path / "cut.py", DROP_ALL)
    once = scripts.apply(ruleset_from_items(["a: drop"], NAMES))
    assert [rule.name for rule in scripts.apply(once)] == ["a", "cut"]


def test_a_failing_hook_is_noted_or_ends_a_strict_run(tmp_path: Path) -> None:
    notes: list[str] = []
    text = "def started(): 1 // 0\ndef packet(view): pass\n"
    load(tmp_path / "a.py", text, note=notes.append).started()
    assert "ZeroDivisionError" in notes[0]
    assert notes[0].startswith("started() of a failed")
    with pytest.raises(UserCodeError, match="started\\(\\) of a failed"):
        load(tmp_path / "a.py", text, strict=True).started()


def test_dataclasses_work_in_a_rules_file(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass A:\n    n: int = 3\n    def packet(self, view): assert self.n == 3\n"
    )
    assert not replay(load(tmp_path / "data.py", text), ["n1->n2"])[0].dropped
