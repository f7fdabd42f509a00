"""etcd issue 18089: a watch from the compacted revision misses a delete."""

from raftmon.driver.reproduce.scenario import Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="etcd-18089",
    system="etcd",
    title="a watch from the compacted revision misses a delete",
    seen="the watch gives the put and not the delete before it",
    needs="no fault: a compaction at the revision of a delete",
    affected=("etcd@3.4.23", "etcd@3.5.1"),
    control=("etcd@3.5.16",),
    fixed="3.4.34, 3.5.16",
    sources=("https://github.com/etcd-io/etcd/issues/18089",),
)


def play(stage: Stage) -> str | None:
    """Put k three times, delete it, put it, compact at the delete, and watch from there."""
    api = stage.etcd("n1")
    for value in ("a", "b", "c"):
        api.put("k", value)
    deleted = api.delete("k")
    api.put("k", "d")
    api.compact(deleted)
    events = api.watch("k", deleted, 2, timeout_s=3.0)
    if events and events[0].type == "delete":
        return None
    seen = ", ".join(f"{event.type} at {event.revision}" for event in events) or "nothing"
    return f"a watch from revision {deleted}, that of the delete, gave {seen} instead of the delete first"
