"""etcd's lock is not exclusive: a client that is paused for longer than its lease holds the lock and has lost it."""

from raftmon.adapters.base import Definite
from raftmon.driver.reproduce.scenario import Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="etcd-lock",
    system="etcd",
    title="a lock is held by two clients at once",
    seen="an element that was added under the lock, and acknowledged, is lost",
    needs="a client that is paused for longer than its lease's time to live",
    affected=("etcd@3.5.30", "etcd@3.4.23", "etcd@3.5.1", "etcd@3.5.16"),
    fixed="by design: use the fencing token (the lock's revision) in each write",
    why_no_control="a lock under a lease is not exclusive in any version",
    workload="lock",
    sources=("https://jepsen.io/analyses/etcd-3.4.3",),
)
TTL_S = 1.0


def play(stage: Stage) -> str | None:
    """One client takes the lock, reads the set and stops; another takes the lock and adds; the first goes on."""
    leader = stage.leader()
    paused, other = stage.client(leader), stage.client(stage.cluster.others(leader)[0])
    first = paused.acquire("lock0", TTL_S)
    paused.add("set0", 0, [])  # a set that is not there yet would be read as null, which is no list of elements
    seen = paused.read("set0")
    # From here the first client does nothing, as in a long garbage collection. Its lease runs out.

    def taken() -> int | None:
        try:
            return int(other.acquire("lock0", 10 * TTL_S))
        except Definite:
            return None

    second = stage.until(taken, "the lock's lease ran out", 30.0)
    other.add("set0", 2, other.read("set0"))
    paused.add("set0", 1, seen)  # it still believes that it holds the lock
    other.release("lock0", second)
    left = other.read("set0")
    anomaly = stage.anomaly()
    if anomaly is None:
        return None
    return f"{anomaly} (tokens {first} and {second}; the set holds {left!r} after adding 2 and 1)"
