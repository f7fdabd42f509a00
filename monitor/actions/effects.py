"""Carries actions out: each is bound to one link, where its state and randomness live, and then applied to plans."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from monitor.actions import kinds
from monitor.actions.plan import Plan
from setup.topology import Link

__all__ = ["Effect", "Scene", "bind"]

Effect = Callable[[Plan], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """What an action may use on its link: ``rng`` is the link's own stream of random numbers."""

    link: Link
    rng: random.Random
    present: Callable[[bytes], bytes] | None = None


def bind(action: kinds.Action, scene: Scene) -> Effect:
    """The action as a function on plans, with its own state for this link."""
    return _BINDERS[type(action)](action, scene)


def _accept(_action: kinds.Accept, _scene: Scene) -> Effect:
    def apply(plan: Plan) -> None:
        plan.ended = True

    return apply


def _drop(_action: kinds.Drop, _scene: Scene) -> Effect:
    return lambda plan: plan.lose("drop")


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
    return max(0, round(ms * 1e6))


def _delay(action: kinds.Delay, scene: Scene) -> Effect:
    rng = scene.rng

    def apply(plan: Plan) -> None:
        delay_ns = draw_delay_ns(action, rng)
        plan.delay_ns += delay_ns
        if not action.keep_order:
            plan.keep_order = False
        plan.comments.append(f"delay {delay_ns / 1e6:.3f} ms")

    return apply


_BINDERS: dict[type[kinds.Action], Callable[..., Effect]] = {
    kinds.Accept: _accept,
    kinds.Drop: _drop,
    kinds.Delay: _delay,
}
