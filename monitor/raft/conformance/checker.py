"""The specification of one node, asked message by message: could a node that keeps to Raft have sent this?

Steps that are not sent (time-outs, local appends, syncs) are assumed wherever they would explain a message, and a
message that was seen may have been received from then on. What is reported has no such explanation.
"""

from __future__ import annotations

from collections.abc import Mapping

from raftmon.monitor.raft.conformance.group import Group
from raftmon.monitor.raft.conformance.reading import own_term, read_context
from raftmon.monitor.raft.conformance.rules import DEVIATIONS, RULES, VARIANTS, Variant
from raftmon.monitor.raft.message import LEADER_KINDS, RaftMessage
from raftmon.monitor.raft.violations import Violation, Witness, fact_of, told, witness_of

__all__ = ["ConformanceChecker"]

_MAX_VIOLATIONS, _MAX_GROUPS = 1000, 10_000
_GENERIC = Variant()


class ConformanceChecker:
    """Feed it messages in the order they were seen; it gives the violations each one completes.

    ``complete`` is to be set to False as soon as bytes of the record are missing: rules that rest on what was *not*
    seen are not asked from then on. ``checked`` counts how often each rule was asked.
    """

    def __init__(self, renamed: Mapping[str, str] | None = None) -> None:
        self._renamed = renamed if renamed is not None else {}
        self._groups: dict[str, Group] = {}
        self._seen: set[tuple[object, ...]] = set()
        self.complete = True
        self.checked = dict.fromkeys(RULES, 0)
        self.violations: list[Violation] = []
        self.deviations: dict[str, str] = {}

    def feed(self, message: RaftMessage, comment: str | None = None) -> list[Violation]:
        """Take one message; ``comment`` is what a rule did to it (``drop MsgAppResp …``, ``forge …``)."""
        source, target = message.source, message.target
        system = message.channel.system
        if system in DEVIATIONS:
            self.deviations.setdefault(system, DEVIATIONS[system])
        if source is None or target is None:
            self.complete = False  # somebody said something that belongs to nobody yet
            return []
        if system.startswith("zookeeper") or (message.extra and message.extra.get("stored")):
            return []  # a stored append is what another node once said
        group = self._groups.get(message.group)
        if group is None:
            if len(self._groups) >= _MAX_GROUPS:
                return []
            group = self._groups[message.group] = Group()
        if self._renamed:
            source, target = self._renamed.get(source, source), self._renamed.get(target, target)
        if source not in group.nodes or target not in group.nodes:
            group.meet(source, target)
        before = len(self.violations)
        variant = VARIANTS.get(system, _GENERIC)
        fact = fact_of(message)
        own = own_term(message)
        if comment is None or "forge" not in comment:
            if own:
                self._term(group, variant, message, source)
            self._judge(group, variant, message, source, target)
        lost = comment is not None and "drop Msg" in comment
        group.learn(variant, message, source, target, fact, lost=lost, own=own)
        return self.violations[before:]

    def _report(self, rule: str, key: tuple[object, ...], sentence: str, *witnesses: Witness) -> None:
        if (rule, *key) in self._seen or len(self.violations) >= _MAX_VIOLATIONS:
            return
        self._seen.add((rule, *key))
        self.violations.append(Violation(rule, sentence, witnesses, str(key[0])))

    def _judge(self, group: Group, variant: Variant, message: RaftMessage, source: str, target: str) -> None:
        kind, term = message.kind, message.term
        if kind in LEADER_KINDS and term:
            self._leader(group, variant, message, source, target)
        elif kind == "MsgAppResp" and term and message.channel.answers_bear_own_term:
            self._answer(group, variant, message, source, target)
        elif kind == "MsgVoteResp" and not message.reject and term:
            self._vote(group, message, source, target)
        elif kind == "MsgVote":
            self._candidate(group, variant, message, source)
        elif kind == "MsgReadIndexResp" and variant.reads_asked:
            self._read(group, message, source)

    def _term(self, group: Group, variant: Variant, message: RaftMessage, source: str) -> None:
        known, term, channel = group.terms.get(source), message.term, message.channel
        later = known is not None and channel.opened_ns > known[1][0] and channel.name in variant.sends_connected
        self.checked["term_remembered"] += later
        if known is not None and later and term < known[0]:
            self._report(
                "term_remembered",
                (message.group, source, known[0], term),
                f"{source} was in term {known[0]}, and in term {term} on a connection opened later",
                told(known[1]),
                witness_of(message),
            )
        if variant.pre_vote and group.term < term <= group.asked_ahead and message.kind != "MsgVote":
            self.checked["pre_vote"] += 1
            if self.complete and term not in group.pre_voted.get(source, ()) and source not in group.told_to_stand:
                self._report(
                    "pre_vote",
                    (message.group, source, term),
                    f"{source} is in term {term}, for which there was a pre-vote alone and no candidate",
                    witness_of(message),
                )

    def _leader(self, group: Group, variant: Variant, message: RaftMessage, source: str, target: str) -> None:
        kind, term = message.kind, message.term
        self.checked["one_role"] += 1
        followed = group.followed.get((source, term))
        if followed is not None and kind != "MsgHeartbeat":
            self._report(
                "one_role",
                (message.group, source, term),
                f"{source} leads term {term}, in which it accepted an append of {followed[5]}",
                told(followed),
                witness_of(message),
            )
        if kind == "MsgTimeoutNow":
            self.checked["transfer"] += 1
            if self.complete and (term, source, target) not in group.sent:
                self._report(
                    "transfer",
                    (message.group, source, term),
                    f"{source} told {target} to stand, and never spoke to it as the leader of term {term}",
                    witness_of(message),
                )
        if kind == "MsgApp" or (kind == "MsgHeartbeat" and variant.heartbeats_commit):
            self._commit(group, message, source)
        if kind == "MsgSnap" and message.snapshot_index:
            self._snapshot(group, message, source)
        if kind == "MsgApp" and message.entries:
            self._entries(group, variant, message, source)

    def _commit(self, group: Group, message: RaftMessage, source: str) -> None:
        commit, term = message.commit, message.term
        if commit <= group.commit:
            return
        log = group.logs.get(term)
        held = log.places.get(commit) if log is not None else None
        if log is None or held == term or (held is None and commit > log.older_up_to):
            return
        first = group.fresh.get(commit)
        if first is None or first[6] >= term:
            return
        self.checked["commit_own_term"] += 1
        if group.may_be_committed(commit, term):
            return
        self._report(
            "commit_own_term",
            (message.group, term, commit),
            f"{source}, leader of term {term}, committed entry {commit} of term {held or first[6]}, "
            "which no leader of an earlier term had on a quorum",
            told(first, f", first sends entry {commit}"),
            witness_of(message),
        )

    def _snapshot(self, group: Group, message: RaftMessage, source: str) -> None:
        self.checked["snapshot"] += 1
        index = message.snapshot_index
        if self.complete and index > group.commit and not group.may_be_committed(index, message.term + 1):
            self._report(
                "snapshot",
                (message.group, source, index),
                f"{source} sent a snapshot up to {index}, and no more than {group.commit} was committed",
                witness_of(message),
            )

    def _entries(self, group: Group, variant: Variant, message: RaftMessage, source: str) -> None:
        term, previous = message.term, message.log_term
        for entry in message.entries:
            if entry.term == term and 0 < previous < term and variant.empty_first:
                self.checked["first_entry"] += 1
                if entry.data:
                    self._report(
                        "first_entry",
                        (message.group, source, term),
                        f"{source} began term {term} with entry {entry.index}, which is not empty",
                        witness_of(message),
                    )
            if variant.changes_typed and entry.type and entry.term == term and term > 1:
                self._change(group, message, source, entry.index)
            previous = entry.term

    def _change(self, group: Group, message: RaftMessage, source: str, index: int) -> None:
        self.checked["membership"] += 1
        known = group.changes.get(message.term)
        if known is None or index <= known[0]:
            return
        if self.complete and known[0] > group.commit and not group.may_be_committed(known[0], message.term + 1):
            self._report(
                "membership",
                (message.group, message.term, index),
                f"{source} began a change of membership at {index} before that at {known[0]} was committed",
                told(known[1]),
                witness_of(message),
            )

    def _answer(self, group: Group, variant: Variant, message: RaftMessage, source: str, target: str) -> None:
        if not variant.acks_match or not message.index:
            return
        term, index = message.term, message.index
        known = group.answered.get((term, target, source))
        if message.reject:
            if variant.rejects_name_append and known is not None and index <= known.index:
                later = message.channel.opened_ns > known.fact[0] or message.channel.stream == known.stream
                self.checked["ack_kept"] += later
                if later:
                    self._report(
                        "ack_kept",
                        (message.group, source, term, index),
                        f"{source} rejected what follows entry {index} of {target}, leader of term {term}, after it "
                        f"had acknowledged {known.index}",
                        told(known.fact, f", index {known.index}"),
                        witness_of(message),
                    )
            return
        self.checked["ack_true"] += 1
        sent = group.sent.get((term, target, source), 0)
        if self.complete and index > sent and index > group.commit:
            self._report(
                "ack_true",
                (message.group, source, term, target),
                f"{source} acknowledged {index} to {target}, which as leader of term {term} had sent it up to {sent}",
                witness_of(message),
            )

    def _vote(self, group: Group, message: RaftMessage, source: str, target: str) -> None:
        if not message.channel.answers_bear_own_term and not (message.extra or {}).get("vote_term"):
            return
        term = message.term
        own = group.asked.get((term, source))
        self.checked["vote_own"] += 1
        if own is not None and source != target:
            self._report(
                "vote_own",
                (message.group, source, term, target),
                f"{source} stood in term {term}, and voted in that term for {target}",
                told(own[1]),
                witness_of(message),
            )
        asked = group.asked.get((term, target))
        self.checked["vote_asked"] += 1
        if asked is None:
            if self.complete:
                self._report(
                    "vote_asked",
                    (message.group, source, term, target),
                    f"{source} voted in term {term} for {target}, which had not asked for votes in that term",
                    witness_of(message),
                )
            return
        known = group.known.get(source)
        if known is None or known.term >= term:
            return
        self.checked["vote_log"] += 1
        if asked[0] < (known.entry_term, known.index):
            self._report(
                "vote_log",
                (message.group, source, term, target),
                f"{source} voted in term {term} for {target}, whose log ends with entry {asked[0][1]} of term "
                f"{asked[0][0]}, and had acknowledged entry {known.index} of term {known.entry_term}",
                told(known.fact, f", index {known.index}"),
                told(asked[1]),
                witness_of(message),
            )

    def _candidate(self, group: Group, variant: Variant, message: RaftMessage, source: str) -> None:
        if not variant.pre_vote or message.context or message.term not in group.pre_asked.get(source, ()):
            return
        self.checked["pre_vote"] += 1
        if self.complete and message.term not in group.pre_voted.get(source, ()) and source not in group.told_to_stand:
            self._report(
                "pre_vote",
                (message.group, source, message.term),
                f"{source} stands in term {message.term}, for which it asked for pre-votes and got none",
                witness_of(message),
            )

    def _read(self, group: Group, message: RaftMessage, source: str) -> None:
        context = read_context(message)
        asked = group.reads.get(context)
        if asked is None or not self.complete:
            return
        self.checked["read_index"] += 1
        fresh = {node for number, node in group.heartbeat_answers.get(source, ()) if number > asked[0]}
        if len(fresh) < group.quorum_of_others():
            who = ", ".join(sorted(fresh)) or "nobody"
            self._report(
                "read_index",
                (message.group, source, context),
                f"{source} answered a read, and of the heartbeats sent after it {who} had acknowledged any",
                told(asked[1]),
                witness_of(message),
            )
