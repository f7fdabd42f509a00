"""PySyncObj issues 84 and 197: the journal is not synced, so a power cut takes what was acknowledged."""

from raftmon.driver.reproduce.scenario import Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="pysyncobj-journal",
    system="pysyncobj",
    title="acknowledged writes are lost in a power cut",
    seen="a read after the power cut misses a write that was acknowledged before it",
    needs="power cut of all nodes",
    affected=("pysyncobj@0.3.17", "pysyncobj@0.3.11"),
    fixed="open",
    why_no_control="no version syncs its journal",
    disks=True,
    sources=("https://github.com/bakwc/PySyncObj/issues/84", "https://github.com/bakwc/PySyncObj/issues/197"),
)
WRITES = 20


def play(stage: Stage) -> str | None:
    """Write through one node; the power of all nodes is cut; read through each."""
    for number in range(WRITES):
        stage.write(stage.nodes[0], "x", number)
    with stage.cluster.fault("power-cut", node="all") as effect:
        pass
    stage.cluster.wait_healthy()
    for node in stage.nodes:
        stage.client(node).read("x")
    anomaly = stage.anomaly()
    return f"{anomaly} ({effect.sentence})" if anomaly else None
