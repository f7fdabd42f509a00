"""etcd issue 15271: a watch goes back in time after its member was restored by a snapshot."""

import itertools
import threading

from raftmon.adapters.etcd_api import EtcdApi, EtcdRefused
from raftmon.driver.reproduce.scenario import CouldNotSetUp, Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="etcd-15271",
    system="etcd",
    title="a watch goes back in time",
    seen="a watch gives revisions again that it gave before",
    needs="a member is cut off until it must be restored by a snapshot",
    affected=("etcd@3.4.23", "etcd@3.5.1"),
    control=("etcd@3.5.16",),
    fixed="3.4.25, 3.5.8",
    options={"snapshot_count": 100},
    sources=("https://github.com/etcd-io/etcd/issues/15271",),
)
ENTRIES = 5600  # the leader keeps 5,000 for followers, and no flag of these versions changes that
WRITERS = 16


def play(stage: Stage) -> str | None:
    """Watch at n3, cut n3 off while more is written than the leader keeps, heal, and look at what the watch gives."""
    leader = stage.leader()
    cut = next(node for node in reversed(stage.nodes) if node != leader)
    revisions: list[int] = []
    over = threading.Event()
    watching = threading.Thread(target=_watch, args=(stage.etcd(cut, 120.0), revisions, over), daemon=True)
    watching.start()
    writers = [stage.etcd(leader, 20.0) for _ in range(WRITERS)]
    for number in range(50):
        writers[0].put(f"k{number}", "before")
    stage.until(lambda: len(revisions) >= 40, "events at the watcher before the cut", 10.0)
    stage.cluster.isolate(cut, "reject")
    threads = [
        threading.Thread(target=_write, args=(api, part, ENTRIES // WRITERS)) for part, api in enumerate(writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = writers[0].revision()
    if written < ENTRIES:
        raise CouldNotSetUp(f"only {written} entries were written while {cut} was cut off")
    stage.cluster.heal()
    behind = stage.etcd(cut)
    stage.until(lambda: behind.status()["index"] >= written, f"{cut} caught up", 60.0)
    over.wait(3.0)
    over.set()
    back = next(((a, b) for a, b in itertools.pairwise(revisions) if b < a), None)
    if back is None:
        return None
    return f"a watch at {cut} gave an event of revision {back[0]} and then one of revision {back[1]}"


def _watch(api: EtcdApi, revisions: list[int], over: threading.Event) -> None:
    try:
        for event in api.watch_all("k", 1):
            revisions.append(event.revision)
            if over.is_set():
                return
    except EtcdRefused:
        return


def _write(api: EtcdApi, part: int, count: int) -> None:
    for number in range(count):
        try:
            api.put(f"k{part}-{number % 50}", f"{number}")
        except EtcdRefused:
            continue
