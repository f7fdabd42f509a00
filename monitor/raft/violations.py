"""Raft's safety properties by name, what of them the wire cannot show, and what a broken one is told as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from raftmon.monitor.raft.message import RaftMessage

__all__ = ["INVARIANTS", "LIMITS", "Fact", "Violation", "Witness", "fact_of", "told", "witness_of"]

INVARIANTS: dict[str, str] = {
    "election_safety": "at most one leader a term",
    "one_vote": "at most one vote a node and term",
    "leader_append_only": "a leader never changes an entry of its own log",
    "log_matching": "index and term determine an entry and the one before it",
    "leader_completeness": "a committed entry is in the log of every later leader",
    "state_machine_safety": "a committed entry never changes",
    "terms_monotonic": "the term of a node's messages on one stream never goes back",
    "commit_monotonic": "the commit index of a leader's appends on one stream never goes back",
    "no_stale_append": "a node accepts appends only from the leader of its term",
}

LIMITS: dict[str, str] = {
    "election_safety": "a leader that sent nothing is not seen",
    "one_vote": "a candidate's vote for itself is not sent; nats-server's count where they carry the request's term",
    "leader_append_only": "only entries that were sent",
    "log_matching": "only entries that were sent; entries that a snapshot replaced are not compared",
    "leader_completeness": "only places of the log that a later leader sent or named as the previous entry",
    "state_machine_safety": "what a node applies is not sent: the leaders' commit index stands for it",
    "terms_monotonic": "messages on different connections may overtake each other, so only those of one are compared",
    "commit_monotonic": "as above; heartbeats carry the smaller of commit and match, and are not compared",
    "no_stale_append": "an answer names its receiver, not the append it answers",
}


class Witness(NamedTuple):
    """One message of a counter-example."""

    time_ns: int
    first_packet: int
    last_packet: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant: a sentence, and the messages that cannot all be."""

    invariant: str
    sentence: str
    witnesses: tuple[Witness, ...]
    group: str = ""

    @property
    def packets(self) -> tuple[int, ...]:
        """The numbers of the packets that brought these messages."""
        return tuple(number for witness in self.witnesses for number in (witness.first_packet, witness.last_packet))


def witness_of(message: RaftMessage) -> Witness:
    """The message as a witness."""
    return Witness(message.time_ns, message.first_packet, message.last_packet, message.sentence())


# What is kept of a message that may become a witness: making its sentence only when it does saves most of the time.
Fact = tuple[int, int, int, str, str | None, str | None, int]


def fact_of(message: RaftMessage) -> Fact:
    """What to keep of the message."""
    return (
        message.time_ns, message.first_packet, message.last_packet, message.kind, message.source, message.target,
        message.term,
    )  # fmt: skip


def told(fact: Fact, more: str = "") -> Witness:
    """The witness a fact stands for; ``more`` ends its sentence."""
    time_ns, first, last, kind, source, target, term = fact
    return Witness(time_ns, first, last, f"{kind} {source}->{target} term {term}{more}")
