"""etcd issue 14370: a cluster of one node acknowledges a write before it is on disk."""

from raftmon.driver.reproduce.scenario import CouldNotSetUp, Scenario
from raftmon.driver.reproduce.stage import Stage

WRITE = "400ms"
SCENARIO = Scenario(
    name="etcd-14370",
    system="etcd",
    title="one node loses an acknowledged write",
    seen="a read after the power cut misses a write that was acknowledged before it",
    needs="a cluster of one node, a slow disk, power cut right after the acknowledgement",
    affected=("etcd@3.5.1",),
    control=("etcd@3.5.16",),
    fixed="3.5.5",
    nodes=1,
    disks=True,
    sources=("https://github.com/etcd-io/etcd/issues/14370",),
)


def play(stage: Stage) -> str | None:
    """Write while the disk takes 400 ms for each write; cut the power at the acknowledgement; read."""
    (node,) = stage.nodes
    stage.write(node, "x", 1)
    client = stage.client(node)
    with stage.cluster.fault("slow-disk", node=node, delay=WRITE, calls="write"):
        client.write("x", 2)
        with stage.cluster.fault("power-cut", node=node) as effect:
            pass
    stage.cluster.wait_healthy()
    if stage.client(node).read("x") is None:
        raise CouldNotSetUp("the first write, long acknowledged, is gone too")
    anomaly = stage.anomaly()
    return f"{anomaly} ({effect.sentence})" if anomaly else None
