"""nats-server issue 4320: several writers win one compare-and-set by revision."""

from raftmon.driver.reproduce.scenario import Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="nats-cas",
    system="nats",
    title="several writers win one compare-and-set",
    seen="two clients replaced the same value, which was there once",
    needs="no fault: concurrent compare-and-set of one key",
    affected=("nats@2.9.10",),
    control=("nats@2.10.27",),
    fixed="2.10",
    sources=("https://github.com/nats-io/nats-server/issues/4320",),
)


def play(stage: Stage) -> str | None:
    """Ten clients read, write and compare-and-set two keys for a few seconds."""
    stage.clients.work(5.0, "register", clients=10, keys=2)
    return stage.anomaly("register")
