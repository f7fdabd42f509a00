"""What a rule can do to a packet: frozen descriptions, no state. ``raftmon.monitor.rules.actions.effects`` carries them
out.

``terminal`` actions end a packet's way through the rules; the others add to what was decided before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from raftmon.monitor.rules.actions.checked import MAX_MS, check_number, check_truth
from raftmon.setup.errors import InputError

__all__ = [
    "Accept",
    "Action",
    "Call",
    "Corrupt",
    "Delay",
    "Distribution",
    "Drop",
    "Duplicate",
    "Forge",
    "Hold",
    "Kill",
    "Loss",
    "LossBursts",
    "MessageCall",
    "Mirror",
    "Pause",
    "Payload",
    "Rate",
    "Reject",
    "Reorder",
    "Replace",
    "Replay",
    "Rewrite",
    "Unrecorded",
]

Distribution = Literal["uniform", "normal", "pareto"]


@dataclass(frozen=True, slots=True)
class Action:
    """Base class of all actions. ``stage`` says whether it acts on packets or on messages."""

    stage: ClassVar[Literal["packet", "message"]] = "packet"
    terminal: ClassVar[bool] = False
    parsable: ClassVar[bool] = True  # whether it can be written as a line of text
    once: ClassVar[bool] = False  # whether a rule acts once unless it says how often


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

    def __post_init__(self) -> None:
        check_number("a delay in ms", self.ms, 0, MAX_MS)
        check_number("a jitter in ms", self.jitter_ms, 0, MAX_MS)
        check_truth("keep_order of a delay", self.keep_order)
        if self.distribution not in ("uniform", "normal", "pareto"):
            raise InputError(f"a delay's distribution is uniform, normal or pareto, not {self.distribution!r}")


@dataclass(frozen=True, slots=True)
class Loss(Action):
    """Lose each packet with ``probability``, independently."""

    probability: float

    def __post_init__(self) -> None:
        check_number("a loss probability", self.probability, 0, 1)


@dataclass(frozen=True, slots=True)
class LossBursts(Action):
    """Gilbert-Elliott loss (Gilbert 1960, Elliott 1963): a good and a bad state, one step a packet.

    ``enter`` and ``leave`` are the chances to go into and out of the bad state; ``bad`` and ``good`` the loss in each.
    """

    enter: float
    leave: float
    bad: float = 1.0
    good: float = 0.0

    def __post_init__(self) -> None:
        for name in ("enter", "leave", "bad", "good"):
            check_number(f"{name!r} of loss bursts", getattr(self, name), 0, 1)


@dataclass(frozen=True, slots=True)
class Duplicate(Action):
    """Send ``copies`` more of it, each ``gap_ms`` after the one before."""

    copies: int = 1
    gap_ms: float = 0.0

    def __post_init__(self) -> None:
        check_number("the number of copies", self.copies, 1, 100, whole=True)
        check_number("the gap between copies in ms", self.gap_ms, 0, MAX_MS)


@dataclass(frozen=True, slots=True)
class Reorder(Action):
    """Hold it back for ``ms`` milliseconds while those behind it overtake."""

    ms: float

    def __post_init__(self) -> None:
        check_number("the time to hold a packet back in ms", self.ms, 0, MAX_MS)


@dataclass(frozen=True, slots=True)
class Corrupt(Action):
    """Flip ``bits`` random bits. The checksum is left wrong (the receiver's kernel drops it) unless ``repair``.

    Repaired, only payload bits are flipped, so the receiving program sees the damage; a packet without payload passes.
    """

    bits: int = 1
    repair: bool = False

    def __post_init__(self) -> None:
        check_number("the number of bits to flip", self.bits, 1, 1000, whole=True)
        check_truth("repair of corrupt", self.repair)


@dataclass(frozen=True, slots=True)
class Rate(Action):
    """A token bucket of ``kbit_s`` on each link, ``burst_bytes`` deep.

    What comes faster waits; what would make more than ``queue_bytes`` wait is dropped (tail drop).
    """

    kbit_s: float
    queue_bytes: int = 65536
    burst_bytes: int = 3000

    def __post_init__(self) -> None:
        check_number("a rate in kbit/s", self.kbit_s, 0.001, 1e9)
        check_number("a rate's queue in bytes", self.queue_bytes, 0, 1 << 26, whole=True)
        check_number("a rate's burst in bytes", self.burst_bytes, 1, 1 << 26, whole=True)


@dataclass(frozen=True, slots=True)
class Replace(Action):
    """Replace every occurrence of ``find`` in the payload by ``put``; lengths and checksums are repaired."""

    find: bytes
    put: bytes

    def __post_init__(self) -> None:
        if not self.find:
            raise InputError("there is nothing to look for: rewrite takes the bytes to replace, which cannot be empty")


@dataclass(frozen=True, slots=True)
class Rewrite(Action):
    """Put ``function(payload)`` in the payload's place (None: leave it); lengths and checksums are repaired."""

    function: Callable[[bytes], bytes | None]
    parsable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Payload(Action):
    """Put ``payload`` in the packet's; lengths and checksums are repaired. For use from Python."""

    payload: bytes
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


@dataclass(frozen=True, slots=True)
class Hold(Action):
    """Keep messages back until the rule is removed, then deliver them in order."""

    stage: ClassVar[Literal["packet", "message"]] = "message"
    terminal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Forge(Action):
    """Send one message of this kind on each link of the rule, once, when the rule takes effect.

    ``term``, ``index``, ``log_term`` and ``commit`` are 0 unless given.
    """

    stage: ClassVar[Literal["packet", "message"]] = "message"
    kind: str
    term: int = 0
    index: int = 0
    log_term: int = 0
    commit: int = 0
    reject: bool = False


@dataclass(frozen=True, slots=True)
class Kill(Action):
    """SIGKILL to a node, immediately; what matched passes. ``source`` and ``target`` are the two ends of the link."""

    once: ClassVar[bool] = True
    node: str


@dataclass(frozen=True, slots=True)
class Pause(Action):
    """SIGSTOP to a node, at once, and SIGCONT after ``ms`` (None: never); what matched passes."""

    once: ClassVar[bool] = True
    node: str
    ms: float | None = None

    def __post_init__(self) -> None:
        if self.ms is not None:
            check_number("the length of a pause in ms", self.ms, 1, MAX_MS)


@dataclass(frozen=True, slots=True)
class Replay(Action):
    """Let messages pass, remember the newest ``last`` of them, and deliver these again each time ``when`` happens.

    ``when`` is a trigger as text (``leader changes``).
    """

    stage: ClassVar[Literal["packet", "message"]] = "message"
    when: str
    last: int = 100

    def __post_init__(self) -> None:
        check_number("the number of messages to remember", self.last, 1, 10_000, whole=True)
        if not self.when.strip():
            raise InputError("replay needs a trigger: write replay when leader changes")


@dataclass(frozen=True, slots=True)
class MessageCall(Call):
    """Ask ``function(view)`` about each message, a ``MessageView``: it returns an action, or None for no opinion."""

    stage: ClassVar[Literal["packet", "message"]] = "message"
