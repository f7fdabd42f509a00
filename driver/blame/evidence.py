"""What is known of one anomaly. Plain values; times are CLOCK_MONOTONIC in ns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from raftmon.driver.histories.operation import Operation

__all__ = ["Evidence", "LogEntry", "Restart", "ViolatingMessage", "Witnessed"]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One place in a log that carries what an operation wrote.

    ``proposed_ns`` is when its leader first sent it, ``quorum_ns`` when a quorum had acknowledged it, None if it never
    had as far as the wire shows; ``quorum_known`` is False if the record has no answers that would show it.
    """

    index: int
    term: int
    leader: str
    proposed_ns: int
    quorum_ns: int | None
    packet: int
    quorum_known: bool = True


@dataclass(frozen=True, slots=True)
class Witnessed:
    """An operation of the anomaly, and what the wire has of it.

    ``entries`` are those of a write, in order of the log. ``served_without_quorum_ns`` is, of a read, since when the
    node that led for it had heard from no quorum, None if it had, or if that is not known.
    """

    operation: Operation
    entries: tuple[LogEntry, ...] = ()
    leader: str | None = None
    served_without_quorum_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Restart:
    """A node that ended and began again.

    ``log_before`` is the furthest index that it had acknowledged, or sent as the leader; ``log_after`` where its log
    ended by its own first word afterwards. The same of terms. None where the wire does not say. ``lost`` is what a
    power cut took from its disk, in words.
    """

    node: str
    down_ns: int
    up_ns: int
    log_before: int | None = None
    log_after: int | None = None
    term_before: int | None = None
    term_after: int | None = None
    lost: str | None = None


class ViolatingMessage(NamedTuple):
    """A message of a counter-example on the wire."""

    time_ns: int
    packet: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One anomaly: what a checker said, the operations it names, and what else was going on.

    ``rule`` is Raft's invariant or rule that was violated, with ``broken`` the sentence about it and
    ``messages`` those that contradict each other. ``stores`` says what
    each node holds, ``copies`` which messages arrived twice or were written by nobody, both in words.
    """

    checker: str
    sentence: str
    key: object = None
    operations: tuple[Witnessed, ...] = ()
    rule: str | None = None
    broken: str = ""
    means: str = ""
    messages: tuple[ViolatingMessage, ...] = ()
    restarts: tuple[Restart, ...] = ()
    stores: Mapping[str, str] = field(default_factory=dict)
    differ: bool = False
    copies: tuple[str, ...] = ()
    wire: bool = True
    zero_ns: int = 0
