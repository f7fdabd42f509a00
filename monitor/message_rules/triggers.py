"""Waiting for something on the wire: a message, a change of leader, a term, a node that is catching up.

    when MsgSnap -> n3
    when n3 is catching up by 100
    when leader changes
    when term > 5 nth 2 within 10s

Pure but for what is called back: message heads in (``Seen``), firings out. ``nth`` counts occurrences from the moment
it is armed; ``within`` ends the wait.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from raftmon.monitor.message_rules.scanner import Frame
from raftmon.monitor.raft.message import LEADER_KINDS
from raftmon.monitor.rules.conditions import Match
from raftmon.monitor.rules.conditions import Never as NeverMatch
from raftmon.monitor.rules.conditions.messages import FrameTest, frame_test
from raftmon.monitor.rules.language import parse_match
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["Armed", "Trigger", "TriggerWatch", "parse_trigger", "split_waiting"]

_MAX_ARMED = 1000
_FLOWING_NS = 1_000_000_000
_UNITS_NS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}
_TAIL = re.compile(r"\s+(?:(nth)\s+(\d+)|(within)\s+(\d+(?:\.\d+)?)(ms|s|m))\s*$")
_BEHIND = re.compile(r"(\S+)\s+is\s+catching\s+up(?:\s+by\s+(\d+))?$")
_TERM = re.compile(r"term\s*(>=|>|=)\s*(\d+)$")
_TO = re.compile(r"(Msg\w+)\s*->\s*(\S+)$")
_DEFAULT_BEHIND = 100


@dataclass(frozen=True, slots=True)
class Trigger:
    """What is waited for: ``kind`` is ``message``, ``leader``, ``term`` or ``behind``; see ``parse_trigger``."""

    text: str
    kind: str
    match: Match | None = None
    node: str = ""
    number: int = 0
    nth: int = 1
    within_ns: int | None = None


def parse_trigger(text: str, names: Sequence[str]) -> Trigger:
    """One trigger, with or without the word ``when`` before it; raises InputError where it cannot be read."""
    rest = re.sub(r"^\s*when\s+", "", text).strip()
    nth, within_ns = 1, None
    while (tail := _TAIL.search(rest)) is not None:
        if tail[1]:
            nth = int(tail[2])
        else:
            within_ns = int(float(tail[4]) * _UNITS_NS[tail[5]])
        rest = rest[: tail.start()].strip()
    if not 1 <= nth <= 1 << 31:
        raise InputError(f"the trigger {text!r} waits for the {nth}th time: give nth 1 or more")
    if re.fullmatch(r"leader\s+changes", rest):
        return Trigger(text, "leader", nth=nth, within_ns=within_ns)
    if (found := _BEHIND.fullmatch(rest)) is not None:
        if names and found[1] not in names:
            raise InputError(f"there is no host {found[1]!r} in the trigger {text!r}; the hosts are {', '.join(names)}")
        behind = int(found[2] or _DEFAULT_BEHIND)
        return Trigger(text, "behind", node=found[1], number=behind, nth=nth, within_ns=within_ns)
    if (found := _TERM.fullmatch(rest)) is not None:
        least = int(found[2]) + (found[1] == ">")
        return Trigger(text, "term", number=least, nth=nth, within_ns=within_ns)
    if (found := _TO.fullmatch(rest)) is not None:
        rest = f"*->{found[2]} {found[1]}"
    try:
        match = parse_match(rest, list(names))
        if match.stage != "message":
            raise InputError("it names no message")
        _message_test(match, Link("", ""))
    except InputError as error:
        raise InputError(
            f"the trigger {text!r} cannot be read: write a message such as MsgSnap -> n3, leader changes, term > 5 or "
            f"n3 is catching up\n{error}"
        ) from error
    return Trigger(text, "message", match=match, nth=nth, within_ns=within_ns)


def _message_test(match: Match, link: Link) -> FrameTest | None:
    special = match.specialise(link)
    return None if isinstance(special, NeverMatch) else frame_test(special)


def split_waiting(line: str) -> tuple[str, str] | None:
    """The trigger and the rule of a line ``when TRIGGER: RULE``; None for a line that does not wait.

    Raises InputError where the rule is missing.
    """
    if not line.lstrip().startswith("when "):
        return None
    trigger, colon, rule = line.partition(":")
    if not colon or not rule.strip():
        raise InputError(f"the line {line!r} lacks its rule: write when TRIGGER: RULE")
    return trigger.strip(), rule.strip()


@dataclass(slots=True)
class Armed:
    """One trigger that waits, or waited. Times are ns on the monitor's clock.

    ``fired_ns`` is the time of the packet that fired it; ``reaction_ns`` how long after that packet its rule was in
    force (None without a rule, or not yet).
    """

    name: str
    trigger: Trigger
    armed_ns: int
    on_fire: Callable[[Armed], None] | None = None
    seen: int = 0
    fired_ns: int | None = None
    message: str = ""
    reaction_ns: int | None = None
    expired: bool = False

    def to_json(self) -> dict[str, Any]:
        """For the control socket; ``state`` is waiting, fired or expired."""
        state = "fired" if self.fired_ns is not None else "expired" if self.expired else "waiting"
        return {
            "name": self.name,
            "trigger": self.trigger.text,
            "state": state,
            "seen": self.seen,
            "fired_ns": self.fired_ns,
            "message": self.message,
            "reaction_ms": None if self.reaction_ns is None else self.reaction_ns / 1e6,
        }


class TriggerWatch:
    """All triggers of a monitor, and what of the cluster they need to know. ``waiting`` says whether to feed it."""

    def __init__(self) -> None:
        self.armed: dict[str, Armed] = {}
        self._waiting: list[Armed] = []
        self._tests: dict[tuple[str, Link], FrameTest | None] = {}
        self._leader: tuple[str, int] | None = None
        self._term = 0
        self._last_index = 0
        self._match: dict[str, int] = {}
        self._sent_ns: dict[str, int] = {}

    @property
    def waiting(self) -> bool:
        """Whether any trigger waits."""
        return bool(self._waiting)

    def arm(self, trigger: Trigger, now_ns: int, on_fire: Callable[[Armed], None] | None = None) -> Armed:
        """Wait for it from now on. Raises InputError where too many wait already."""
        if len(self._waiting) >= _MAX_ARMED:
            raise InputError(f"{_MAX_ARMED} triggers wait already, the most there can be")
        while len(self.armed) >= 2 * _MAX_ARMED:
            self.armed.pop(next(iter(self.armed)))
        number = len(self.armed) + 1
        while f"t{number}" in self.armed:
            number += 1
        if not self._waiting:
            self._forget()
        one = self.armed[f"t{number}"] = Armed(f"t{number}", trigger, now_ns, on_fire)
        self._waiting.append(one)
        return one

    def disarm(self, name: str) -> bool:
        """Forget it, and wait for it no longer; whether there was one of that name, whatever its state."""
        one = self.armed.pop(name, None)
        if one in self._waiting:
            self._waiting.remove(one)
        return one is not None

    def _forget(self) -> None:
        """Nothing was looked at while nothing waited: what was known of the cluster may be long past."""
        self._leader = None
        self._term = self._last_index = 0
        self._match.clear()
        self._sent_ns.clear()

    def expire(self, now_ns: int) -> None:
        """End the wait of those whose time is over."""
        for one in list(self._waiting):
            within_ns = one.trigger.within_ns
            if within_ns is not None and now_ns - one.armed_ns > within_ns:
                one.expired = True
                self._waiting.remove(one)

    def feed(self, link: Link, frame: Frame, now_ns: int) -> None:
        """A message's head was seen on a link."""
        changed = self._learn(link, frame, now_ns)
        self.expire(now_ns)
        for one in list(self._waiting):
            if self._happens(one, link, frame, now_ns, changed):
                one.seen += 1
                if one.seen >= one.trigger.nth:
                    one.fired_ns = now_ns
                    one.message = f"{frame.kind} {link} term {frame.term} index {frame.index}"
                    self._waiting.remove(one)
                    if one.on_fire is not None:
                        one.on_fire(one)

    def _learn(self, link: Link, frame: Frame, now_ns: int) -> frozenset[str]:
        """Take over what the message says of the cluster; which of leader and term changed thereby."""
        changed = set()
        term = frame.term or 0
        if term > self._term and frame.kind not in ("MsgPreVote", "MsgPreVoteResp"):
            self._term = term
            changed.add("term")
        if frame.kind in LEADER_KINDS and term:
            if self._leader is None:
                self._leader = (link.source, term)
            elif term > self._leader[1]:
                if link.source != self._leader[0]:
                    changed.add("leader")
                    self._match.clear()
                self._leader = (link.source, term)
        if frame.kind == "MsgApp" and frame.index is not None:
            if frame.entries != 0:
                self._sent_ns[link.target] = now_ns
            self._last_index = max(self._last_index, frame.index + (frame.entries or 0), frame.commit or 0)
        elif frame.kind == "MsgSnap":
            self._sent_ns[link.target] = now_ns
        elif frame.kind == "MsgAppResp" and frame.index is not None:
            self._match[link.source] = frame.index
        return frozenset(changed)

    def _happens(self, one: Armed, link: Link, frame: Frame, now_ns: int, changed: frozenset[str]) -> bool:
        trigger = one.trigger
        if trigger.kind == "message":
            assert trigger.match is not None
            key = (trigger.text, link)
            if key not in self._tests:
                if len(self._tests) > 10_000:
                    self._tests.clear()
                self._tests[key] = _message_test(trigger.match, link)
            test = self._tests[key]
            return test is not None and test(frame)
        if trigger.kind == "leader":
            return "leader" in changed
        if trigger.kind == "term":
            # A term that was reached before the trigger was armed counts once, with the next message seen.
            return ("term" in changed or not one.seen) and self._term >= trigger.number
        if link.source != trigger.node and link.target != trigger.node:
            return False
        behind = self._last_index - self._match.get(trigger.node, self._last_index)
        return behind > trigger.number and now_ns - self._sent_ns.get(trigger.node, -_FLOWING_NS) < _FLOWING_NS
