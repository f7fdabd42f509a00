"""Carries actions out: each is bound to one link, where its state and randomness live, then applied to decisions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from raftmon.monitor.packets.checksums import transport_sum_is_valid, with_payload
from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.rules.actions import kinds
from raftmon.monitor.rules.actions.binding import BINDERS, ActionEffect, Scene, binds, node_of
from raftmon.monitor.rules.actions.checked import MAX_MS
from raftmon.monitor.rules.actions.decision import Decision
from raftmon.monitor.rules.actions.reject import refusals
from raftmon.monitor.rules.actions.token_bucket import TokenBucket
from raftmon.monitor.rules.verdict import Verdict

__all__ = ["bind", "draw_delay_ns"]

_STATEFUL = kinds.LossBursts | kinds.Rate
_STATES = 64  # of stateful actions that one user function may return


def bind(action: kinds.Action, scene: Scene) -> ActionEffect:
    """The action as a function on decisions, with its own state for this link."""
    return BINDERS[type(action)](action, scene)


@binds(kinds.Accept)
def _accept(_action: kinds.Accept, _scene: Scene) -> ActionEffect:
    def apply(decision: Decision) -> bool:
        decision.ended = True
        return True

    return apply


@binds(kinds.Drop)
def _drop(_action: kinds.Drop, _scene: Scene) -> ActionEffect:
    def apply(decision: Decision) -> bool:
        decision.lose("drop")
        return True

    return apply


@binds(kinds.Reject)
def _reject(_action: kinds.Reject, scene: Scene) -> ActionEffect:
    def apply(decision: Decision) -> bool:
        decision.lose("reject")
        decision.inject = refusals(decision.view, scene.present)
        return True

    return apply


def draw_delay_ns(action: kinds.Delay, rng: random.Random) -> int:
    """One delay in nanoseconds, never negative."""
    if not action.jitter_ms:
        return round(action.ms * 1e6)
    if action.distribution == "normal":
        ms = rng.gauss(action.ms, action.jitter_ms)
    elif action.distribution == "pareto":
        # Pareto of shape 3 has minimum 1 and mean 1.5: shifted so that the minimum is ms - jitter and the mean ms.
        ms = action.ms - action.jitter_ms + (rng.paretovariate(3) - 1) * 2 * action.jitter_ms
    else:
        ms = rng.uniform(action.ms - action.jitter_ms, action.ms + action.jitter_ms)
    return min(max(0, round(ms * 1e6)), MAX_MS * 1_000_000)


@binds(kinds.Delay)
def _delay(action: kinds.Delay, scene: Scene) -> ActionEffect:
    rng = scene.rng

    def apply(decision: Decision) -> bool:
        delay_ns = draw_delay_ns(action, rng)
        decision.delay_ns += delay_ns
        if not action.keep_order:
            decision.keep_order = False
        decision.comments.append(f"delay {delay_ns / 1e6:.3f} ms")
        return True

    return apply


@binds(kinds.Reorder)
def _reorder(action: kinds.Reorder, _scene: Scene) -> ActionEffect:
    hold_ns = round(action.ms * 1e6)

    def apply(decision: Decision) -> bool:
        decision.delay_ns += hold_ns
        decision.keep_order = False
        decision.comments.append(f"reorder, held {action.ms:g} ms")
        return True

    return apply


@binds(kinds.Loss)
def _loss(action: kinds.Loss, scene: Scene) -> ActionEffect:
    rng = scene.rng

    def apply(decision: Decision) -> bool:
        if rng.random() >= action.probability:
            return False
        decision.lose("loss")
        return True

    return apply


@binds(kinds.LossBursts)
def _loss_bursts(action: kinds.LossBursts, scene: Scene) -> ActionEffect:
    rng = scene.rng
    is_bad = False

    def apply(decision: Decision) -> bool:
        nonlocal is_bad
        lost = rng.random() < (action.bad if is_bad else action.good)
        if rng.random() < (action.leave if is_bad else action.enter):
            is_bad = not is_bad
        if lost:
            decision.lose("loss burst")
        return lost

    return apply


@binds(kinds.Duplicate)
def _duplicate(action: kinds.Duplicate, _scene: Scene) -> ActionEffect:
    gap_ns = round(action.gap_ms * 1e6)

    def apply(decision: Decision) -> bool:
        decision.duplicates.append((action.copies, gap_ns))
        decision.comments.append(f"duplicate x{action.copies}")
        return True

    return apply


@binds(kinds.Corrupt)
def _corrupt(action: kinds.Corrupt, scene: Scene) -> ActionEffect:
    rng = scene.rng

    def flip(decision: Decision) -> None:
        data = decision.view.data if decision.data is None else decision.data
        view = PacketView(data)
        start = view.payload_offset if action.repair else view.transport_offset
        if start == view.end:  # a rewrite has left nothing to damage
            return
        out = bytearray(data)
        for _ in range(action.bits):
            bit = rng.randrange(start * 8, view.end * 8)
            out[bit >> 3] ^= 1 << (bit & 7)
        if action.repair:
            decision.data = with_payload(data, bytes(out[start : view.end]))
        else:
            # Several flips can cancel out in the sum; one more then makes sure that it is wrong.
            if action.bits > 1 and transport_sum_is_valid(bytes(out)):
                out[view.end - 1] ^= 1
            decision.data = bytes(out)

    def apply(decision: Decision) -> bool:
        view = decision.view
        empty = view.end == (view.payload_offset if action.repair else view.transport_offset)
        if empty or (action.repair and (view.malformed or view.is_fragment)):
            return False
        decision.corrupts.append(flip)
        decision.comments.append(f"corrupt {action.bits} bit{'s' if action.bits > 1 else ''}")
        return True

    return apply


@binds(kinds.Rate)
def _rate(action: kinds.Rate, _scene: Scene) -> ActionEffect:
    depart_ns = TokenBucket(action).depart_ns

    def apply(decision: Decision) -> bool:
        decision.rates.append(depart_ns)
        return True

    return apply


@binds(kinds.Replace)
def _replace(action: kinds.Replace, _scene: Scene) -> ActionEffect:
    return lambda decision: decision.set_payload(decision.payload().replace(action.find, action.put))


@binds(kinds.Rewrite)
def _rewrite(action: kinds.Rewrite, _scene: Scene) -> ActionEffect:
    def apply(decision: Decision) -> bool:
        payload = action.function(decision.payload())
        if payload is None:
            return False
        if not isinstance(payload, bytes | bytearray | memoryview):
            raise TypeError(f"the rewriting function returned {payload!r}; return bytes or None")
        return decision.set_payload(bytes(payload))

    return apply


@binds(kinds.Payload)
def _payload(action: kinds.Payload, _scene: Scene) -> ActionEffect:
    return lambda decision: decision.set_payload(action.payload)


@binds(kinds.Kill, kinds.Pause)
def _signal(action: kinds.Kill | kinds.Pause, scene: Scene) -> ActionEffect:
    node, nodes = node_of(action, scene.link), scene.nodes

    def apply(decision: Decision) -> bool:
        if nodes is None or not nodes.act(action, node, scene.rule, decision.now_ns):
            return False
        decision.comments.append(f"{type(action).__name__.lower()} {node}")
        return True

    return apply


@binds(kinds.Mirror)
def _mirror(_action: kinds.Mirror, _scene: Scene) -> ActionEffect:
    def apply(decision: Decision) -> bool:
        decision.record = True
        decision.comments.append("mirror")
        return True

    return apply


@binds(kinds.Unrecorded)
def _unrecorded(_action: kinds.Unrecorded, _scene: Scene) -> ActionEffect:
    def apply(decision: Decision) -> bool:
        decision.record = False
        return True

    return apply


@binds(kinds.Call)
def _call(action: kinds.Call, scene: Scene) -> ActionEffect:
    states: dict[kinds.Action, ActionEffect] = {}  # a rate or a burst that is returned again goes on where it was

    def effect_of(wanted: kinds.Action) -> ActionEffect:
        if not isinstance(wanted, _STATEFUL):
            return bind(wanted, scene)
        if wanted not in states:
            if len(states) >= _STATES:
                del states[next(iter(states))]
            states[wanted] = bind(wanted, scene)
        return states[wanted]

    def apply(decision: Decision) -> bool:
        result = action.function(decision.view)
        if result is None:
            return False
        if isinstance(result, Verdict):
            decision.verdict = result
            decision.ended = True
            return True
        acted = False
        for effect in [effect_of(wanted) for wanted in _actions(result)]:
            acted = effect(decision) or acted
            if decision.ended:
                break
        return acted

    return apply


def _actions(result: Any) -> Sequence[kinds.Action]:
    wanted = result if isinstance(result, list | tuple) else [result]
    for one in wanted:
        if not isinstance(one, kinds.Action) or isinstance(one, kinds.Call):
            raise TypeError(f"the rule returned {result!r}; return an action, a list of them, a Verdict or None")
        if one.stage == "message":
            raise TypeError(
                f"packet(view) returned {one!r}, which is for single messages: return it from message(view)"
            )
    return wanted
