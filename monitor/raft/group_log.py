"""What the invariants remember of one Raft group's log, and the places that a message fills in it."""

from __future__ import annotations

from raftmon.monitor.raft.message import Entry, RaftMessage
from raftmon.monitor.raft.violations import Fact

__all__ = ["GroupLog", "places"]


class GroupLog:
    """What is known of one group's entries. Digests stand for contents."""

    __slots__ = ("accepted", "by_leader", "committed", "committed_to", "entries", "leaders", "seen", "seen_as", "votes")

    def __init__(self) -> None:
        self.leaders: dict[int, tuple[str, Fact]] = {}
        self.votes: dict[tuple[int, str], tuple[str, Fact]] = {}
        self.accepted: dict[int, dict[str, tuple[str, Fact]]] = {}
        # (index, term) -> digest, term of the entry before (-1: not seen), who showed it
        self.entries: dict[tuple[int, int], tuple[int, int, Fact]] = {}
        # of the newest leader: index -> (term, fact)
        self.by_leader: dict[int, dict[int, tuple[int, Fact]]] = {}
        self.committed: dict[int, tuple[int, int, Fact]] = {}  # index -> term, leader's term that committed, fact
        self.committed_to: dict[int, int] = {}  # leader's term -> index up to which it was taken over
        # the newest append's entries, and what else its checks depended on: sent again, nothing in it is new
        self.seen: tuple[Entry, ...] = ()
        self.seen_as: tuple[int, ...] = ()


def places(message: RaftMessage) -> list[tuple[int, int, int]]:
    """(index, term, digest) of each place of the log the message fills; nats-server's entries may share one."""
    entries = message.entries
    if len(entries) == 1 or (len(entries) > 1 and entries[0].index != entries[-1].index):
        return [(entry.index, entry.term, hash((entry.type, entry.data))) for entry in entries]
    if entries:
        return [(entries[0].index, entries[0].term, hash(tuple((entry.type, entry.data) for entry in entries)))]
    return []
