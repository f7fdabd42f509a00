"""What rules with the action ``replay`` remember, and the triggers that deliver it again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from raftmon.monitor.message_rules.bound_rule import KeptMessage
from raftmon.monitor.message_rules.trigger_words import Trigger, parse_trigger
from raftmon.monitor.message_rules.triggers import Armed, TriggerWatch
from raftmon.monitor.rules.actions.kinds import Replay
from raftmon.monitor.rules.rule import Rule, RuleSet

__all__ = ["Replays", "trigger_of"]

_MAX_ANSWERS = 100  # different replays that functions may return


def trigger_of(action: Replay, names: tuple[str, ...]) -> Trigger:
    """The trigger of an action, armed again each time. Raises InputError if it cannot be read."""
    return parse_trigger(f"{action.when} repeat", names)


@dataclass(slots=True)
class _Replay:
    rule: Rule
    armed: Armed
    kept: deque[KeptMessage]


class Replays:
    """The rules in force that replay. ``deliver`` is called for each message that is delivered again, in order."""

    def __init__(self, watch: TriggerWatch, deliver: Callable[[KeptMessage], None]) -> None:
        self._watch = watch
        self._deliver = deliver
        self._names: tuple[str, ...] = ()
        self._of: dict[tuple[str, Replay], _Replay] = {}

    def load(self, rules: RuleSet, now_ns: int) -> None:
        """Take over the rules in force: one that stays keeps what it remembers."""
        self._names = rules.names
        there = {rule.name: rule for rule in rules}
        for key in [key for key, one in self._of.items() if there.get(key[0]) != one.rule]:
            self._watch.disarm(self._of.pop(key).armed.name)
        for rule in rules:
            if isinstance(rule.action, Replay) and (rule.name, rule.action) not in self._of:
                self._arm(rule, rule.action, now_ns)

    def _arm(self, rule: Rule, action: Replay, now_ns: int) -> _Replay:
        kept: deque[KeptMessage] = deque(maxlen=action.last)
        armed = self._watch.arm(trigger_of(action, self._names), now_ns, partial(self._fired, kept))
        one = self._of[rule.name, action] = _Replay(rule, armed, kept)
        return one

    def keep(self, rule: Rule, action: Replay, message: KeptMessage) -> None:
        """Remember a message; the oldest goes where there are too many. ``action`` may be a function's answer."""
        one = self._of.get((rule.name, action))
        if one is None and len(self._of) < _MAX_ANSWERS:
            one = self._arm(rule, action, message.since_ns)
        if one is not None:
            one.kept.append(message)

    @property
    def waiting(self) -> int:
        """How many messages are remembered."""
        return sum(len(one.kept) for one in self._of.values())

    def _fired(self, kept: deque[KeptMessage], _armed: Armed) -> None:
        while kept:
            self._deliver(kept.popleft())
