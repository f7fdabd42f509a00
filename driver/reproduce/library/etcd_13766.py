"""etcd issue 13766: revision and data of a member differ from the others' after it was killed under load."""

import time

from raftmon.driver.reproduce.etcd_members import differing, writers
from raftmon.driver.reproduce.scenario import Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="etcd-13766",
    system="etcd",
    title="members differ after a crash",
    seen="one member's revision differs from the others' at the same applied index",
    needs="a member is killed while it catches up, again and again",
    affected=("etcd@3.5.1",),
    control=("etcd@3.5.16",),
    fixed="3.5.3",
    options={"snapshot_count": 100, "server_flags": ["--backend-batch-interval=1ms"]},
    sources=("https://github.com/etcd-io/etcd/issues/13766",),
)
ROUNDS, KILLS, WRITERS, BEHIND = 8, 4, 16, 300


def play(stage: Stage) -> str | None:
    """Rounds of four kills of a follower, each when it is catching up; between rounds the members are compared."""
    leader = stage.leader()
    victim = stage.cluster.others(leader)[0]
    with writers(stage, leader, WRITERS) as open_:
        for number in range(1, ROUNDS + 1):
            open_.set()
            for _ in range(KILLS):
                _kill_as_it_catches_up(stage, victim)
            open_.clear()
            stage.cluster.wait_healthy(60.0)
            found = differing(stage)
            if found is not None:
                return f"after {number * KILLS} kills of {victim}, with nothing in flight: {found}"
    return None


def _kill_as_it_catches_up(stage: Stage, victim: str) -> None:
    """Kill it, let it fall behind, start it, and kill it when the wire shows that it is catching up; then start it."""
    stage.cluster.kill(victim)
    stage.wait(0.8)
    trigger = stage.inner.arm(f"{victim} is catching up by {BEHIND}")
    stage.cluster.start(victim)
    deadline = time.monotonic() + 5.0
    while stage.inner.armed(trigger)["state"] == "waiting" and time.monotonic() < deadline:
        time.sleep(0.002)
    stage.cluster.kill(victim)
    stage.cluster.start(victim)
    stage.wait(0.3)
