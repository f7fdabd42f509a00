"""etcd issue 15247: leases that are kept alive are revoked by a leader that was paused and is none any more.

When it goes on, all leases have expired for it. It proposes 16 revocations at once; those that it enters into its own
log are lost with its old term, and after 7 s (the request's time limit: 5 s and two elections) the next ones are
proposed: by then it is a follower, and forwards them to the new leader. If it steps down first, it forwards all.
"""

import threading

from raftmon.adapters.etcd_api import EtcdRefused
from raftmon.driver.reproduce.scenario import CouldNotSetUp, Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="etcd-15247",
    system="etcd",
    title="leases kept alive are revoked by an old leader",
    seen="leases that were renewed all the time are gone",
    needs="the leader is paused for longer than the leases' time to live",
    affected=("etcd@3.4.23", "etcd@3.5.1", "etcd@3.5.30"),
    fixed="said: 3.4.31, 3.5.13 (those mend a leader that hangs in its disk, not one that was paused)",
    why_no_control="every version that can be had is affected",
    sources=("https://github.com/etcd-io/etcd/issues/15247",),
)
TTL_S, LEASES, PAUSE_S, ROUNDS = 5, 40, 8.0, 2
FORWARDED_S = 12.0
"""How long after the pause the old leader's revocations are waited for: its requests time out after 7 s."""
FORWARDED = """SELECT count(*) FROM messages m JOIN entries e ON e.message = m.id
    WHERE m.kind = 'MsgProp' AND m.source = ?1 AND e.operation = 'lease_revoke'"""


def play(stage: Stage) -> str | None:
    """Up to twice: whether the old leader revokes before it hears of the new one is a race inside etcd."""
    for number in range(1, ROUNDS + 1):
        found = _pause_the_leader(stage)
        if found is not None:
            return f"{found} (pause {number})"
    return None


def _pause_the_leader(stage: Stage) -> str | None:
    """40 leases of 5 s, renewed through the followers; the leader is stopped for 8 s and goes on."""
    leader = stage.leader()
    through = [stage.etcd(node) for node in stage.cluster.others(leader)]
    leases = [through[0].grant(TTL_S) for _ in range(LEASES)]
    renewed: dict[int, int] = dict.fromkeys(leases, 0)
    over = threading.Event()

    def renew(part: int) -> None:
        while not over.is_set():
            for number, lease in enumerate(leases[part::2]):
                try:
                    if through[(part + number) % 2].keep_alive(lease) > 0:
                        renewed[lease] += 1
                except EtcdRefused:
                    continue
            over.wait(0.2)

    threads = [threading.Thread(target=renew, args=(part,)) for part in range(2)]
    for thread in threads:
        thread.start()
    try:
        over.wait(1.0)
        with stage.paused(leader):
            over.wait(PAUSE_S)
        stage.until_wire(lambda: int(stage.ask_wire(FORWARDED, leader)) > 0, FORWARDED_S)
        over.wait(1.0)  # the rest of them, and the renewals that are under way
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if stage.leader() == leader:
        raise CouldNotSetUp(f"{leader} still leads: nobody was elected while it was paused")
    gone = [lease for lease in leases if through[0].time_to_live(lease) < 0]
    if not gone:
        return None
    forwarded = stage.ask_wire(FORWARDED, leader)
    return (
        f"{len(gone)} of {LEASES} leases that were renewed every 0.2 s are gone; {leader} was paused for {PAUSE_S:g} s "
        f"and then forwarded {forwarded} revocations to {stage.leader()}, which led by then"
    )
