"""A small Raft of three nodes in memory, with loss, copies, delays and restarts: what it sends, in order.

After Ongaro 2014, chapter 3, without snapshots and changes of membership. ``wrong`` names one rule that it breaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from raftmon.monitor.raft.message import Channel, RaftMessage
from tests.monitor.raft.wire import message

NAMES = ("n1", "n2", "n3")
WRONG = ("forgets", "commits any term", "votes for any log", "votes again")


@dataclass
class Node:
    name: str
    term: int = 0
    vote: str | None = None
    log: list[int] = field(default_factory=list)  # terms
    role: str = "follower"
    commit: int = 0
    votes: set[str] = field(default_factory=set)
    match: dict[str, int] = field(default_factory=dict)
    next: dict[str, int] = field(default_factory=dict)

    @property
    def place(self) -> tuple[int, int]:
        return (self.log[-1] if self.log else 0, len(self.log))


class Model:
    """``run(steps)`` gives every message as it is sent."""

    def __init__(self, random: Random, wrong: str = "") -> None:
        self.random, self.wrong = random, wrong
        self.nodes = {name: Node(name) for name in NAMES}
        self.flying: list[RaftMessage] = []
        self.sent: list[RaftMessage] = []
        self.now_ms = 0
        self.channels: dict[tuple[str, str], Channel] = {}
        self.streams = 0

    def run(self, steps: int) -> Iterator[RaftMessage]:
        for _ in range(steps):
            self.now_ms += 1
            self._step()
            yield from self.sent
            self.sent.clear()

    def _step(self) -> None:
        node = self.nodes[self.random.choice(NAMES)]
        chance = self.random.random()
        if chance < 0.03:
            self._stand(node)
        elif chance < 0.05:
            self._restart(node)
        elif chance < 0.2 and node.role == "leader":
            node.log.append(node.term)
        elif chance < 0.45 and node.role == "leader":
            for other in NAMES:
                if other != node.name:
                    self._append_to(node, other)
        elif self.flying:
            given = self.flying.pop(self.random.randrange(len(self.flying)))
            if self.random.random() < 0.1:
                self.flying.append(given)  # the network copies it
            if self.random.random() > 0.1:
                self._receive(self.nodes[given.target or ""], given)

    def _send(self, kind: str, source: str, target: str, term: int, **fields: object) -> None:
        made = message(kind, source, target, term, at_ms=self.now_ms, **fields)  # type: ignore[arg-type]
        key = (source, target)
        if key not in self.channels:
            self.streams += 1
            opened_ns = int(self.now_ms * 1e6)
            self.channels[key] = Channel(self.streams, "message", "etcd", source, target, opened_ns=opened_ns)
        made.channel = self.channels[key]
        self.sent.append(made)
        self.flying.append(made)
        del self.flying[:-60]

    def _restart(self, node: Node) -> None:
        """Term, vote and log are kept; what it had sent may still arrive, and its connections are new."""
        kept = Node(node.name, node.term, node.vote, node.log)
        if self.wrong == "forgets":
            kept = Node(node.name, log=node.log)
        self.nodes[node.name] = kept
        self.channels = {key: channel for key, channel in self.channels.items() if key[0] != node.name}

    def _stand(self, node: Node) -> None:
        node.term, node.vote, node.role, node.votes = node.term + 1, node.name, "candidate", {node.name}
        for other in NAMES:
            if other != node.name:
                self._send("MsgVote", node.name, other, node.term, log_term=node.place[0], index=node.place[1])

    def _append_to(self, node: Node, other: str) -> None:
        at = node.next[other]
        entries = [(term, at + number, b"") for number, term in enumerate(node.log[at - 1 :][:2])]
        before = node.log[at - 2] if at > 1 else 0
        self._send(
            "MsgApp", node.name, other, node.term, log_term=before, index=at - 1, commit=node.commit, entries=entries
        )

    def _receive(self, node: Node, given: RaftMessage) -> None:
        if given.term > node.term:
            node.term, node.vote, node.role = given.term, None, "follower"
        kind, source = given.kind, given.source or ""
        if kind == "MsgVote":
            good = (given.log_term, given.index) >= node.place or self.wrong == "votes for any log"
            free = node.vote in (None, source) or self.wrong == "votes again"
            grant = given.term == node.term and good and free and node.role != "leader"
            if grant:
                node.vote = source
            self._send("MsgVoteResp", node.name, source, node.term, reject=not grant)
        elif kind == "MsgVoteResp" and given.term == node.term and not given.reject and node.role == "candidate":
            node.votes.add(source)
            if len(node.votes) == 2:
                node.role = "leader"
                node.match = dict.fromkeys(NAMES, 0)
                node.next = dict.fromkeys(NAMES, len(node.log) + 1)
                node.log.append(node.term)
        elif kind == "MsgApp":
            self._appended(node, source, given)
        elif kind == "MsgAppResp" and given.term == node.term and node.role == "leader":
            self._answered(node, source, given)

    def _appended(self, node: Node, source: str, given: RaftMessage) -> None:
        if given.term < node.term:
            return self._send("MsgAppResp", node.name, source, node.term)
        node.role = "follower" if node.role == "candidate" else node.role
        at = given.index
        if at > len(node.log) or (at and node.log[at - 1] != given.log_term):
            return self._send("MsgAppResp", node.name, source, node.term, index=at, reject=True)
        for number, entry in enumerate(given.entries):
            if at + number >= len(node.log) or node.log[at + number] != entry.term:
                del node.log[at + number :]
                node.log.append(entry.term)
        node.commit = max(node.commit, min(given.commit, at + len(given.entries)))
        return self._send("MsgAppResp", node.name, source, node.term, index=at + len(given.entries))

    def _answered(self, node: Node, source: str, given: RaftMessage) -> None:
        if given.reject:
            node.next[source] = max(1, min(node.next[source], given.index))
            return
        node.match[source] = max(node.match[source], given.index)
        node.next[source] = max(node.next[source], given.index + 1)
        held = max(node.match[other] for other in NAMES if other != node.name)  # with the leader's own: two of three
        if held > node.commit and (node.log[held - 1] == node.term or self.wrong == "commits any term"):
            node.commit = held
