"""The cluster as its messages show it: leader, term, role, commit and match of every node, and every election.

Pure: messages in, changes out. Raft's terms after Ongaro and Ousterhout 2014; what the wire shows of them is in
docs/raft.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from raftmon.monitor.raft.message import LEADER_KINDS, RaftMessage
from raftmon.monitor.raft.newest_leader import NewestLeader

__all__ = ["SUPERSEDED", "ClusterChange", "Election", "GroupState", "NodeState", "Tracker"]

SUPERSEDED = "superseded"
"""The role of one that led or stood when another leads a newer term, until it speaks itself."""
_MAX_ELECTIONS = 10_000
_MAX_GROUPS = 10_000
_MAX_WON = 1000


@dataclass(slots=True)
class NodeState:
    """One node of one group as its own messages show it.

    ``commit`` is what it knows to be committed as far as leaders told it, ``match`` the last index it is known to
    have.
    """

    name: str
    term: int = 0
    role: str = "unknown"
    commit: int = 0
    match: int = 0
    seen_ns: int = 0


@dataclass(slots=True)
class Election:
    """One candidacy. ``end_ns`` is when the first message of the term's leader was seen; None while nobody leads.

    ``cause`` is ``transfer``, ``start`` (no leader known), ``silence`` (the leader was not heard for ``silent_ms``) or
    ``unknown``. ``votes`` are the nodes seen granting; the candidate's own vote is not on the wire.
    """

    group: str
    term: int
    candidate: str
    start_ns: int
    cause: str
    silent_ms: float | None = None
    end_ns: int | None = None
    winner: str | None = None
    votes: set[str] = field(default_factory=set)
    pre_vote_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ClusterChange:
    """Something about the cluster changed with this message: ``leader``, ``term``, ``role`` or ``election``."""

    time_ns: int
    group: str
    what: str
    node: str
    value: str | int
    packet: int


@dataclass(slots=True)
class GroupState:
    """One Raft group (etcd and pysyncobj have one, named ""). ``term`` is the largest seen."""

    name: str
    term: int = 0
    newest: NewestLeader = field(default_factory=NewestLeader)
    leader_ns: int = 0
    commit: int = 0
    nodes: dict[str, NodeState] = field(default_factory=dict)

    @property
    def leader(self) -> str | None:
        """Who leads in the newest term that has a leader; None while nobody was seen to lead."""
        return self.newest.node

    @property
    def leader_term(self) -> int:
        """That term, 0 while nobody was seen to lead."""
        return self.newest.term


class Tracker:
    """Feed it messages in the order they were seen; ask ``groups`` at any time."""

    def __init__(self) -> None:
        self.groups: dict[str, GroupState] = {}
        self.elections: list[Election] = []
        self.last_transfer: dict[str, tuple[str, int]] = {}
        self._open: dict[tuple[str, int], Election] = {}
        self._won: dict[tuple[str, int], Election] = {}  # whose last votes may still come
        self._pre_votes: dict[tuple[str, str], int] = {}
        self._leader_heard: dict[tuple[str, str], int] = {}

    def feed(self, message: RaftMessage, *, delivered: bool = True) -> list[ClusterChange]:
        """Take one message; what it changed. One that was not delivered breaks no silence of its leader."""
        source = message.source
        if source is None:
            return []
        group = self.groups.get(message.group)
        if group is None:
            if len(self.groups) >= _MAX_GROUPS:
                return []
            group = self.groups[message.group] = GroupState(message.group)
        node = group.nodes.get(source)
        if node is None:
            if len(group.nodes) >= 4096:
                return []
            node = group.nodes[source] = NodeState(source)
        node.seen_ns = message.time_ns
        changes = self._terms(group, node, message)
        self._roles(group, node, message, changes, delivered)
        return changes

    def _terms(self, group: GroupState, node: NodeState, message: RaftMessage) -> list[ClusterChange]:
        changes: list[ClusterChange] = []
        kind, term = message.kind, message.term
        current = kind != "MsgPreVote" and not (kind == "MsgPreVoteResp" and not message.reject)
        current = current and not (message.extra or {}).get("request_term")  # that of the request, not the node's own
        if current and term > node.term:
            node.term = term
            changes.append(self._change(message, "term", node.name, term))
            if node.role != "follower" and kind not in ("MsgVote", *LEADER_KINDS):
                node.role = "follower"
                changes.append(self._change(message, "role", node.name, "follower"))
        if current and term > group.term:
            group.term = term
        return changes

    def _roles(
        self, group: GroupState, node: NodeState, message: RaftMessage, changes: list[ClusterChange], delivered: bool
    ) -> None:
        kind, term = message.kind, message.term
        target = group.nodes.get(message.target or "")
        if delivered and target is not None and target.role == "leader" and self._deposes(message, target.term):
            target.role, target.term = "follower", term
            changes.append(self._change(message, "role", target.name, "follower"))
        if kind in LEADER_KINDS:
            self._leader_heard[group.name, node.name] = message.time_ns  # who led before waits from its last word on
            if delivered and message.target is not None:
                self._leader_heard[group.name, message.target] = message.time_ns
            self._from_leader(group, node, message, changes)
        elif kind in ("MsgVote", "MsgPreVote"):
            self._from_candidate(group, node, message, changes)
        elif kind == "MsgVoteResp" and not message.reject:
            election = self._open.get((message.group, term)) or self._won.get((message.group, term))
            if election is not None and election.candidate == message.target:
                election.votes.add(node.name)
        elif kind == "MsgAppResp" and not message.reject:
            node.match = max(node.match, message.index)
            self._role(node, "follower", message, changes)
        elif kind == "MsgHeartbeatResp":
            self._role(node, "follower", message, changes)

    @staticmethod
    def _deposes(message: RaftMessage, term: int) -> bool:
        """Whether a leader of ``term`` steps down for it: vote requests may be ignored (thesis, section 4.2.3)."""
        own_term = not (message.extra or {}).get("request_term")
        kinds = ("MsgAppResp", "MsgHeartbeatResp", *LEADER_KINDS)
        return own_term and message.term > term and message.kind in kinds

    def rename(self, old: str, new: str) -> None:
        """A node that was known by its id has a name now."""
        for group in self.groups.values():
            state = group.nodes.pop(old, None)
            if state is not None:
                kept = group.nodes.setdefault(new, state)
                kept.name = new
                kept.match, kept.commit = max(kept.match, state.match), max(kept.commit, state.commit)
                kept.term = max(kept.term, state.term)
            group.newest.rename(old, new)
        for election in self.elections:
            election.candidate = new if election.candidate == old else election.candidate
            election.winner = new if election.winner == old else election.winner
            if old in election.votes:
                election.votes = (election.votes - {old}) | {new}

    @staticmethod
    def _change(message: RaftMessage, what: str, node: str, value: str | int) -> ClusterChange:
        return ClusterChange(message.time_ns, message.group, what, node, value, message.last_packet)

    def _role(self, node: NodeState, role: str, message: RaftMessage, changes: list[ClusterChange]) -> None:
        if node.role == role or message.term < node.term:
            return
        if node.role == "leader" and message.term == node.term and role == "follower":
            return  # a leader stays leader of its term
        node.role = role
        changes.append(self._change(message, "role", node.name, role))

    def _from_leader(
        self, group: GroupState, node: NodeState, message: RaftMessage, changes: list[ClusterChange]
    ) -> None:
        term = message.term
        if group.newest.heard(node.name, term):
            for other in group.nodes.values():
                if other.role in ("leader", "candidate") and other is not node and other.term <= term:
                    other.role = SUPERSEDED  # whether it knows is not on the wire: it may be down or cut off
                    changes.append(self._change(message, "role", other.name, SUPERSEDED))
            changes.append(self._change(message, "leader", node.name, term))
            election = self._open.pop((group.name, term), None)
            if election is not None:
                election.end_ns, election.winner = message.time_ns, node.name
                self._won[group.name, term] = election
                if len(self._won) > _MAX_WON:
                    del self._won[next(iter(self._won))]
        if term == group.leader_term:
            group.leader_ns = message.time_ns
            self._role(node, "leader", message, changes)
        target = message.target
        follower = group.nodes.get(target) if target is not None else None
        if message.kind == "MsgApp":
            last = message.entries[-1].index if message.entries else message.index
            node.match = max(node.match, last)
            node.commit = max(node.commit, message.commit)
            group.commit = max(group.commit, message.commit)
            if follower is not None:
                follower.commit = max(follower.commit, min(message.commit, follower.match))
        elif message.kind == "MsgHeartbeat":
            group.commit = max(group.commit, message.commit)
            node.commit = max(node.commit, message.commit)
            if follower is not None:
                follower.commit = max(follower.commit, min(message.commit, follower.match))
        elif message.kind == "MsgSnap":
            group.commit = max(group.commit, message.snapshot_index)
        elif message.kind == "MsgTimeoutNow" and target is not None:
            self.last_transfer[group.name] = (target, message.time_ns)

    def _from_candidate(
        self, group: GroupState, node: NodeState, message: RaftMessage, changes: list[ClusterChange]
    ) -> None:
        if message.kind == "MsgPreVote":
            self._pre_votes.setdefault((group.name, node.name), message.time_ns)
            self._role(node, "candidate", message, changes)
            return
        key = (group.name, message.term)
        known = self._open.get(key)
        if known is not None and known.candidate == node.name:
            return
        decided = group.leader_term >= message.term  # a request that was long on its way: the term has its leader
        if decided and any(
            past.candidate == node.name for past in self.elections[-50:] if (past.group, past.term) == key
        ):
            return
        if not decided and node.role != "candidate" and message.term >= node.term:
            node.role = "candidate"
            changes.append(self._change(message, "role", node.name, "candidate"))
        cause, silent_ms = self._cause(group, node.name, message)
        started = self._pre_votes.pop((group.name, node.name), None)
        election = Election(group.name, message.term, node.name, message.time_ns, cause, silent_ms, pre_vote_ns=started)
        if len(self.elections) >= _MAX_ELECTIONS:
            del self.elections[: _MAX_ELECTIONS // 2]
        self.elections.append(election)
        if not decided:
            self._open[key] = election
        if len(self._open) > _MAX_ELECTIONS:
            del self._open[next(iter(self._open))]
        changes.append(self._change(message, "election", node.name, message.term))

    def _cause(self, group: GroupState, node: str, message: RaftMessage) -> tuple[str, float | None]:
        transfer = self.last_transfer.get(group.name)
        if message.context == b"CampaignTransfer" or (
            transfer is not None and transfer[0] == node and message.time_ns - transfer[1] < 1_000_000_000
        ):
            return "transfer", None
        if group.leader is None:
            return "start", None
        heard = self._leader_heard.get((group.name, node))
        if heard is None:
            return "unknown", None
        return "silence", (message.time_ns - heard) / 1e6
