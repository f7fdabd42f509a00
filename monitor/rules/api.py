"""What a rules file imports: ``from raftmon.monitor.rules.api import delay, drop``.

A rule's ``packet(view)`` returns one of these, a list of them, a ``Verdict`` of its own, or None for no opinion::

    from raftmon.monitor.rules.api import drop

    def packet(view):
        if view.source == "n1" and view.payload_size > 1000:
            return drop()

``message(view)`` gets a MessageView and returns accept, drop, delay, duplicate, hold, replay or
forge, or None.
"""

from __future__ import annotations

from collections.abc import Callable

from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.raft.message import KINDS
from raftmon.monitor.rules.actions import kinds
from raftmon.monitor.rules.actions.kinds import Action, Distribution, Forge, Hold, Replay
from raftmon.monitor.rules.message_view import MessageView
from raftmon.monitor.rules.scripts import Context
from raftmon.monitor.rules.task import Task
from raftmon.monitor.rules.verdict import Copy, Verdict
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link

__all__ = [
    "Action",
    "Context",
    "Copy",
    "Link",
    "MessageView",
    "PacketView",
    "Task",
    "Verdict",
    "accept",
    "corrupt",
    "delay",
    "drop",
    "duplicate",
    "forge",
    "hold",
    "kill",
    "loss",
    "loss_bursts",
    "mirror",
    "pause",
    "rate",
    "reject",
    "reorder",
    "replay",
    "rewrite",
    "unrecorded",
    "work",
]

_ACCEPT, _DROP, _REJECT = kinds.Accept(), kinds.Drop(), kinds.Reject()
_HOLD = Hold()
_MIRROR, _UNRECORDED = kinds.Mirror(), kinds.Unrecorded()


def accept() -> Action:
    """Let it pass and ask no later rule."""
    return _ACCEPT


def drop() -> Action:
    """Take it away."""
    return _DROP


def reject() -> Action:
    """Take it away and say so to its sender: a TCP reset (to both ends), an ICMP error for anything else."""
    return _REJECT


def delay(
    ms: float, jitter_ms: float = 0.0, distribution: Distribution = "uniform", *, keep_order: bool = True
) -> Action:
    """Hold it for ``ms`` milliseconds, give or take ``jitter_ms``; raises InputError for numbers out of range."""
    return kinds.Delay(ms, jitter_ms, distribution, keep_order)


def loss(probability: float) -> Action:
    """Lose it with that probability (0 to 1)."""
    return kinds.Loss(probability)


def loss_bursts(enter: float, leave: float, bad: float = 1.0, good: float = 0.0) -> Action:
    """Gilbert-Elliott loss: the chances to enter and leave the bad state, and the loss in the bad and good state."""
    return kinds.LossBursts(enter, leave, bad, good)


def duplicate(copies: int = 1, gap_ms: float = 0.0) -> Action:
    """Send so many more of it, each ``gap_ms`` after the one before."""
    return kinds.Duplicate(copies, gap_ms)


def reorder(ms: float) -> Action:
    """Hold it back while those behind it overtake."""
    return kinds.Reorder(ms)


def corrupt(bits: int = 1, *, repair: bool = False) -> Action:
    """Flip random bits; the checksum is left wrong unless ``repair``."""
    return kinds.Corrupt(bits, repair)


def rate(kbit_s: float, queue_bytes: int = 65536, burst_bytes: int = 3000) -> Action:
    """A token bucket: return equal ones for all packets that shall share it. There is one on each link."""
    return kinds.Rate(kbit_s, queue_bytes, burst_bytes)


def rewrite(payload: bytes | Callable[[bytes], bytes | None]) -> Action:
    """Put another payload in (or what a function makes of it); lengths and checksums are repaired.

    On TCP keep the length, unless the point is to break the stream: sequence numbers are not changed.
    """
    return kinds.Rewrite(payload) if callable(payload) else kinds.Payload(bytes(payload))


def kill(node: str) -> Action:
    """SIGKILL to a node, at once; ``source`` and ``target`` are the two ends of the link. What matched passes."""
    return kinds.Kill(node)


def pause(node: str, ms: float | None = None) -> Action:
    """SIGSTOP to a node, at once, and SIGCONT after ``ms``. What matched passes."""
    return kinds.Pause(node, ms)


def mirror() -> Action:
    """Let it pass and have the recorder keep it, whatever else it leaves out."""
    return _MIRROR


def unrecorded() -> Action:
    """Let it pass and keep it out of the recording."""
    return _UNRECORDED


def hold() -> Action:
    """From ``message(view)``: keep the message back until the rule goes (its file changes), then deliver it."""
    return _HOLD


def forge(
    kind: str, *, term: int = 0, index: int = 0, log_term: int = 0, commit: int = 0, reject: bool = False
) -> Action:
    """From ``message(view)``: send such a message too, on the same link; the one that is judged goes its way.

    Raises InputError for a kind that raftpb does not have.
    """
    if kind not in KINDS:
        raise InputError(f"there is no message kind {kind!r}; the kinds are {', '.join(KINDS)}")
    return Forge(kind, term, index, log_term, commit, reject)


def replay(when: str, last: int = 100) -> Action:
    """From ``message(view)``: let the message pass, and deliver it again each time the trigger ``when`` fires.

    Of the messages of one ``when`` the newest ``last`` are remembered. Triggers are fed by the links that the rules
    look at. Raises InputError for numbers out of range.
    """
    return Replay(when, last)


def work(task: Task, *, hold: bool = False) -> Verdict:
    """Have ``task`` run on a worker thread; the packet is dropped, or held until the task has ended (``hold``).

    Hand back the same Task for later packets until ``task.ended`` and they share its fate.
    """
    return Verdict((Copy(),) if hold else (), comment=f"task {task.name}", task=task)
