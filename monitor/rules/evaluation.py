"""How a packet is evaluated: its link's rules in their order, the rules on messages behind them.

Rules are asked from the first to the last. One whose match fits and whose modifiers allow it acts; what it does adds up
in a ``Decision`` until a rule accepts the packet (``decision.ended``) or all were asked. The rules on messages come
last, and only for packets that are not lost. User code that raises or does not return never stops traffic, except in a
strict run.
"""

from __future__ import annotations

from collections.abc import Callable

from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.rules.actions.binding import ActionEffect
from raftmon.monitor.rules.actions.decision import Decision
from raftmon.monitor.rules.gate import RuleCounters
from raftmon.monitor.rules.link_state import Chain, LinkState, PacketRule
from raftmon.monitor.rules.user_code import UserCodeError, trimmed_traceback
from raftmon.monitor.rules.verdict import ACCEPT, Copy, Verdict
from raftmon.monitor.rules.watchdog import UserCodeHung, Watchdog

__all__ = ["Evaluator"]


class Evaluator:
    """Makes the chains of links, and does for each packet what user code must be kept from doing.

    - ``watchdog``: interrupts user code that does not return
    - ``strict``: errors of user code are raised as UserCodeError
    - ``on_error(rule, text)``: told of each rule's first error

    ``hung`` names the rules that were taken out since they did not return.
    """

    def __init__(
        self, watchdog: Watchdog, strict: bool, on_error: Callable[[str, str], None] | None, started_ns: int
    ) -> None:
        self.hung: list[str] = []
        self._watchdog = watchdog
        self._strict = strict
        self._on_error = on_error
        self._stage_hung = False
        self._message_errors = RuleCounters(started_ns)

    def chain(self, state: LinkState, rules: tuple[PacketRule, ...], stage: ActionEffect | None, tracks: bool) -> Chain:
        """One function from bytes to a verdict: the packet rules in their order, then the rules on messages.

        ``tracks``: a rule asks who opened a connection, so all packets are observed.
        """
        link, order, act, ask = state.link, state.order, self._act, self._ask
        observe = state.connections.observe if tracks else None
        entries = tuple((one, one.test, one.windowed) for one in rules)

        def evaluate(data: bytes, now_ns: int) -> Verdict:
            view = PacketView(data, link, now_ns)
            if observe is not None:
                observe(view)
            decision = None
            for rule, test, windowed in entries:
                if (test is None or test(view)) and (not windowed or rule.in_window(now_ns)):
                    decision = act(rule, view, decision)
                    if decision is not None and decision.ended:
                        break
            if stage is not None and (decision is None or not decision.lost):
                decision = ask(stage, view, decision)
            if decision is not None:
                return decision.finish(order)
            if now_ns < order.horizon_ns and (due_ns := order.clamp(view, now_ns)):
                return _waiting(due_ns)
            return ACCEPT

        return evaluate

    def _act(self, rule: PacketRule, view: PacketView, decision: Decision | None) -> Decision | None:
        if rule.hung or not rule.fires():
            return decision
        if decision is None:
            decision = Decision(view)
        watchdog = self._watchdog
        if rule.user_code:
            watchdog.enter(rule.name)
        try:
            acted = rule.effect(decision)
        except UserCodeHung:
            rule.hung = True
            self._hung(rule.name, rule.counters)
            acted = False
        except (Exception, SystemExit) as error:  # user code: its mistakes never stop traffic
            self.user_error(rule.name, rule.counters, error)
            acted = False
        finally:
            watchdog.leave()
        if acted:
            rule.acted(view.size)
            decision.rules.append(rule.name)
        return decision if decision.rules else None

    def _ask(self, stage: ActionEffect, view: PacketView, decision: Decision | None) -> Decision | None:
        """What the message rules make of a packet that no packet rule has lost."""
        if decision is None:
            decision = Decision(view)
        if self._stage_hung:
            return decision if decision.rules else None
        self._watchdog.enter("messages")
        try:
            acted = stage(decision)
        except UserCodeHung:
            self._stage_hung = True
            self._hung("messages", self._message_errors)
            acted = False
        except UserCodeError:  # a user's message(view) in a strict run; told with its rule's name already
            raise
        except (Exception, SystemExit) as error:
            self.user_error("messages", self._message_errors, error)
            acted = False
        finally:
            self._watchdog.leave()
        return decision if acted or decision.rules else None

    def _hung(self, name: str, counters: RuleCounters) -> None:
        """A rule did not return in time and was interrupted: it is taken out, or ends a strict run."""
        counters.errors += 1
        self.hung.append(name)
        text = f"it did not return within {self._watchdog.limit_s:g} s, so it was interrupted and is taken out"
        if self._strict:
            raise UserCodeError(f"rule {name}: {text}")
        if self._on_error is not None:
            self._on_error(name, text)

    def user_error(self, name: str, counters: RuleCounters, error: BaseException) -> None:
        """User code raised: counted, told the first time, and raised in a strict run."""
        counters.errors += 1
        if self._strict:
            raise UserCodeError(f"rule {name}: {trimmed_traceback(error)}") from error
        if counters.errors == 1 and self._on_error is not None:
            self._on_error(name, trimmed_traceback(error))


def _waiting(due_ns: int) -> Verdict:
    """No rule wants this packet, but one of its connection is still held before it."""
    return Verdict((Copy(due_ns),), None, "waits its turn")
