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


RESTARTS = 6


def play(stage: Stage) -> str | None:
    """Restart all nodes at once, again and again, with a write in between: what led in which term."""
    stage.write(stage.nodes[0], "x", 0)
    for number in range(1, RESTARTS + 1):
        stage.cluster.restart(*stage.nodes)
        stage.cluster.wait_healthy()
        stage.write(stage.nodes[0], "x", number)
        found = stage.until_wire(lambda: stage.violation("election_safety"), 1.0)
        if found is not None:
            return f"after {number} restarts of all nodes: {found}"
    return None
