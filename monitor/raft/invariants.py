"""Raft's safety properties, checked on the messages alone (Ongaro and Ousterhout 2014, figure 3).

Each check speaks only of what is on the wire. ``LIMITS`` says for each what it cannot see. A violation names the
messages that contradict each other; nothing is concluded from what was not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from raftmon.monitor.raft.group_log import GroupLog, places
from raftmon.monitor.raft.message import LEADER_KINDS, RaftMessage
from raftmon.monitor.raft.violations import INVARIANTS, LIMITS, Fact, Violation, Witness, fact_of, told, witness_of

__all__ = ["INVARIANTS", "LIMITS", "InvariantChecker", "Violation", "Witness"]

_MAX_INDEXES = 40_000  # of all groups together; an entry with all that is known of it takes some 1.2 KB
_MAX_TERMS = 10_000
_MAX_VIOLATIONS = 1000


class InvariantChecker:
    """Feed it messages in the order they were seen; it gives the violations each one completes.

    ``renamed`` maps labels to later names of the same node (``Directory.renamed``), so that one node under two labels
    is not taken for two. The newest 20,000 to 40,000 entries are remembered; ``forgotten`` counts the others:
    an older one that is sent again is compared with nothing.
    """

    def __init__(self, renamed: Mapping[str, str] | None = None) -> None:
        self._renamed = renamed if renamed is not None else {}
        self._groups: dict[str, GroupLog] = {}
        self._terms: dict[tuple[int, str], tuple[int, Fact]] = {}
        self._commits: dict[tuple[int, str], tuple[int, Fact]] = {}
        self._seen: set[tuple[object, ...]] = set()
        self.violations: list[Violation] = []
        self.checked = dict.fromkeys(INVARIANTS, 0)
        self.forgotten = 0
        self._entries = 0  # of all groups

    def feed(self, message: RaftMessage) -> list[Violation]:
        """Take one message."""
        if message.source is None:
            return []
        before = len(self.violations)
        log = self._groups.get(message.group)
        if log is None:
            if len(self._groups) >= 10_000:
                return []
            log = self._groups[message.group] = GroupLog()
        fact = fact_of(message)
        kind = message.kind
        self._monotonic(message, fact)
        if kind in LEADER_KINDS and message.term:
            self._leads(log, message, fact)
        if kind == "MsgApp" and message.term:
            self._append(log, message, fact)
        elif kind in ("MsgVoteResp",) and not message.reject:
            self._vote(log, message, fact)
        elif kind == "MsgAppResp" and not message.reject and message.index:
            self._accepts(log, message, fact)
        return self.violations[before:]

    def _same(self, one: str, other: str) -> bool:
        return one == other or self._renamed.get(one, one) == self._renamed.get(other, other)

    def _report(self, key: tuple[object, ...], invariant: str, sentence: str, *witnesses: Witness) -> None:
        """One violation, once: retransmissions of the same contradiction say nothing new."""
        if (invariant, *key) in self._seen or len(self.violations) >= _MAX_VIOLATIONS:
            return
        self._seen.add((invariant, *key))
        self.violations.append(Violation(invariant, sentence, witnesses, str(key[0])))

    def _monotonic(self, message: RaftMessage, fact: Fact) -> None:
        if not message.channel.ordered or not message.term:
            return
        kind, key = message.kind, (message.channel.stream, message.group)
        if kind == "MsgPreVote" or (kind == "MsgPreVoteResp" and not message.reject):
            return
        extra = message.extra or {}
        if extra.get("request_term") or extra.get("stored"):
            return
        if not message.channel.answers_bear_own_term and kind in ("MsgVoteResp", "MsgAppResp"):
            return
        self.checked["terms_monotonic"] += 1
        known = self._terms.get(key)
        if known is not None and message.term < known[0]:
            self._report(
                (message.group, message.channel.stream, known[0], message.term),
                "terms_monotonic",
                f"{message.source} sent term {message.term} after term {known[0]} on the same stream",
                told(known[1]),
                witness_of(message),
            )
        else:
            self._terms[key] = (message.term, fact)
        if kind == "MsgApp":
            self.checked["commit_monotonic"] += 1
            known = self._commits.get(key)
            if known is not None and message.commit < known[0]:
                self._report(
                    (message.group, message.channel.stream, known[0], message.commit),
                    "commit_monotonic",
                    f"{message.source} sent commit {message.commit} after commit {known[0]} on the same stream",
                    told(known[1], f", commit {known[0]}"),
                    witness_of(message),
                )
            else:
                self._commits[key] = (message.commit, fact)
        if len(self._terms) > 100_000:
            for table in (self._terms, self._commits):
                table.clear()
            self.forgotten += 100_000

    def _leads(self, log: GroupLog, message: RaftMessage, fact: Fact) -> None:
        assert message.source is not None
        self.checked["election_safety"] += 1
        known = log.leaders.get(message.term)
        if known is None:
            log.leaders[message.term] = (message.source, fact)
            if message.term in log.accepted:
                for follower, (leader, accept) in log.accepted.pop(message.term).items():
                    if not self._same(leader, message.source):
                        self._stale(message, follower, leader, accept, fact)
        elif known[0] != message.source and not self._same(known[0], message.source):
            self._report(
                (message.group, message.term, known[0], message.source),
                "election_safety",
                f"{known[0]} and {message.source} both act as leader of term {message.term}",
                told(known[1]),
                witness_of(message),
            )

    def _vote(self, log: GroupLog, message: RaftMessage, fact: Fact) -> None:
        if message.target is None or not message.term:
            return
        if not message.channel.answers_bear_own_term and not (message.extra or {}).get("vote_term"):
            return
        assert message.source is not None
        self.checked["one_vote"] += 1
        key = (message.term, message.source)
        known = log.votes.setdefault(key, (message.target, fact))
        if not self._same(known[0], message.target):
            self._report(
                (message.group, *key, known[0], message.target),
                "one_vote",
                f"{message.source} voted in term {message.term} for {known[0]} and for {message.target}",
                told(known[1]),
                witness_of(message),
            )

    def _accepts(self, log: GroupLog, message: RaftMessage, fact: Fact) -> None:
        if message.target is None or not message.term or not message.channel.answers_bear_own_term:
            return
        assert message.source is not None
        self.checked["no_stale_append"] += 1
        leader = log.leaders.get(message.term)
        if leader is None:
            waiting = log.accepted.setdefault(message.term, {})
            if len(waiting) < 1000:
                waiting.setdefault(message.source, (message.target, fact))
        elif leader[0] != message.target and not self._same(leader[0], message.target):
            self._stale(message, message.source, message.target, fact, leader[1])

    def _stale(self, message: RaftMessage, follower: str, leader: str, accept: Fact, real: Fact) -> None:
        self._report(
            (message.group, message.term, follower, leader),
            "no_stale_append",
            f"{follower}, in term {message.term}, accepted an append of {leader}, but {real[4]} leads that term",
            told(accept),
            told(real),
        )

    def _append(self, log: GroupLog, message: RaftMessage, fact: Fact) -> None:
        leader_log = log.by_leader.get(message.term)
        if leader_log is None:
            leader_log = log.by_leader[message.term] = {}
            if len(log.by_leader) > 64:
                del log.by_leader[min(log.by_leader)]
        if message.index and message.log_term:
            self._place(log, leader_log, message, message.index, message.log_term, fact)
        previous = message.log_term if message.index or not message.log_term else -1
        seen_as = (message.term, message.log_term, message.index, len(log.committed))
        again = message.entries is log.seen and seen_as == log.seen_as
        log.seen, log.seen_as = message.entries, seen_as
        for index, term, digest in () if again else places(message):
            self.checked["log_matching"] += 1
            known = log.entries.get((index, term))
            if known is None:
                log.entries[index, term] = (digest, previous, fact)
                self._entries += 1
            elif known[0] != digest or (previous >= 0 <= known[1] != previous):
                what = "with other contents" if known[0] != digest else "after an entry of another term"
                self._report(
                    (message.group, index, term, digest, previous),
                    "log_matching",
                    f"entry {index} of term {term} was sent twice, the second time {what}",
                    told(known[2]),
                    witness_of(message),
                )
            self._place(log, leader_log, message, index, term, fact)
            previous = term
        self._commit(log, leader_log, message, fact)
        while self._entries > _MAX_INDEXES:
            self._forget(max(self._groups.values(), key=lambda one: len(one.entries)))

    def _place(
        self,
        log: GroupLog,
        leader_log: dict[int, tuple[int, Fact]],
        message: RaftMessage,
        index: int,
        term: int,
        fact: Fact,
    ) -> None:
        """The leader says that its log holds an entry of ``term`` at ``index``."""
        self.checked["leader_append_only"] += 1
        known = leader_log.get(index)
        if known is None:
            leader_log[index] = (term, fact)
        elif known[0] != term:
            self._report(
                (message.group, message.term, index, known[0], term),
                "leader_append_only",
                f"the leader of term {message.term} has an entry of term {known[0]} at {index}, then of term {term}",
                told(known[1]),
                witness_of(message),
            )
        committed = log.committed.get(index)
        if committed is not None and message.term > committed[1]:
            self.checked["leader_completeness"] += 1
            if committed[0] != term:
                self._report(
                    (message.group, message.term, index, committed[0], term),
                    "leader_completeness",
                    f"entry {index} of term {committed[0]} was committed in term {committed[1]}, but {message.source}, "
                    f"leader of term {message.term}, has one of term {term} there",
                    told(committed[2]),
                    witness_of(message),
                )

    def _commit(self, log: GroupLog, leader_log: dict[int, tuple[int, Fact]], message: RaftMessage, fact: Fact) -> None:
        """The leader says that everything up to ``commit`` is committed: what is known of its log there is."""
        done = log.committed_to.get(message.term)
        if done is None:
            # Entries of earlier terms may be known from this leader by now; those before its first one are not.
            done = min(leader_log, default=message.commit + 1) - 1
        if message.commit <= done:
            return
        stop = min(message.commit, done + 100_000)
        places: Iterable[int] = range(done + 1, stop + 1)
        if stop - done > len(leader_log):  # indexes with gaps (ZooKeeper's start again with each epoch)
            stop = message.commit
            places = sorted(index for index in leader_log if done < index <= stop)
        for index in places:
            held = leader_log.get(index)
            if held is None:
                continue
            self.checked["state_machine_safety"] += 1
            known = log.committed.get(index)
            if known is None:
                log.committed[index] = (held[0], message.term, fact)
            elif known[0] != held[0]:
                self._report(
                    (message.group, index, known[0], held[0]),
                    "state_machine_safety",
                    f"at {index} an entry of term {known[0]} was committed, and later one of term {held[0]}",
                    told(known[2], f", commits {index}"),
                    witness_of(message),
                )
        log.committed_to[message.term] = stop

    def _forget(self, log: GroupLog) -> None:
        """Let the oldest half of what is known of the log go."""
        first = sorted(log.entries)[len(log.entries) // 2]
        edge, size = first[0], len(log.entries)
        log.entries = {key: value for key, value in log.entries.items() if key >= first}
        log.committed = {index: value for index, value in log.committed.items() if index >= edge}
        for term, leader_log in log.by_leader.items():
            log.by_leader[term] = {index: value for index, value in leader_log.items() if index >= edge}
        self.forgotten += size - len(log.entries)
        self._entries -= size - len(log.entries)
        for table in (log.leaders, log.votes, log.accepted, log.committed_to):
            _halve(table)


def _halve(table: dict[Any, Any]) -> None:
    """Of a table by term: let the older half go where there are too many."""
    if len(table) > _MAX_TERMS:
        for old in sorted(table)[: _MAX_TERMS // 2]:
            del table[old]
