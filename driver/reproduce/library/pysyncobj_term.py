"""PySyncObj issues 84 and 201: the term is not kept over a restart, so it begins again."""

from raftmon.driver.reproduce.scenario import CouldNotSetUp, Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="pysyncobj-term",
    system="pysyncobj",
    title="the term is forgotten over a restart",
    seen="on the wire, a node is in an earlier term after the restart (rule term_remembered)",
    needs="all nodes are restarted at once, in a term beyond the first",
    affected=("pysyncobj@0.3.11",),
    control=("pysyncobj@0.3.17",),
    fixed="0.3.16",
    sources=("https://github.com/bakwc/PySyncObj/issues/84", "https://github.com/bakwc/PySyncObj/issues/201"),
)
TERM = 20


def play(stage: Stage) -> str | None:
    """Take the cluster beyond term 20 by one forged vote request, restart all nodes, and look at their terms."""
    leader = stage.leader()
    stage.write(leader, "x", 0)
    stage.monitor.add(f"{stage.cluster.others(leader)[0]}->{leader} forge MsgVote term {TERM}")
    newest = "SELECT max(term) FROM messages WHERE kind IN ('MsgApp', 'MsgHeartbeat') AND ?1 <= term"
    if stage.until_wire(lambda: stage.ask_wire(newest, TERM), 20.0) is None:
        raise CouldNotSetUp(f"no leader of a term beyond {TERM} within 20 s")
    stage.write(stage.leader(), "x", 1)
    stage.cluster.restart(*stage.nodes)
    stage.cluster.wait_healthy()
    stage.write(stage.nodes[0], "x", 2)
    return stage.until_wire(lambda: stage.violation("term_remembered"), 2.0)
