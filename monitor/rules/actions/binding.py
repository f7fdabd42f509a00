"""What the effect of an action is made of: the link's scene in, a function on decisions out."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from raftmon.monitor.rules.actions import kinds
from raftmon.monitor.rules.actions.decision import Decision
from raftmon.setup.topology import Link

__all__ = ["BINDERS", "ActionEffect", "NodeSignals", "Scene", "binds", "node_of"]

ActionEffect = Callable[[Decision], bool]
"""Acts on a decision; False if it had nothing to do with this packet after all."""


class NodeSignals(Protocol):
    """What kills and pauses nodes."""

    def act(self, action: kinds.Kill | kinds.Pause, node: str, rule: str, packet_ns: int) -> bool:
        """Do it now; whether the node was there."""


def node_of(action: kinds.Kill | kinds.Pause, link: Link) -> str:
    """The node that an action is about, on that link."""
    return {"source": link.source, "target": link.target}.get(action.node, action.node)


@dataclass(frozen=True, slots=True)
class Scene:
    """What an action may use on its link: ``rng`` is the link's own stream of random numbers, ``rule`` its rule's name,
    ``nodes`` what acts on nodes.
    """

    link: Link
    rng: random.Random
    present: Callable[[bytes], bytes] | None = None
    nodes: NodeSignals | None = None
    rule: str = ""


BINDERS: dict[type[kinds.Action], Callable[[Any, Scene], ActionEffect]] = {}
"""By the class of the action; ``binds`` fills it."""

_Binder = TypeVar("_Binder", bound=Callable[..., ActionEffect])


def binds(*actions: type[kinds.Action]) -> Callable[[_Binder], _Binder]:
    """Decorates the function ``(action, scene) -> ActionEffect`` that carries out these actions."""

    def register(binder: _Binder) -> _Binder:
        BINDERS.update(dict.fromkeys(actions, binder))
        return binder

    return register
