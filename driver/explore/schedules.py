"""Schedules of faults: drawn at random, or one that was worth keeping with something changed. All chance is given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.faults.text import schedule_text

__all__ = ["POOL", "TRIGGERS", "Drawer", "Schedule"]

POOL: tuple[tuple[str, Mapping[str, str]], ...] = (
    *((f"{verb}-{which}", {}) for verb in ("kill", "restart", "pause") for which in ("leader", "follower", "one")),
    *((f"{verb}-{which}", {}) for verb in ("kill", "restart", "pause") for which in ("minority", "majority", "all")),
    ("full-partition", {}),
    ("full-partition-one", {}),
    ("partial-partition", {}),
    ("halves", {}),
    ("bridge", {}),
    ("one-way", {}),
    ("slow-links", {"delay": "50ms"}),
    ("slow-links", {"delay": "300ms"}),
    ("lossy-links", {"loss": "30%"}),
    ("duplicated-packets", {"share": "50%"}),
    ("reordered-packets", {"share": "30%"}),
    ("power-cut", {"node": "all"}),
    ("power-cut", {"node": "majority"}),
    ("power-cut", {"node": "leader"}),
    ("power-cut", {"node": "one"}),
    ("deaf", {}),
    ("mute", {}),
    ("jam", {}),
    *(("hold-messages", {"kind": kind}) for kind in ("MsgApp", "MsgAppResp", "MsgVote", "MsgVoteResp", "MsgHeartbeat")),
    *(("lose-messages", {"kind": kind}) for kind in ("MsgApp", "MsgAppResp", "MsgVoteResp")),
    ("cut", {"links": "n1->n2"}),
    ("cut", {"links": "n2<->n3"}),
    ("stutter", {}),
    ("compact", {}),
    ("defragment", {"node": "leader"}),
    ("move-leader", {}),
    ("member-remove", {}),
    ("member-replace", {}),
)
"""What schedules are made of, as far as a cluster can do it: (fault, options)."""

TRIGGERS = ("leader changes", "MsgVote", "MsgVoteResp", "MsgPreVote", "MsgSnap", "MsgApp nth 100", "MsgAppResp nth 300")
"""What a fault may wait for, where the messages of a system are followed as they pass."""

LEAST_S, MOST_S = 0.05, 2.0
MOST_FAULTS = 4
_STEP_S = 0.05


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is done in one trial of ``seconds``."""

    faults: tuple[PlannedFault, ...]
    seconds: float

    @property
    def text(self) -> str:
        """As ``--fault`` has it."""
        return schedule_text(self.faults)


def _one_message(when: str, step: int) -> str:
    """The same trigger one message later or earlier (``nth``, counted from 1)."""
    text, _, number = when.partition(" nth ")
    moved = int(number or 1) + step
    return f"{text} nth {moved}" if moved > 1 else text


def _renamed(links: str, nodes: Sequence[str], random: Random) -> str:
    """Links between other nodes: the names that are there, shuffled, or one direction turned round."""
    if random.random() < 0.3:
        return re.sub(r"(\w+)->(\w+)", r"\2->\1", links)
    others = dict(zip(nodes, random.sample(list(nodes), len(nodes)), strict=True))
    return re.sub(r"\w+", lambda name: others[name.group()], links)


@dataclass(slots=True)
class Drawer:
    """Draws schedules of ``seconds`` from ``pool``.

    ``triggers`` are what a fault may wait for instead of a time (texts of ``@when``); ``nodes`` are those of links.
    """

    pool: Sequence[tuple[str, Mapping[str, str]]]
    seconds: float
    random: Random
    triggers: Sequence[str] = ()
    nodes: Sequence[str] = ("n1", "n2", "n3")

    def fresh(self) -> Schedule:
        """A schedule that owes nothing to any other: one to three faults at any time."""
        count = self.random.choice((1, 1, 2, 2, 3))
        return self._schedule([self._fault() for _ in range(count)])

    def mutated(self, parent: Schedule, other: Schedule | None = None) -> Schedule:
        """``parent`` with one to three things changed; ``other`` may lend a fault."""
        faults = list(parent.faults)
        for _ in range(self.random.choice((1, 1, 2, 3))):
            self._change(faults, other)
        return self._schedule(faults or [self._fault()])

    def _change(self, faults: list[PlannedFault], other: Schedule | None) -> None:
        if not faults:
            faults.append(self._fault())
            return
        at = self.random.randrange(len(faults))
        change: Any = self.random.choice(
            (
                *("move", "move", "stretch", "another", "add", "leave out", "lend", "follow"),
                *("wait", "wait", "one message", "swap"),
            )
        )
        if change == "one message" and faults[at].when is None:
            change = "wait"  # it has no message yet
        if change == "move":
            faults[at] = self._placed(faults[at], faults[at].start_s + self.random.gauss(0, 0.3))
        elif change == "stretch":
            lasting_s = (faults[at].stop_s - faults[at].start_s) * self.random.choice((0.3, 0.6, 1.5, 3.0))
            faults[at] = self._placed(faults[at], faults[at].start_s, lasting_s)
        elif change == "another":
            name, options = self.random.choice(self.pool)
            faults[at] = replace(faults[at], name=name, options=dict(options))
        elif change == "add":
            faults.append(self._fault())
        elif change == "leave out" and len(faults) > 1:
            faults.pop(at)
        elif change == "wait" and self.triggers:
            lasting_s = min(faults[at].stop_s - faults[at].start_s, self.seconds / 2)
            faults[at] = replace(faults[at], start_s=0.0, stop_s=lasting_s, when=self.random.choice(self.triggers))
        elif change == "one message":
            faults[at] = replace(faults[at], when=_one_message(faults[at].when or "", self.random.choice((-1, 1))))
        elif change == "swap":
            faults[at] = replace(faults[at], options=self._swapped(faults[at].options))
        elif change == "lend" and other is not None and other.faults:
            faults.append(self.random.choice(other.faults))
        elif change == "follow":  # the same again, right after it
            faults.append(self._placed(faults[at], faults[at].stop_s + _STEP_S))

    def _swapped(self, options: Mapping[str, str]) -> dict[str, str]:
        """Other nodes, links and roles in the place of those that are named."""
        found = dict(options)
        for option, value in options.items():
            if option == "links":
                found[option] = _renamed(value, self.nodes, self.random)
            elif option in ("node", "where"):
                found[option] = self.random.choice(("leader", "follower", "one"))
        if "where" not in options and "kind" in options:
            found["where"] = self.random.choice(("leader", "follower", "one"))
        return found

    def _fault(self) -> PlannedFault:
        name, options = self.random.choice(self.pool)
        start_s = self.random.uniform(0.1, self.seconds - LEAST_S)
        lasting_s = self.random.choice((0.1, 0.3, 0.6, 1.0, 1.5)) * self.random.uniform(0.5, 1.5)
        return self._placed(PlannedFault(name, 0.0, lasting_s, dict(options)), start_s)

    def _placed(self, fault: PlannedFault, start_s: float, lasting_s: float | None = None) -> PlannedFault:
        """At such a time, inside the trial, on a grid of 50 ms."""
        lasting_s = fault.stop_s - fault.start_s if lasting_s is None else lasting_s
        lasting_s = min(max(lasting_s, LEAST_S), MOST_S, self.seconds - _STEP_S)
        start_s = min(max(start_s, _STEP_S), self.seconds - lasting_s)
        start_s = round(int(start_s / _STEP_S) * _STEP_S, 3)
        return replace(fault, start_s=start_s, stop_s=round(start_s + lasting_s, 3), when=None)

    def _schedule(self, faults: Sequence[PlannedFault]) -> Schedule:
        kept = sorted(faults[:MOST_FAULTS], key=lambda fault: (fault.start_s, fault.name))
        return Schedule(tuple(kept), self.seconds)
