"""nats-server before 2.14: a leader commits entries of earlier terms by counting (Raft's figure 8).

It counts answers by index, and keeps the counts of an earlier leadership, so an entry of that time is committed as soon
as a quorum has it.
"""

import threading

from raftmon.adapters.base import Definite, Indefinite
from raftmon.driver.reproduce.scenario import CouldNotSetUp, Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="nats-figure8",
    system="nats",
    title="a leader commits an entry of an earlier term by counting",
    seen="on the wire, the commit index rises to an entry of an earlier term (rule commit_own_term)",
    needs="a leader whose last entry reached nobody leads again, and its first own entry is lost",
    affected=("nats@2.10.27", "nats@2.9.10"),
    control=("nats@2.15.1",),
    fixed="2.14",
    sources=("https://raft.github.io/raft.pdf",),
)
GROUP = "SELECT grp FROM messages WHERE grp LIKE 'S-%' AND kind = 'MsgApp' ORDER BY id LIMIT 1"
LEADER = """SELECT source FROM messages
    WHERE grp = ?1 AND kind IN ('MsgApp', 'MsgHeartbeat') ORDER BY id DESC LIMIT 1"""
LOST = """SELECT max(last_index) FROM messages
    WHERE grp = ?1 AND source = ?2 AND kind = 'MsgApp' AND verdict LIKE 'drop%'"""
TERM = "SELECT max(term) FROM messages WHERE grp = ?1 AND kind IN ('MsgApp', 'MsgHeartbeat') AND source = ?2"


def play(stage: Stage) -> str | None:
    """An entry stays on the leader; it is deposed and leads again; its followers get that entry and no newer one."""
    for number in range(5):
        stage.write(stage.nodes[0], "x", number)
    group = stage.until(lambda: stage.ask_wire(GROUP), "an append of the bucket's stream on the wire")
    leader = str(stage.ask_wire(LEADER, group))  # a node's own word may be behind
    follower, other = stage.cluster.others(leader)
    term = int(stage.ask_wire(TERM, group, leader))
    this = f'group has "{group}"'
    lost = stage.monitor.add(f"{leader}->* MsgApp {this} drop")
    writer = threading.Thread(target=_write, args=(stage, leader))
    writer.start()
    last = stage.until_wire(lambda: stage.ask_wire(LOST, group, leader), 5.0)
    if last is None:
        raise CouldNotSetUp("the leader's last entry was not seen on the wire")
    stage.monitor.add(f"{follower}<->{other} MsgVote {this} drop")  # nobody but the old leader can win
    stage.monitor.add(f"{leader}->* MsgApp {this} and index >= {last} drop")  # what follows the old entry is lost
    silent = stage.monitor.add(f"{leader}->* MsgHeartbeat {this} drop")
    if not stage.until_wire(lambda: int(stage.ask_wire(TERM, group, leader)) > term, 40.0):
        raise CouldNotSetUp(f"{leader} was not elected again within 40 s")
    stage.monitor.remove(silent)
    stage.monitor.remove(lost)  # its followers now catch up with the old entry, and get no further
    found = stage.until_wire(lambda: stage.violation("commit_own_term"), 8.0)
    writer.join()
    return found


def _write(stage: Stage, node: str) -> None:
    try:
        stage.client(node, 3.0).write("x", "lost")
    except (Definite, Indefinite):
        return  # nothing else is expected: its entry reaches nobody
