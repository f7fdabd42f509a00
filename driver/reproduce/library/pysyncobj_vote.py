"""PySyncObj issues 84 and 201: term and vote are not kept over a restart, so a term has two leaders."""

from raftmon.driver.reproduce.scenario import Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="pysyncobj-vote",
    system="pysyncobj",
    title="term and vote are forgotten over a restart",
    seen="on the wire, terms begin again after the restart: two leaders of one term",
    needs="all nodes are restarted at once",
    affected=("pysyncobj@0.3.11",),
    control=("pysyncobj@0.3.17",),
    fixed="0.3.16",
    sources=("https://github.com/bakwc/PySyncObj/issues/84", "https://github.com/bakwc/PySyncObj/issues/201"),
)


def play(stage: Stage) -> str | None:
    """Write, kill the leader so that the term rises, restart all at once, write again: what led in which term."""
    stage.write(stage.nodes[0], "x", 1)
    for _ in range(2):
        leader = stage.leader()
        stage.cluster.kill(leader)
        stage.write(stage.cluster.others(leader)[0], "x", 2)
        stage.cluster.start(leader)
        stage.cluster.wait_healthy()
    stage.cluster.restart(*stage.nodes)
    stage.cluster.wait_healthy()
    stage.write(stage.nodes[0], "x", 3)
    return stage.until_wire(lambda: stage.violation("election_safety"), 3.0)
