"""The rules of the specification, each after a section of Ongaro's thesis (2014), and how systems differ from it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEVIATIONS", "RULES", "UNSEEN", "VARIANTS", "Variant"]

RULES: dict[str, str] = {
    "vote_asked": "a vote is granted only to a candidate that asked for it in that term (3.4)",
    "vote_own": "a candidate votes for nobody else in its term (3.4)",
    "vote_log": "a vote is granted only to a candidate whose log is at least as good (3.6.1)",
    "term_remembered": "a node's term never goes back, over a restart neither (3.8)",
    "commit_own_term": "a leader commits by counting only entries of its own term (3.6.2)",
    "ack_true": "a follower acknowledges no more than its leader sent it (3.5)",
    "ack_kept": "a follower does not reject what it has acknowledged in the same term (3.5, 3.8)",
    "one_role": "who follows in a term does not lead in it (3.3)",
    "first_entry": "a leader's first entry is empty (6.4)",
    "transfer": "only who acted as the leader of its term tells a node to stand at once (3.10)",
    "pre_vote": "a term rises only after a pre-vote was won (9.6)",
    "snapshot": "a snapshot covers only what may be committed (5.1)",
    "membership": "one change of membership at a time (4.1)",
    "read_index": "a read is answered only after a quorum acknowledged a heartbeat newer than it (6.4)",
}
"""Each rule and its section."""

UNSEEN: dict[str, str] = {
    "vote_asked": "votes whose request may have been sent before the record began",
    "vote_own": "candidates whose requests were not sent",
    "vote_log": "entries that the voter did not acknowledge, and those that a later leader may have replaced",
    "term_remembered": "connections that were open before the restart; systems that queue messages until they connect",
    "commit_own_term": "entries whose first append is not in the record",
    "ack_true": "systems whose answers carry the end of the log or no term",
    "ack_kept": "systems whose answers do not name the append that they reject",
    "one_role": "followers that acknowledged nothing",
    "first_entry": "systems that begin a term otherwise; a term whose first entry was not sent",
    "transfer": "messages before the record began",
    "pre_vote": "terms in which nobody asked for a pre-vote",
    "snapshot": "acknowledgements before the record began",
    "membership": "changes of a cluster's first configuration",
    "read_index": "reads at the leader itself: they are not sent",
}
"""What each rule cannot judge."""

DEVIATIONS: dict[str, str] = {
    "zookeeper": "Zab is another protocol: no rule of Raft is asked",
    "nats-server": "answers may carry an older term, catch-up repeats old appends: rules about them are not asked",
    "pysyncobj": "answers to appends carry no term: rules about acknowledgements are not asked",
    "dqlite": "acknowledgements carry the end of the follower's log: rules about them are not asked",
}
"""What a system does otherwise by design, reported once a record and never as a violation."""


@dataclass(frozen=True, slots=True)
class Variant:
    """How one system speaks Raft; everything False asks the fewest rules.

    ``acks_match``: an accepted append's answer carries its term and the index up to which the logs agree.
    ``rejects_name_append``: a rejection's index is that of the entry before the rejected append.
    ``heartbeats_commit``: a heartbeat carries the leader's whole commit index, not what its receiver may commit.
    ``empty_first``: a leader begins its term with an empty entry. ``pre_vote``: pre-votes carry the term they ask for,
    and so do votes for them. ``changes_typed``: an entry's type tells changes of membership (etcd's numbers).
    ``reads_asked``: reads are asked of the leader by MsgReadIndex and answered by heartbeats with a context.
    ``sends_connected``: channels whose messages are made while they are connected, not queued until they are.
    """

    acks_match: bool = False
    rejects_name_append: bool = False
    heartbeats_commit: bool = False
    empty_first: bool = False
    pre_vote: bool = False
    changes_typed: bool = False
    reads_asked: bool = False
    sends_connected: tuple[str, ...] = ()


VARIANTS: dict[str, Variant] = {
    "etcd": Variant(
        acks_match=True,
        rejects_name_append=True,
        empty_first=True,
        pre_vote=True,
        changes_typed=True,
        reads_asked=True,
        sends_connected=("message", "msgapp"),
    ),
    "ovsdb": Variant(acks_match=True, heartbeats_commit=True),
    "hashicorp-raft": Variant(acks_match=True, heartbeats_commit=True),
    "dqlite": Variant(heartbeats_commit=True),
    "pysyncobj": Variant(heartbeats_commit=True, sends_connected=("peer",)),
    "nats-server": Variant(heartbeats_commit=True, sends_connected=("route",)),
}
"""By the name of a codec (``Channel.system``); a codec that is not here is asked what every Raft must keep."""
