"""What a rule can do to a packet: frozen descriptions, no state. ``monitor.actions.effects`` carries them out.

``terminal`` actions end a packet's way through the rules; the others add to what was decided before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

__all__ = [
    "Accept",
    "Action",
    "Call",
    "Corrupt",
    "Delay",
    "Distribution",
    "Drop",
    "Duplicate",
    "Loss",
    "LossBursts",
    "Mirror",
    "Rate",
    "Reject",
    "Reorder",
    "Replace",
    "Rewrite",
    "Unrecorded",
]

Distribution = Literal["uniform", "normal", "pareto"]


@dataclass(frozen=True, slots=True)
class Action:
    """What all actions share. ``stage`` says whether it acts on packets or on messages."""

    stage: ClassVar[Literal["packet", "message"]] = "packet"
    terminal: ClassVar[bool] = False
    parsable: ClassVar[bool] = True  # whether it can be written as a line of text


@dataclass(frozen=True, slots=True)
class Accept(Action):
    """Let it pass, and ask no later rule."""

    terminal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Drop(Action):
    """Take it away."""

    terminal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Reject(Action):
    """Take it away and say so: a TCP reset to both ends, an ICMP "unreachable" to the sender of anything else."""

    terminal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Delay(Action):
    """Hold it for ``ms`` milliseconds, give or take ``jitter_ms``.

    ``uniform``: anywhere in ms ± jitter. ``normal``: jitter is one standard deviation. ``pareto``: at least
    ms - jitter, mean ms, with a heavy tail (shape 3). Never below zero. Packets of one connection stay in order unless
    ``keep_order`` is false.
    """

    ms: float
    jitter_ms: float = 0.0
    distribution: Distribution = "uniform"
    keep_order: bool = True


@dataclass(frozen=True, slots=True)
class Loss(Action):
    """Lose each packet with ``probability``, independently."""

    probability: float


@dataclass(frozen=True, slots=True)
class LossBursts(Action):
    """Gilbert-Elliott loss (Gilbert 1960, Elliott 1963): a good and a bad state, one step a packet.

    ``enter`` and ``leave`` are the chances to go into and out of the bad state; ``bad`` and ``good`` the loss in each.
    """

    enter: float
    leave: float
    bad: float = 1.0
    good: float = 0.0


@dataclass(frozen=True, slots=True)
class Duplicate(Action):
    """Send ``copies`` more of it, each ``gap_ms`` after the one before."""

    copies: int = 1
    gap_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Reorder(Action):
    """Hold it back for ``ms`` milliseconds while those behind it overtake."""

    ms: float


@dataclass(frozen=True, slots=True)
class Corrupt(Action):
    """Flip ``bits`` random bits. The checksum is left wrong (the receiver's kernel drops it) unless ``repair``.

    Repaired, only payload bits are flipped, so the receiving program sees the damage; a packet without payload passes.
    """

    bits: int = 1
    repair: bool = False


@dataclass(frozen=True, slots=True)
class Rate(Action):
    """A token bucket of ``kbit_s`` on each link, ``burst_bytes`` deep.

    What comes faster waits; what would make more than ``queue_bytes`` wait is dropped (tail drop).
    """

    kbit_s: float
    queue_bytes: int = 65536
    burst_bytes: int = 3000


@dataclass(frozen=True, slots=True)
class Replace(Action):
    """Replace every occurrence of ``find`` in the payload by ``put``; lengths and checksums are repaired."""

    find: bytes
    put: bytes


@dataclass(frozen=True, slots=True)
class Rewrite(Action):
    """Put ``function(payload)`` in the payload's place (None: leave it); lengths and checksums are repaired."""

    function: Callable[[bytes], bytes | None]
    parsable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Mirror(Action):
    """Let it pass and mark it: the recorder keeps it whatever else it leaves out."""


@dataclass(frozen=True, slots=True)
class Unrecorded(Action):
    """Let it pass and keep it out of the recording."""


@dataclass(frozen=True, slots=True)
class Call(Action):
    """Ask ``function(view)``: it returns an action, several of them, a Verdict, or None for no opinion."""

    function: Callable[[Any], Any]
    parsable: ClassVar[bool] = False
