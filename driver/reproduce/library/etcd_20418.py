"""etcd issue 20418: a linearizable read is answered with an old value by a leader that was deposed.

The leader's table of pending reads is keyed by the reader's context. One MsgReadIndex copied by the network enters an
answered request again, and an old heartbeat answer that carries its context then counts as fresh.
"""

import threading

from raftmon.driver.reproduce.scenario import Scenario
from raftmon.driver.reproduce.stage import Stage

ELECTION_MS = 8000
WAITS_S = 0.3  # the read is pending at the old leader by then
SCENARIO = Scenario(
    name="etcd-20418",
    system="etcd",
    title="a stale linearizable read",
    seen="a read through the old leader misses a write that was acknowledged before it began",
    needs="a read's two messages copied by the network and late; the leader is cut off and replaced",
    affected=("etcd@3.5.30", "etcd@3.5.16", "etcd@3.4.23"),
    fixed="raft 3.7 (3.4.42 and 3.5.28 mend the request that a node sends again itself)",
    why_no_control="raft 3.7 cannot be had here as a stock binary",
    options={"election_ms": ELECTION_MS},
    sources=("https://github.com/etcd-io/etcd/issues/20418",),
)


def play(stage: Stage) -> str | None:
    """Have a read's messages delivered again; depose the leader by a forged MsgTimeoutNow; write; read; deliver."""
    leader = stage.leader(60.0)
    reader, heir = stage.cluster.others(leader)
    stage.client(leader).write("x", 1)
    read_messages = f'{reader}->{leader} MsgReadIndex or {heir}->{leader} (MsgHeartbeatResp and not context = "")'
    stage.monitor.add(f'{read_messages} replay when key has "go"')
    stage.client(reader).read("x")
    stage.cluster.isolate(leader)
    stage.monitor.add(f"{leader}->{heir} forge MsgTimeoutNow")
    new = stage.etcd(heir)
    stage.until(lambda: new.status()["leader"] == new.status()["member"], f"{heir} leading", 5.0)
    stage.client(heir).write("x", 2)
    found: list[object] = []

    def read() -> None:
        try:
            found.append(stage.client(leader, 6.0).read("x"))
        except Exception as error:  # refused: the read is not answered at all, which is right
            found.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    stage.wait(WAITS_S)
    stage.client(heir).write("go", 3)  # the trigger
    reading.join(8.0)
    anomaly = stage.anomaly()
    if anomaly is None:
        return None
    return f"{anomaly} ({leader} was cut off and answered {found[0]!r}, {heir} had acknowledged 2)"
