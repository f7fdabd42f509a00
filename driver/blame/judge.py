"""The cause of an anomaly in one sentence, from what is known of it. Pure.

Each suspicion looks for one way in which systems go wrong, and gives a sentence where the evidence shows it, or None.
They are asked in order, the more certain ones first; if none is shown, the sentence says that the cause is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from raftmon.driver.blame.evidence import Evidence, Restart, Witnessed
from raftmon.driver.histories.operation import Outcome

__all__ = ["UNKNOWN", "blame", "seconds"]

UNKNOWN = "cause unknown: nothing on the wire or in the nodes' stores singles one out"


def seconds(evidence: Evidence, time_ns: int) -> str:
    """A time as the run's other outputs show it."""
    return f"{(time_ns - evidence.zero_ns) / 1e9:+.3f} s"


def blame(evidence: Evidence) -> str:
    """One sentence that names the cause, or says that it is unknown."""
    for suspicion in _SUSPICIONS:
        found = suspicion(evidence)
        if found is not None:
            return found
    if not evidence.wire:
        return "cause unknown: no Raft message of this run was decoded"
    return UNKNOWN


def _names(restarts: list[Restart]) -> str:
    names = sorted({restart.node for restart in restarts})
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _spans(evidence: Evidence, restart: Restart) -> bool:
    """Whether a restart lies between what clients were told before and after it; true where no operation is named."""
    if not evidence.operations:
        return True
    operations = [one.operation for one in evidence.operations]
    told = min((one.return_ns for one in operations if one.return_ns is not None), default=restart.down_ns)
    last = max(one.return_ns if one.return_ns is not None else one.call_ns for one in operations)
    return told < restart.down_ns < last


def _forgot_term(evidence: Evidence) -> str | None:
    """The term or vote of a node was not on its disk."""
    forgot = [
        one
        for one in evidence.restarts
        if one.term_before is not None
        and one.term_after is not None
        and one.term_after < one.term_before
        and _spans(evidence, one)
    ]
    if not forgot or evidence.rule not in (None, "term_remembered", "election_safety", "one_vote", "vote_own",
                                           "leader_completeness", "state_machine_safety", "log_matching"):  # fmt: skip
        return None
    first = forgot[0]
    how = "the power cut took it" if first.lost else "it was not kept over the restart"
    return (
        f"the disk forgot the term and the vote of {_names(forgot)}: {first.node} was in term {first.term_before} "
        f"before it ended at {seconds(evidence, first.down_ns)} and in term {first.term_after} afterwards; {how}"
    )


def _forgot_vote(evidence: Evidence) -> str | None:
    """Votes or leaders of one term that contradict each other, with a restart or a power cut in between."""
    if evidence.rule not in ("one_vote", "vote_own", "vote_log", "election_safety"):
        return None
    times = [one.time_ns for one in evidence.messages]
    between = [one for one in evidence.restarts if times and min(times) < one.down_ns < max(times)]
    if evidence.rule != "election_safety":  # the node that voted is the one that forgot
        named = re.compile(r"\b(" + "|".join(re.escape(one.node) for one in between or evidence.restarts) + r")\b")
        voter = named.match(evidence.broken)
        between = [one for one in between if voter is not None and one.node == voter[1]]
    if not between:
        return None
    first = between[0]
    how = "its power was cut" if first.lost else "it ended"
    return (
        f"the disk forgot the vote of {_names(between)}: {how if len(between) == 1 else 'they ended'} at "
        f"{seconds(evidence, first.down_ns)}, between these messages, and what was voted before was not kept "
        f"({evidence.broken})"
    )


def _lost_log(evidence: Evidence) -> str | None:
    """Entries that a node had acknowledged were gone after its restart."""
    short = [
        one
        for one in evidence.restarts
        if one.log_before is not None
        and one.log_after is not None
        and one.log_after < one.log_before
        and _spans(evidence, one)
    ]
    if not short:
        return None
    first = max(short, key=lambda one: (one.log_before or 0) - (one.log_after or 0))
    gone = f"entries {(first.log_after or 0) + 1} to {first.log_before}"
    if first.lost:
        return (
            f"the disk forgot: {_names(short)} acknowledged entries before they were synced, and the power cut at "
            f"{seconds(evidence, first.down_ns)} took {gone} of {first.node}"
        )
    return (
        f"acknowledged entries were lost by a restart: {first.node} had {gone} before it ended at "
        f"{seconds(evidence, first.down_ns)}, and not afterwards"
    )


def _power_cut(evidence: Evidence) -> str | None:
    """A power cut took unsynced data between an acknowledgement and the anomaly, and the wire says no more."""
    cut = [one for one in evidence.restarts if one.lost and _spans(evidence, one)]
    if not cut or evidence.rule is not None:
        return None
    return (
        f"the disk forgot: what was acknowledged before the power cut of {_names(cut)} at "
        f"{seconds(evidence, min(one.down_ns for one in cut))} was not synced"
    )


def _succeeded(one: Witnessed) -> bool:
    return one.operation.outcome is Outcome.OK and one.operation.return_ns is not None


def _before_quorum(evidence: Evidence) -> str | None:
    """The client was answered before a quorum had the entry."""
    for one in evidence.operations:
        if not _succeeded(one) or not one.entries or one.operation.f == "read":
            continue
        first, returned_ns = one.entries[0], one.operation.return_ns or 0
        if not all(entry.quorum_known for entry in one.entries):
            continue
        if all(entry.quorum_ns is None or entry.quorum_ns > returned_ns for entry in one.entries):
            when = "no quorum ever had it" if first.quorum_ns is None else (
                f"a quorum had it at {seconds(evidence, first.quorum_ns)}"
            )  # fmt: skip
            return (
                f"the server answered before a quorum had it: {_told(one)} at {seconds(evidence, returned_ns)}, and of "
                f"entry {first.index} of term {first.term} {when}"
            )
    return None


def _told(one: Witnessed) -> str:
    operation = one.operation
    return f"{operation.f} {operation.value!r} through {operation.node} was acknowledged"


def _both_applied(evidence: Evidence) -> str | None:
    """Several compare-and-sets of one value were committed and all acknowledged."""
    winners: dict[str, list[Witnessed]] = {}
    for one in evidence.operations:
        if one.operation.f == "cas" and _succeeded(one) and isinstance(one.operation.value, (tuple, list)):
            winners.setdefault(repr(one.operation.value[0]), []).append(one)
    for expected, several in winners.items():
        if len(several) < 2:
            continue
        places = [f"{one.entries[0].index}" for one in several if one.entries]
        if len(places) == len(several):
            where = f"entries {' and '.join(places)} were both committed"
        else:
            where = "the wire does not show all of their entries"
        return (
            f"the server let several compare-and-sets of one value win: {len(several)} replaced {expected}, "
            f"{where}, and all were acknowledged; it does not check the condition in the order of its log"
        )
    return None


def _twice(evidence: Evidence) -> str | None:
    """One operation is in the log more than once."""
    for one in evidence.operations:
        if len(one.entries) > 1 and one.operation.f != "read":
            places = " and ".join(f"{entry.index} (term {entry.term})" for entry in one.entries)
            leaders = {entry.leader for entry in one.entries}
            who = "a server that proposed it again" if len(leaders) > 1 else "the client library or a server"
            return f"it was sent twice: {one.operation.f} {one.operation.value!r} is in the log at {places}, by {who}"
    return None


def _stale_leader(evidence: Evidence) -> str | None:
    """A read was served by a leader that had lost its quorum."""
    for one in evidence.operations:
        if one.operation.f == "read" and _succeeded(one) and one.served_without_quorum_ns is not None:
            return (
                f"the read was served without a quorum: {one.leader} answered at "
                f"{seconds(evidence, one.operation.return_ns or 0)}, and had heard from no quorum since "
                f"{seconds(evidence, one.served_without_quorum_ns)}"
            )
    return None


def _rule(evidence: Evidence) -> str | None:
    """A node did what Raft forbids."""
    if evidence.rule is None:
        return None
    return f"a server broke a rule of Raft, {evidence.rule} ({evidence.means}): {evidence.broken}"


def _stores(evidence: Evidence) -> str | None:
    """The nodes hold different data."""
    if not evidence.differ:
        return None
    held = "; ".join(f"{node}: {words}" for node, words in evidence.stores.items())
    return f"the servers applied the same log differently: {held}"


_SUSPICIONS: tuple[Callable[[Evidence], str | None], ...] = (
    _forgot_term,
    _forgot_vote,
    _lost_log,
    _power_cut,
    _rule,
    _stores,
    _before_quorum,
    _both_applied,
    _twice,
    _stale_leader,
)
