"""etcd issue 20271: a member that is asked to defragment while it applies a snapshot panics or is corrupted."""

import contextlib
import threading
import time

from raftmon.adapters.etcd_api import EtcdApi, EtcdRefused
from raftmon.driver.reproduce.etcd_members import differing, write_while
from raftmon.driver.reproduce.scenario import CouldNotSetUp, Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="etcd-20271",
    system="etcd",
    title="a member breaks if it defragments while it applies a snapshot",
    seen="the member panics, or its data differs from the others' at the same applied index",
    needs="a member is cut off until it must be restored by a snapshot, and is asked to defragment when that comes",
    affected=("etcd@3.5.16", "etcd@3.4.23"),
    control=("etcd@3.5.30",),
    fixed="3.4.38, 3.5.23",
    options={"snapshot_count": 100},
    sources=("https://github.com/etcd-io/etcd/issues/20271",),
)
ENTRIES, WRITERS, PADDING, ASKED_S = 5600, 16, 2000, 4.0


def play(stage: Stage) -> str | None:
    """Cut a member off while more is written than the leader keeps; heal; defragment it from MsgSnap on."""
    leader = stage.leader()
    cut = next(node for node in reversed(stage.nodes) if node != leader)
    api = stage.etcd(leader, 20.0)
    stage.cluster.isolate(cut, "reject")
    open_, over = threading.Event(), threading.Event()
    open_.set()
    writers = [
        threading.Thread(target=write_while, args=(stage.etcd(leader, 20.0), part, open_, over, PADDING))
        for part in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    try:
        stage.until(lambda: api.revision() > ENTRIES, f"{ENTRIES} entries while {cut} was cut off", 60.0)
    finally:
        over.set()
        for writer in writers:
            writer.join()
    trigger = stage.inner.arm(f"MsgSnap -> {cut}")
    stage.cluster.heal()
    deadline = time.monotonic() + 20.0
    while stage.inner.armed(trigger)["state"] == "waiting":
        if time.monotonic() > deadline:
            raise CouldNotSetUp(f"no MsgSnap to {cut} within 20 s")
        time.sleep(0.002)
    asked = [threading.Thread(target=_defragment, args=(stage.etcd(cut, 5.0),)) for _ in range(2)]
    for one in asked:
        one.start()
    for one in asked:
        one.join()
    if cut not in stage.inner.alive():
        return f"{cut} ended by itself while it applied a snapshot and was asked to defragment"
    return differing(stage)


def _defragment(api: EtcdApi) -> None:
    """Again and again, for a few seconds."""
    deadline = time.monotonic() + ASKED_S
    while time.monotonic() < deadline:
        with contextlib.suppress(EtcdRefused):  # it may be busy, or dead
            api.defragment(2.0)
