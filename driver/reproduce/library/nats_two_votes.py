"""nats-server 2.9 does not sync its term and vote before it answers: after a power cut a node votes again in that term.

Its answer carries the term that it had before the request, so each request is delivered twice: the second answer says
in which term the vote is.
"""

import functools
from typing import Any

from raftmon.driver.reproduce.scenario import CouldNotSetUp, Scenario
from raftmon.driver.reproduce.stage import Stage
from raftmon.setup.errors import RaftmonError

SCENARIO = Scenario(
    name="nats-two-votes",
    system="nats",
    title="a node votes twice in one term",
    seen="on the wire, one node grants its vote to two candidates in one term (invariant one_vote)",
    needs="power cut of a node that has just voted; the other candidate's request reaches it after its restart",
    affected=("nats@2.9.10",),
    control=("nats@2.10.27",),
    fixed="2.10 (the vote is synced; the log by default is not: nats-lazy-fsync)",
    disks=True,
    sources=("https://raft.github.io/raft.pdf", "https://jepsen.io/analyses/nats-2.12.1"),
)
GROUP = "SELECT grp FROM messages WHERE grp LIKE 'S-%' AND kind = 'MsgApp' ORDER BY id LIMIT 1"
LEADER = """SELECT source FROM messages
    WHERE grp = ?1 AND kind IN ('MsgApp', 'MsgHeartbeat') ORDER BY id DESC LIMIT 1"""
TERM = "SELECT max(term) FROM messages WHERE grp = ?1 AND kind IN ('MsgApp', 'MsgHeartbeat')"
ASKED = """SELECT id FROM messages
    WHERE grp = ?1 AND kind = 'MsgVote' AND source = ?2 AND target = ?3 AND term = ?4 ORDER BY id LIMIT 1"""
GRANTED = (
    "SELECT id FROM messages WHERE kind = 'MsgVoteResp' AND source = ?1 AND target = ?2 AND term = ?3 AND NOT reject"
)


def play(stage: Stage) -> str | None:
    """Two nodes stand in one term; the third votes for one, loses its power, and is asked by the other."""
    stage.write(stage.nodes[0], "x", 1)
    group = stage.until(lambda: stage.ask_wire(GROUP), "an append of the bucket's stream on the wire")
    voter = str(stage.ask_wire(LEADER, group))  # a node's own word may be behind
    first, second = stage.cluster.others(voter)
    this = f'group has "{group}"'
    term = int(stage.ask_wire(TERM, group)) + 1
    stage.monitor.add(f"*->{voter} MsgVote {this} hold")
    stage.monitor.add(f"{first}<->{second} MsgVote {this} drop")
    stage.monitor.add(f"{voter}->* (MsgApp or MsgHeartbeat) {this} drop")
    stage.monitor.add(f"*->{voter} (MsgApp or MsgHeartbeat) {this} drop")  # it stays at the end of its log
    asked: dict[str, int] = {}
    for candidate in (first, second):
        ask = functools.partial(stage.ask_wire, ASKED, group, candidate, voter, term)
        found = stage.until_wire(ask, 25.0)
        if found is None:
            raise CouldNotSetUp(f"{candidate} did not stand in term {term} within 25 s")
        asked[candidate] = int(found)
    if not _vote(stage, asked[first], voter, first, term):
        raise CouldNotSetUp(f"{voter} did not vote for {first} in term {term}")
    with stage.cluster.fault("power-cut", node=voter) as effect:
        pass
    stage.monitor.add(f"{voter}->* MsgVote {this} drop")
    if not _vote(stage, asked[second], voter, second, term, 20.0):
        return None
    found = stage.until_wire(lambda: stage.violation("one_vote"), 3.0)
    return f"{found} ({effect.sentence})" if found else None


def _vote(stage: Stage, request: int, voter: str, candidate: str, term: int, limit_s: float = 3.0) -> Any:
    """Deliver a request again and again until it is granted, for the node may not know of the group yet."""

    def granted() -> Any:
        try:
            stage.monitor.deliver(request)
        except RaftmonError:
            return None  # no connection yet
        return stage.until_wire(lambda: stage.ask_wire(GRANTED, voter, candidate, term), 0.4)

    return stage.until_wire(granted, limit_s)
