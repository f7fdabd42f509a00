"""What shall become of one packet: the only thing a rule hands back to the queue loop. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raftmon.monitor.rules.task import Task

__all__ = ["ACCEPT", "DROP", "Copy", "Verdict"]


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of the packet to send, at ``due_ns`` (CLOCK_MONOTONIC; 0 sends it immediately).

    ``data`` is the whole IP packet in its *arrival* addresses, with valid lengths and checksums (or wrong ones where a
    rule wants them wrong); None means the bytes as they came. The loop does the presented addresses afterwards.
    """

    due_ns: int = 0
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that is done because of one packet.

    ``copies``: none means dropped; several mean duplicated. ``rule`` names the rule or rules that decided, joined by
    ``+``. ``comment`` stands beside the packet in packets.pcapng, empty for a plain accept. ``inject`` are further
    whole IP packets (a reset, an ICMP error, a forged message), already in *delivery* addresses (source presented,
    destination real), sent from the router past the queue. ``record`` overrides whether
    the recorder keeps the packet: True always, False never, None as the run is set up.

    ``task`` is expensive work for a worker thread: the loop starts it unless it runs already, and ``copies`` leave when
    it has ended (or was given up), not before; without copies the packet is dropped immediately. A rule that wants its
    later packets to wait or be dropped too hands back the same Task until ``task.ended``.
    """

    copies: tuple[Copy, ...]
    rule: str | None = None
    comment: str = ""
    inject: tuple[bytes, ...] = ()
    record: bool | None = None
    task: Task | None = None


ACCEPT = Verdict((Copy(),))
DROP = Verdict((), comment="drop")
