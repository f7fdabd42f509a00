"""Each suspicion names its cause from evidence that shows it, and none names one from evidence that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raftmon.driver.blame.evidence import Evidence, LogEntry, Restart, ViolatingMessage, Witnessed
from raftmon.driver.blame.explain import explain
from raftmon.driver.blame.judge import UNKNOWN, blame
from raftmon.driver.histories.operation import Operation, Outcome

S = 1_000_000_000


def operation(f="write", value=1, call_s=1.0, return_s=2.0, node="n1", process=0):
    return Operation(process, f, "k", value, round(call_s * S), round(return_s * S), Outcome.OK, node=node)


def entry(index, term=1, leader="n1", proposed_s=1.1, quorum_s=1.5):
    quorum_ns = None if quorum_s is None else round(quorum_s * S)
    return LogEntry(index, term, leader, round(proposed_s * S), quorum_ns, 7)


def evidence(*operations, **more):
    return Evidence("register", "invalid: something", "k", tuple(operations), **more)


def restart(**more):
    return Restart("n2", 3 * S, 4 * S, **more)


READ_LATER = Witnessed(operation("read", None, 5, 6))
WRITTEN = Witnessed(operation(), (entry(4),))


def test_two_winners_of_one_compare_and_set_are_the_server_s_doing():
    one = Witnessed(operation("cas", (1, 2), process=1), (entry(4),))
    two = Witnessed(operation("cas", (1, 3), process=2), (entry(5),))
    found = blame(evidence(one, two))
    assert "several compare-and-sets of one value win" in found
    assert "entries 4 and 5 were both committed" in found
    assert blame(evidence(one, Witnessed(operation("cas", (2, 3)), (entry(5),)))) == UNKNOWN


def test_an_answer_before_the_quorum():
    early = Witnessed(operation(return_s=1.2), (entry(4, quorum_s=1.5),))
    assert "answered before a quorum had it" in blame(evidence(early))
    never = Witnessed(operation(), (entry(4, quorum_s=None),))
    assert "no quorum ever had it" in blame(evidence(never))
    untold = Witnessed(operation(), (replace(entry(4, quorum_s=None), quorum_known=False),))
    assert blame(evidence(untold)) == UNKNOWN
    assert blame(evidence(WRITTEN)) == UNKNOWN


def test_an_operation_that_is_in_the_log_twice():
    found = blame(evidence(Witnessed(operation(), (entry(4), entry(9, term=2, leader="n3", quorum_s=1.8)))))
    assert found.startswith("it was sent twice")
    assert "4 (term 1) and 9 (term 2)" in found
    assert "a server" in found


def test_a_read_that_a_deposed_leader_served():
    read = Witnessed(operation("read", 1, 5, 6), leader="n1", served_without_quorum_ns=3 * S)
    assert "served without a quorum: n1 answered at +6.000 s, and had heard from no quorum since +3.000 s" in blame(
        evidence(read)
    )


@pytest.mark.parametrize("lost", [None, "80 B of a.blk"])
def test_a_log_that_is_shorter_after_a_restart(lost):
    found = blame(evidence(WRITTEN, READ_LATER, restarts=(restart(log_before=9, log_after=3, lost=lost),)))
    assert "entries 4 to 9" in found
    assert ("the disk forgot" in found) == bool(lost)


def test_a_restart_after_all_was_over_is_not_to_blame():
    late = Restart("n2", 8 * S, 9 * S, log_before=9, log_after=3, lost="all")
    assert blame(evidence(WRITTEN, READ_LATER, restarts=(late,))) == UNKNOWN


def test_a_log_that_is_whole_after_a_restart_is_not_to_blame():
    assert blame(evidence(WRITTEN, READ_LATER, restarts=(restart(log_before=9, log_after=9),))) == UNKNOWN


def test_a_power_cut_that_took_something_where_the_wire_shows_no_log():
    assert "was not synced" in blame(evidence(WRITTEN, READ_LATER, restarts=(restart(lost="1 B of x"),)))


def test_a_term_that_goes_back_over_a_restart():
    broken = evidence(rule="election_safety", broken="n1 and n2 led term 1", means="at most one leader a term")
    forgot = replace(broken, restarts=(restart(term_before=3, term_after=1),))
    assert "the disk forgot the term and the vote of n2: n2 was in term 3" in blame(forgot)
    kept = replace(broken, restarts=(restart(term_before=3, term_after=3),))
    assert blame(kept).startswith("a server broke a rule of Raft, election_safety")


def test_a_second_vote_with_a_restart_of_that_node_in_between():
    votes = tuple(ViolatingMessage(at_s * S, 7, f"MsgVoteResp n2->{to} term 2") for at_s, to in ((2, "n1"), (5, "n3")))
    broken = evidence(
        rule="one_vote", broken="n2 voted in term 2 for n1 and for n3", means="at most one vote", messages=votes
    )
    found = blame(replace(broken, restarts=(restart(lost="1 B of x"),)))
    assert "the disk forgot the vote of n2: its power was cut at +3.000 s" in found
    assert "the disk forgot the vote of n2: it ended at +3.000 s" in blame(replace(broken, restarts=(restart(),)))
    other = replace(restart(), node="n3")
    assert blame(replace(broken, restarts=(other,))).startswith("a server broke a rule of Raft")
    late = replace(restart(), down_ns=6 * S)
    assert blame(replace(broken, restarts=(late,))).startswith("a server broke a rule of Raft")
    leaders = replace(broken, rule="election_safety", broken="n1 and n3 both act as leader of term 2")
    both = blame(replace(leaders, restarts=(restart(), other)))
    assert "the disk forgot the vote of n2 and n3: they ended at" in both


def test_stores_that_differ():
    found = blame(Evidence("stores", "invalid", stores={"n1": "hash 1", "n2": "hash 2"}, differ=True))
    assert "applied the same log differently" in found
    assert "n2: hash 2" in found


def test_nothing_decoded_is_said():
    assert "no Raft message" in blame(evidence(Witnessed(operation()), wire=False))


def test_the_three_witnesses_stand_side_by_side():
    found = explain(evidence(WRITTEN, READ_LATER, restarts=(restart(log_before=9, log_after=3, lost="2 B of x"),)))
    assert found.clients[0] == "process 0 write k 1 through n1: called at +1.000 s, ok at +2.000 s"
    assert found.wire == ("write 1: entry 4 of term 1, sent by n1 at +1.100 s [packet 7], a quorum had it at +1.500 s",)
    assert found.nodes == (
        "n2 ended at +3.000 s, started at +4.000 s; log up to 9 before, 3 after; its disk lost 2 B of x",
    )
    assert found.to_json()["blame"] == found.blame
