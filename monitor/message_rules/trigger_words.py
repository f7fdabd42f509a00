"""What can be waited for on the wire: one row a trigger, and the line ``when TRIGGER`` read with them.

    when MsgSnap -> n3
    when n3 is catching up by 100
    when leader changes
    when term > 5 nth 2 within 10s

``nth`` counts occurrences from the moment a trigger is armed; ``within`` ends the wait; with ``repeat`` a trigger that
fired is armed again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from raftmon.monitor.raft.codecs.etcd.message_head import MessageHead
from raftmon.monitor.rules.conditions import Match, Never
from raftmon.monitor.rules.conditions.messages import HeadTest, head_test
from raftmon.monitor.rules.language import parse_match
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["TRIGGERS", "Occasion", "Trigger", "TriggerWord", "parse_trigger", "split_waiting", "triggers_help"]

_FLOWING_NS = 1_000_000_000
_UNITS_NS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}
_TAIL = re.compile(r"\s+(?:(nth)\s+(\d+)|(within)\s+(\d+(?:\.\d+)?)(ms|s|m)|(repeat))\s*$")
_BEHIND = re.compile(r"(\S+)\s+is\s+catching\s+up(?:\s+by\s+(\d+))?$")
_TERM = re.compile(r"term\s*(>=|>|=)\s*(\d+)$")
_TO = re.compile(r"(Msg\w+)\s*->\s*(\S+)$")
_DEFAULT_BEHIND = 100
_MAX_TESTS = 10_000


@dataclass(frozen=True, slots=True)
class Trigger:
    """What is waited for: ``kind`` is the ``kind`` of its row in ``TRIGGERS``; see ``parse_trigger``."""

    text: str
    kind: str
    match: Match | None = None
    node: str = ""
    number: int = 0
    nth: int = 1
    within_ns: int | None = None
    repeat: bool = False


@dataclass(slots=True)
class Occasion:
    """One message that passes, and what the messages so far tell of the cluster.

    - ``link``, ``head``, ``now_ns``: the current message
    - ``changed``: which of ``leader`` and ``term`` changed with it
    - ``term``: the highest seen; ``last_index``: the last log index that leaders sent
    - ``match``: each node's last acknowledged index; ``sent_ns``: when entries or a snapshot last went to it
    """

    link: Link = field(default_factory=lambda: Link("", ""))
    head: MessageHead | None = None
    now_ns: int = 0
    changed: frozenset[str] = frozenset()
    term: int = 0
    last_index: int = 0
    match: dict[str, int] = field(default_factory=dict)
    sent_ns: dict[str, int] = field(default_factory=dict)
    tests: dict[tuple[str, Link], HeadTest | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TriggerWord:
    """One row: what a trigger is called, how it is written, and when it happens.

    - ``parse(text, names)``: the fields of a Trigger, None if the text is none of this kind; raises InputError
    - ``happens(trigger, occasion, first)``: whether it happens with this message; ``first`` until it did once
    - ``lasts``: it holds for many messages; armed again, it fires only after a message for which it did not hold
    """

    kind: str
    form: str
    help: str
    parse: Callable[[str, Sequence[str]], dict[str, Any] | None]
    happens: Callable[[Trigger, Occasion, bool], bool]
    lasts: bool = False


def _parse_behind(text: str, names: Sequence[str]) -> dict[str, Any] | None:
    found = _BEHIND.fullmatch(text)
    if found is None:
        return None
    if names and found[1] not in names:
        raise InputError(f"unknown host {found[1]!r} in the trigger {text!r} (available: {', '.join(names)})")
    return {"node": found[1], "number": int(found[2] or _DEFAULT_BEHIND)}


def _is_behind(trigger: Trigger, now: Occasion, _first: bool) -> bool:
    if trigger.node not in (now.link.source, now.link.target):
        return False
    behind = now.last_index - now.match.get(trigger.node, now.last_index)
    return behind > trigger.number and now.now_ns - now.sent_ns.get(trigger.node, -_FLOWING_NS) < _FLOWING_NS


def _parse_term(text: str, _names: Sequence[str]) -> dict[str, Any] | None:
    found = _TERM.fullmatch(text)
    return None if found is None else {"number": int(found[2]) + (found[1] == ">")}


def _term_reached(trigger: Trigger, now: Occasion, first: bool) -> bool:
    # A term that was reached before the trigger was armed counts once, with the next message seen.
    return ("term" in now.changed or first) and now.term >= trigger.number


def _parse_message(text: str, names: Sequence[str]) -> dict[str, Any]:
    if (found := _TO.fullmatch(text)) is not None:
        text = f"*->{found[2]} {found[1]}"
    match = parse_match(text, list(names))
    if match.stage != "message":
        raise InputError("it names no message")
    _message_test(match, Link("", ""))
    return {"match": match}


def _message_seen(trigger: Trigger, now: Occasion, _first: bool) -> bool:
    assert trigger.match is not None
    key = (trigger.text, now.link)
    if key not in now.tests:
        if len(now.tests) > _MAX_TESTS:
            now.tests.clear()
        now.tests[key] = _message_test(trigger.match, now.link)
    test = now.tests[key]
    return test is not None and now.head is not None and test(now.head)


def _message_test(match: Match, link: Link) -> HeadTest | None:
    special = match.specialise(link)
    return None if isinstance(special, Never) else head_test(special)


TRIGGERS: tuple[TriggerWord, ...] = (
    TriggerWord(
        "leader",
        "leader changes",
        "a different node leads than when the trigger was armed",
        lambda text, _names: {} if re.fullmatch(r"leader\s+changes", text) else None,
        lambda _trigger, now, _first: "leader" in now.changed,
    ),
    TriggerWord(
        "behind",
        "n3 is catching up by 100",
        "a node whose acknowledged index is behind by more than this (default 100) is sent entries or a snapshot",
        _parse_behind,
        _is_behind,
        lasts=True,
    ),
    TriggerWord("term", "term > 5", "a message of such a term is seen; also >= and =", _parse_term, _term_reached),
    TriggerWord(  # the last: every text that is none of the others
        "message",
        "MsgSnap -> n3",
        "such a message is seen; any condition of the rule language that names a message",
        _parse_message,
        _message_seen,
    ),
)


def triggers_help() -> str:
    """The triggers with what they mean, a line each, and what may stand behind them."""
    lines = [f"  when {row.form:<49}  {row.help}" for row in TRIGGERS]
    return "\n".join(["triggers (when TRIGGER: RULE; behind a trigger: nth 2, within 10s, repeat):", *lines])


def parse_trigger(text: str, names: Sequence[str]) -> Trigger:
    """One trigger, with or without the word ``when`` before it; raises InputError if it cannot be read."""
    rest = re.sub(r"^\s*when\s+", "", text).strip()
    nth, within_ns, repeat = 1, None, False
    while (tail := _TAIL.search(rest)) is not None:
        if tail[1]:
            nth = int(tail[2])
        elif tail[6]:
            repeat = True
        else:
            within_ns = int(float(tail[4]) * _UNITS_NS[tail[5]])
        rest = rest[: tail.start()].strip()
    if not 1 <= nth <= 1 << 31:
        raise InputError(f"the trigger {text!r} waits for the {nth}th time: give nth 1 or more")
    for row in TRIGGERS[:-1]:
        if (fields := row.parse(rest, names)) is not None:
            return Trigger(text, row.kind, nth=nth, within_ns=within_ns, repeat=repeat, **fields)
    try:
        fields = _parse_message(rest, names)
    except InputError as error:
        raise InputError(
            f"the trigger {text!r} cannot be read: write a message such as MsgSnap -> n3, leader changes, term > 5 or "
            f"n3 is catching up\n{error}"
        ) from error
    return Trigger(text, TRIGGERS[-1].kind, nth=nth, within_ns=within_ns, repeat=repeat, **fields)


def split_waiting(line: str) -> tuple[str, str] | None:
    """The trigger and the rule of a line ``when TRIGGER: RULE``; None for a line that does not wait.

    Raises InputError if the rule is missing.
    """
    if not line.lstrip().startswith("when "):
        return None
    trigger, colon, rule = line.partition(":")
    if not colon or not rule.strip():
        raise InputError(f"the line {line!r} lacks its rule: write when TRIGGER: RULE")
    return trigger.strip(), rule.strip()
