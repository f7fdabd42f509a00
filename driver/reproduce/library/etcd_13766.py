"""etcd issue 13766: revision and data of a member differ from the others' after it was killed under load."""

from raftmon.adapters.etcd_api import EtcdRefused
from raftmon.driver.reproduce.scenario import Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="etcd-13766",
    system="etcd",
    title="members differ after a crash",
    seen="one member's revision differs from the others' at the same applied index",
    needs="a member is killed again and again while it catches up",
    affected=("etcd@3.5.1",),
    control=("etcd@3.5.16",),
    fixed="3.5.3",
    options={"snapshot_count": 100, "server_flags": ["--backend-batch-interval=1ms"]},
    sources=("https://github.com/etcd-io/etcd/issues/13766",),
)
KILLS = 24


def play(stage: Stage) -> str | None:
    """Clients write; a follower is killed while it catches up, up to 24 times; revisions are compared at the end."""
    leader = stage.leader()
    victim = stage.cluster.others(leader)[0]
    kills = 0
    with stage.clients.working("register", clients=20, at_least=500, keys=200):
        for kills in range(1, KILLS + 1):
            stage.cluster.kill(victim)
            stage.until(lambda: victim not in stage.inner.alive(), "a dead node", 5.0)
            pause = 0.3 + 0.02 * (kills % 10)
            stage.wait(pause)
            stage.cluster.start(victim)
            stage.wait(0.25 + 0.03 * (kills % 7))
            if kills % 6 == 0:
                stage.cluster.wait_healthy(30.0)
                found = _revisions(stage)
                if found is not None and len(set(found.values())) > 1:
                    break
        stage.cluster.wait_healthy(60.0)
    found = stage.until(lambda: _revisions(stage), "every member at one applied index", 30.0)
    if len(set(found.values())) == 1:
        return None
    values = ", ".join(f"{node} at revision {revision}" for node, revision in found.items())
    return f"after {kills} kills of {victim}, with nothing in flight: {values}"


def _revisions(stage: Stage) -> dict[str, int] | None:
    """Each member's own revision where all have applied the same index before and after; None otherwise."""
    try:
        apis = {node: stage.etcd(node) for node in stage.nodes}
        before = {node: api.status()["index"] for node, api in apis.items()}
        revisions = {node: api.local_revision() for node, api in apis.items()}
        after = {node: api.status()["index"] for node, api in apis.items()}
    except EtcdRefused:
        return None
    return revisions if before == after and len(set(after.values())) == 1 else None
