"""Waiting for something on the wire: triggers that are armed, and what the messages tell of the cluster.

Pure but for what is called back: message heads in, firings out. ``trigger_words`` has what can be waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raftmon.monitor.message_rules.trigger_words import TRIGGERS, Occasion, Trigger
from raftmon.monitor.raft.codecs.etcd.message_head import MessageHead
from raftmon.monitor.raft.message import LEADER_KINDS
from raftmon.monitor.raft.newest_leader import NewestLeader
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = ["Armed", "TriggerWatch"]

_MAX_ARMED = 1000
_ROWS = {row.kind: row for row in TRIGGERS}


@dataclass(slots=True)
class Armed:
    """One trigger that waits, or waited. Times are ns on the monitor's clock.

    ``fired_ns`` is the time of the packet that fired it last, ``fired`` how often one did; ``reaction_ns`` how long
    after that packet its rule was in force (None without a rule, or not yet).
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
    fired: int = 0
    holds: bool = False  # a trigger that lasts: did so with the last message about it

    def to_json(self) -> dict[str, Any]:
        """For the control socket; ``state`` is waiting, fired or expired."""
        done = self.fired and not self.trigger.repeat
        state = "fired" if done else "expired" if self.expired else "waiting"
        return {
            "name": self.name,
            "trigger": self.trigger.text,
            "state": state,
            "seen": self.seen,
            "fired": self.fired,
            "fired_ns": self.fired_ns,
            "message": self.message,
            "reaction_ms": None if self.reaction_ns is None else self.reaction_ns / 1e6,
        }


class TriggerWatch:
    """All triggers of a monitor, and what of the cluster they need to know. ``waiting`` says whether to feed it."""

    def __init__(self) -> None:
        self.armed: dict[str, Armed] = {}
        self._waiting: list[Armed] = []
        self._newest = NewestLeader()
        self._now = Occasion()

    @property
    def leader(self) -> str | None:
        """Who led last, as far as messages were looked at; None while nothing waits."""
        return self._newest.node if self._waiting else None

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
        self._newest = NewestLeader()
        self._now = Occasion()

    def expire(self, now_ns: int) -> None:
        """End the wait of those whose time is over."""
        for one in list(self._waiting):
            within_ns = one.trigger.within_ns
            if within_ns is not None and now_ns - one.armed_ns > within_ns:
                one.expired = True
                self._waiting.remove(one)

    def feed(self, link: Link, head: MessageHead, now_ns: int) -> None:
        """A message's head was seen on a link."""
        now = self._now
        now.link, now.head, now.now_ns, now.changed = link, head, now_ns, self._learn(link, head, now_ns)
        self.expire(now_ns)
        for one in list(self._waiting):
            if self._happens(one, now):
                one.seen += 1
                if one.seen % one.trigger.nth == 0:
                    one.fired_ns = now_ns
                    one.fired += 1
                    one.message = f"{head.kind} {link} term {head.term} index {head.index}"
                    if not one.trigger.repeat:
                        self._waiting.remove(one)
                    if one.on_fire is not None:
                        one.on_fire(one)

    @staticmethod
    def _happens(one: Armed, now: Occasion) -> bool:
        row = _ROWS[one.trigger.kind]
        happens = row.happens(one.trigger, now, not one.seen)
        if not row.lasts or not one.trigger.repeat:
            return happens
        if one.trigger.node not in (now.link.source, now.link.target):
            return False  # this message tells nothing of it
        before, one.holds = one.holds, happens
        return happens and not before

    def _learn(self, link: Link, head: MessageHead, now_ns: int) -> frozenset[str]:
        """Take over what the message says of the cluster; which of leader and term changed thereby."""
        now, changed = self._now, set()
        term = head.term or 0
        if term > now.term and head.kind not in ("MsgPreVote", "MsgPreVoteResp"):
            now.term = term
            changed.add("term")
        if head.kind in LEADER_KINDS and term:
            before = self._newest.node
            if self._newest.heard(link.source, term) and before not in (None, link.source):
                changed.add("leader")
                now.match.clear()
        if head.kind == "MsgApp" and head.index is not None:
            if head.entries != 0:
                now.sent_ns[link.target] = now_ns
            now.last_index = max(now.last_index, head.index + (head.entries or 0), head.commit or 0)
        elif head.kind == "MsgSnap":
            now.sent_ns[link.target] = now_ns
        elif head.kind == "MsgAppResp" and head.index is not None:
            now.match[link.source] = head.index
        return frozenset(changed)
