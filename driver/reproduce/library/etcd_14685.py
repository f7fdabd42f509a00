"""etcd issue 14685: a member that dies while it defragments applies entries twice when it is back."""

import contextlib
import threading

from raftmon.adapters.etcd_api import EtcdRefused
from raftmon.driver.reproduce.etcd_members import differing, writers
from raftmon.driver.reproduce.scenario import Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="etcd-14685",
    system="etcd",
    title="members differ after a crash in defragment",
    seen="one member's revision differs from the others' at the same applied index",
    needs="a member is killed while it defragments, under load",
    affected=("etcd@3.5.1",),
    control=("etcd@3.5.16",),
    fixed="3.5.6",
    sources=("https://github.com/etcd-io/etcd/issues/14685",),
)
ROUNDS, WRITERS, PADDING, FILLED_S, INTO_S = 8, 8, 4000, 3.0, 0.03


def play(stage: Stage) -> str | None:
    """Rounds of: defragment a follower's few megabytes, kill it 30 ms later, start it, compare the members."""
    leader = stage.leader()
    victim = stage.cluster.others(leader)[0]
    with writers(stage, leader, WRITERS, PADDING) as open_:
        open_.set()
        stage.wait(FILLED_S)
        for number in range(1, ROUNDS + 1):
            open_.set()
            stage.wait(0.5)
            defragmenting = threading.Thread(target=_defragment, args=(stage, victim))
            defragmenting.start()
            stage.wait(INTO_S)
            stage.cluster.kill(victim)
            defragmenting.join()
            stage.cluster.start(victim)
            open_.clear()
            stage.cluster.wait_healthy(60.0)
            found = differing(stage)
            if found is not None:
                return f"after {number} defragmentations in which {victim} was killed, with nothing in flight: {found}"
    return None


def _defragment(stage: Stage, node: str) -> None:
    with contextlib.suppress(EtcdRefused):  # it dies meanwhile
        stage.etcd(node, 10.0).defragment()
