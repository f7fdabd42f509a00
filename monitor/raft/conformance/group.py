"""What may be known in one Raft group: who asked, sent, acknowledged and committed what, as far as it was sent."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from raftmon.monitor.raft.conformance.rules import Variant
from raftmon.monitor.raft.message import LEADER_KINDS, RaftMessage
from raftmon.monitor.raft.violations import Fact

__all__ = ["AnsweredAppend", "Group", "Known", "LeaderLog"]

_MAX_ROWS = 20_000
_MAX_LOGS = 16
_MAX_PLACES = 40_000  # of a leader's log, and of all together


@dataclass(slots=True)
class AnsweredAppend:
    """The furthest a follower acknowledged to one leader in one term."""

    index: int
    fact: Fact
    stream: int


@dataclass(slots=True)
class Known:
    """An entry that is certainly in a node's log: it acknowledged it, and no later leader has sent it anything."""

    term: int
    index: int
    entry_term: int
    fact: Fact


@dataclass(slots=True)
class LeaderLog:
    """Index -> term of a leader's entries as far as they were sent; up to ``older_up_to`` they are of earlier terms."""

    places: dict[int, int] = field(default_factory=dict)
    older_up_to: int = 0


class Group:
    """One group's record. Every table is bounded: what goes over is forgotten, and forgetting asks fewer rules."""

    def __init__(self) -> None:
        self.nodes: set[str] = set()
        self.term = 0  # the largest that was anybody's own
        self.terms: dict[str, tuple[int, Fact]] = {}
        self.leading: dict[str, int] = {}  # the term in which a node was last heard as the leader
        self.asked: dict[tuple[int, str], tuple[tuple[int, int], Fact]] = {}
        self.pre_asked: dict[str, set[int]] = {}
        self.pre_voted: dict[str, set[int]] = {}
        self.asked_ahead = 0
        self.told_to_stand: set[str] = set()
        self.logs: dict[int, LeaderLog] = {}
        self.sent: dict[tuple[int, str, str], int] = {}
        self.answered: dict[tuple[int, str, str], AnsweredAppend] = {}
        self.acks: dict[int, dict[str, int]] = {}  # leader's term -> follower -> furthest index that it may know of
        self.followed: dict[tuple[str, int], Fact] = {}
        self.known: dict[str, Known] = {}
        self.fresh: dict[int, Fact] = {}  # index -> the append by which its own leader first sent it, uncommitted
        self.commit = 0
        self.changes: dict[int, tuple[int, Fact]] = {}
        self.reads: dict[bytes, tuple[int, Fact]] = {}
        self.heartbeats: dict[bytes, int] = {}
        self.heartbeat_answers: dict[str, deque[tuple[int, str]]] = {}
        self._number = 0

    def meet(self, *names: str) -> None:
        """Nodes of the group; more than 4,096 are not counted."""
        if len(self.nodes) < 4096:
            self.nodes.update(names)

    def quorum_of_others(self) -> int:
        """How many nodes beside the leader make a quorum with it, of the nodes that were seen."""
        return len(self.nodes) // 2 if not self.changes else 1

    def may_be_committed(self, index: int, before_term: int) -> bool:
        """Whether a leader of an earlier term may have known that a quorum had everything up to ``index``."""
        need = self.quorum_of_others()
        return any(
            term < before_term and sum(acked >= index for acked in of.values()) >= need
            for term, of in self.acks.items()
        )

    def learn(
        self, variant: Variant, message: RaftMessage, source: str, target: str, fact: Fact, *, lost: bool, own: bool
    ) -> None:
        """Take what a message tells; one that is ``lost`` was sent, and received by nobody; ``own``: its term is its
        sender's own.
        """
        self._number += 1
        kind, term = message.kind, message.term
        if kind in LEADER_KINDS and term:
            self._from_leader(variant, message, source, target, fact)
        elif kind == "MsgAppResp":
            self._answer(variant, message, source, target, fact, lost)
        elif kind == "MsgVote":
            place = (message.log_term, message.index)
            known = self.asked.get((term, source))
            if known is None or known[0] < place:
                self.asked[term, source] = (place, fact)
        elif kind == "MsgPreVote":
            self.pre_asked.setdefault(source, set()).add(term)
            self.asked_ahead = max(self.asked_ahead, term)
        elif kind == "MsgPreVoteResp" and not message.reject:
            self.pre_voted.setdefault(target, set()).add(term)
        elif kind == "MsgReadIndex" and variant.reads_asked:
            context = message.entries[0].data if message.entries else message.context
            self.reads.setdefault(context, (self._number, fact))
        elif kind == "MsgHeartbeatResp" and message.context and not lost:
            number = self.heartbeats.get(message.context)
            if number is not None:
                self.heartbeat_answers.setdefault(target, deque(maxlen=1000)).append((number, source))
        if own:
            self.term = max(self.term, term)
            shown = self.terms.get(source)
            if shown is None or term > shown[0]:
                self.terms[source] = (term, fact)
        if self._number % 1024 == 0:
            self._forget()

    def _from_leader(self, variant: Variant, message: RaftMessage, source: str, target: str, fact: Fact) -> None:
        kind, term = message.kind, message.term
        self.leading[source] = max(term, self.leading.get(source, 0))
        if kind == "MsgTimeoutNow":
            self.told_to_stand.add(target)
            return
        known = self.known.get(target)
        if known is not None and known.term < term:
            del self.known[target]
        if kind == "MsgHeartbeat" and message.context:
            self.heartbeats.setdefault(message.context, self._number)
        entries = message.entries
        up_to = max(message.snapshot_index, message.index if kind != "MsgHeartbeat" or message.log_term else 0)
        if entries:
            up_to = max(up_to, entries[-1].index)
        key = (term, source, target)
        self.sent[key] = max(up_to, self.sent.get(key, 0))
        if kind == "MsgSnap":
            return
        self._places(variant, message, fact)
        if kind == "MsgApp" or variant.heartbeats_commit:
            self.commit = max(self.commit, message.commit)

    def _places(self, variant: Variant, message: RaftMessage, fact: Fact) -> None:
        term = message.term
        log = self.logs.get(term)
        if log is None:
            if len(self.logs) >= _MAX_LOGS:
                del self.logs[min(self.logs)]
            log = self.logs[term] = LeaderLog()
        if message.index and message.log_term:
            log.places[message.index] = message.log_term
            if message.log_term < term:
                log.older_up_to = max(log.older_up_to, message.index)
        for entry in message.entries:
            log.places[entry.index] = entry.term
            if entry.term < term:
                log.older_up_to = max(log.older_up_to, entry.index)
            elif entry.term == term:
                if entry.index > message.commit:
                    self.fresh.setdefault(entry.index, fact)
                if variant.changes_typed and entry.type:
                    self.changes[term] = (entry.index, fact)
        if len(log.places) > _MAX_PLACES:
            edge = sorted(log.places)[_MAX_PLACES // 2]
            log.places = {index: held for index, held in log.places.items() if index >= edge}

    def _answer(self, variant: Variant, message: RaftMessage, source: str, target: str, fact: Fact, lost: bool) -> None:
        if message.reject or not message.index:
            return
        bears = message.channel.answers_bear_own_term and message.term > 0
        term = message.term if bears else self.leading.get(target, 0)
        if not lost:
            acks = self.acks.setdefault(term, {})
            acks[source] = max(message.index, acks.get(source, 0))
        if not bears:
            return
        self.followed.setdefault((source, term), fact)
        if not variant.acks_match:
            return
        key = (term, target, source)
        known = self.answered.get(key)
        if known is None or message.index > known.index:
            self.answered[key] = AnsweredAppend(message.index, fact, message.channel.stream)
        log = self.logs.get(term)
        held = log.places.get(message.index) if log is not None else None
        before = self.known.get(source)
        if held is not None and (before is None or (before.term, before.index) < (term, message.index)):
            self.known[source] = Known(term, message.index, held, fact)

    def _forget(self) -> None:
        tables: tuple[dict, ...] = (  # type: ignore[type-arg]
            self.asked, self.sent, self.answered, self.followed, self.fresh, self.reads, self.heartbeats,
        )  # fmt: skip
        for table in tables:
            if len(table) > _MAX_ROWS:
                for key in list(table)[: _MAX_ROWS // 2]:
                    del table[key]
        for terms in (*self.pre_asked.values(), *self.pre_voted.values()):
            if len(terms) > 1000:
                terms.difference_update(sorted(terms)[:500])
        while len(self.logs) > 1 and sum(len(log.places) for log in self.logs.values()) > _MAX_PLACES:
            del self.logs[min(self.logs)]
        for old in sorted(self.acks)[:-64]:
            del self.acks[old]
        for old in sorted(self.changes)[:-64]:
            del self.changes[old]
