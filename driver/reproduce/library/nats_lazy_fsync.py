"""nats-server syncs its files now and then (every two minutes by default): a power cut takes acknowledged writes."""

from raftmon.driver.reproduce.scenario import CouldNotSetUp, Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="nats-lazy-fsync",
    system="nats",
    title="acknowledged writes are lost in a power cut",
    seen="elements of a set that were acknowledged and read are gone",
    needs="power cut of all nodes",
    affected=("nats@2.10.27", "nats@2.15.1", "nats@2.9.10"),
    control=("nats@2.10.27",),
    control_options={"sync_interval": "always"},
    fixed="by configuration: sync_interval: always (2.10 and newer)",
    disks=True,
    workload="set",
    sources=("https://github.com/nats-io/nats-server/issues/7564", "https://jepsen.io/analyses/nats-2.12.1"),
)


def play(stage: Stage) -> str | None:
    """Clients add to a set; the power of all nodes is cut; the set is read again."""
    with stage.clients.working("set", at_least=200):
        with stage.cluster.fault("power-cut", node="all") as effect:
            if "lost nothing" in effect.sentence and effect.sentence.count("lost nothing") == len(stage.nodes):
                raise CouldNotSetUp("every node had synced all it had written")
        stage.cluster.wait_healthy()
    anomaly = stage.anomaly("set")
    return f"{anomaly} ({effect.sentence})" if anomaly else None
