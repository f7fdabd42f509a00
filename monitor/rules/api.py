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
    """Accept the packet; later rules are not evaluated."""
    return _ACCEPT


def drop() -> Action:
    """Drop the packet."""
    return _DROP


def reject() -> Action:
    """Drop the packet and answer its sender: with a TCP reset (to both ends), or an ICMP error for anything else."""
    return _REJECT


def delay(
    ms: float, jitter_ms: float = 0.0, distribution: Distribution = "uniform", *, keep_order: bool = True
) -> Action:
    """Delay the packet by ``ms`` milliseconds ± ``jitter_ms``; raises InputError for numbers out of range."""
    return kinds.Delay(ms, jitter_ms, distribution, keep_order)


def loss(probability: float) -> Action:
    """Drop the packet with this probability (0 to 1)."""
    return kinds.Loss(probability)


def loss_bursts(enter: float, leave: float, bad: float = 1.0, good: float = 0.0) -> Action:
    """Gilbert-Elliott loss: probabilities of entering and leaving the bad state, and of loss in either state."""
    return kinds.LossBursts(enter, leave, bad, good)


def duplicate(copies: int = 1, gap_ms: float = 0.0) -> Action:
    """Send that many more copies, each ``gap_ms`` after the previous one."""
    return kinds.Duplicate(copies, gap_ms)


def reorder(ms: float) -> Action:
    """Hold the packet so that later packets overtake it."""
    return kinds.Reorder(ms)


def corrupt(bits: int = 1, *, repair: bool = False) -> Action:
    """Flip random bits; the checksum becomes wrong unless ``repair`` is true."""
    return kinds.Corrupt(bits, repair)


def rate(kbit_s: float, queue_bytes: int = 65536, burst_bytes: int = 3000) -> Action:
    """A token bucket per link: packets share it if your function returns equal ones for them."""
    return kinds.Rate(kbit_s, queue_bytes, burst_bytes)


def rewrite(payload: bytes | Callable[[bytes], bytes | None]) -> Action:
    """Replace the payload, with bytes or by a function; lengths and checksums are updated.

    On TCP keep the length, unless the point is to break the stream: sequence numbers are not changed.
    """
    return kinds.Rewrite(payload) if callable(payload) else kinds.Payload(bytes(payload))


def kill(node: str) -> Action:
    """Send SIGKILL to a node immediately; ``source`` and ``target`` are the link's ends. The packet passes."""
    return kinds.Kill(node)


def pause(node: str, ms: float | None = None) -> Action:
    """Send SIGSTOP to a node immediately, and SIGCONT after ``ms``. The packet passes."""
    return kinds.Pause(node, ms)


def mirror() -> Action:
    """Accept the packet and record it, even if another rule says not to."""
    return _MIRROR


def unrecorded() -> Action:
    """Accept the packet and do not record it."""
    return _UNRECORDED


def hold() -> Action:
    """In ``message(view)``: hold the message until it is released or the rule is removed, then deliver it."""
    return _HOLD


def forge(
    kind: str, *, term: int = 0, index: int = 0, log_term: int = 0, commit: int = 0, reject: bool = False
) -> Action:
    """In ``message(view)``: send such a message as well, on the same link; the current message passes.

    Raises InputError for a kind that raftpb does not have.
    """
    if kind not in KINDS:
        raise InputError(f"there is no message kind {kind!r}; the kinds are {', '.join(KINDS)}")
    return Forge(kind, term, index, log_term, commit, reject)


def replay(when: str, last: int = 100) -> Action:
    """In ``message(view)``: let the message pass, and deliver it again each time the trigger ``when`` fires.

    Of the messages of one ``when`` the newest ``last`` are remembered. Triggers are fed by the links that the rules
    look at. Raises InputError for numbers out of range.
    """
    return Replay(when, last)


def work(task: Task, *, hold: bool = False) -> Verdict:
    """Run ``task`` on a worker thread; the packet is dropped, or held until the task has ended (``hold``).

    Hand back the same Task for later packets until ``task.ended`` and they share its fate.
    """
    return Verdict((Copy(),) if hold else (), comment=f"task {task.name}", task=task)
