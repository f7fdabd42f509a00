"""PySyncObj issues 110 and 169: a leader commits entries of earlier terms by counting (Raft's figure 8)."""

import random
import threading

from raftmon.adapters.base import Definite, Indefinite
from raftmon.driver.reproduce.scenario import CouldNotSetUp, Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="pysyncobj-figure8",
    system="pysyncobj",
    title="a leader commits entries of an earlier term by counting",
    seen="on the wire, the commit index rises to an entry of an earlier term (rule commit_own_term)",
    needs="a leader whose entries reached nobody leads again, and its first own entry is lost",
    affected=("pysyncobj@0.3.11",),
    control=("pysyncobj@0.3.17",),
    fixed="0.3.12",
    sources=("https://github.com/bakwc/PySyncObj/issues/110", "https://github.com/bakwc/PySyncObj/issues/169"),
)
GROWING = (500, 900, 1600, 2900, 5200, 9400, 17_000, 30_000)  # a journal's file can no more than double for one entry
SIZE = 45_000  # two values are more than PySyncObj sends in one append: the leader's own first entry comes after them
LAST = "SELECT max(log_index) FROM entries WHERE term = ?1 AND value_size > 40000"
PLACES = "SELECT count(DISTINCT log_index) FROM entries WHERE term = ?1 AND value_size > 40000"


def play(stage: Stage) -> str | None:
    """Two large entries stay on the leader; it is deposed and elected again; its followers get those two alone."""
    leader = stage.leader()
    follower, other = stage.cluster.others(leader)
    for size in GROWING:
        stage.write(leader, "grow", "x" * size)
    term = int(stage.ask_wire("SELECT max(term) FROM messages") or 0)
    lost = stage.monitor.add(f"{leader}->* MsgApp drop")
    writers = [threading.Thread(target=_write, args=(stage, leader, number)) for number in range(2)]
    for writer in writers:
        writer.start()
    if stage.until_wire(lambda: int(stage.ask_wire(PLACES, term) or 0) >= 2, 10.0) is None:
        raise CouldNotSetUp("the leader's two large entries were not seen on the wire")
    last = int(stage.ask_wire(LAST, term) or 0)
    stage.monitor.add(f"{leader}->* MsgApp index = {last} drop")
    stage.monitor.add(f"{follower},{other}->* MsgVote drop")  # nobody but the old leader can win
    stage.monitor.add(f"{follower}->{leader} forge MsgVote term {term + 10}")
    again = "SELECT max(term) FROM messages WHERE kind IN ('MsgApp', 'MsgHeartbeat') AND term > ?1"
    if stage.until_wire(lambda: stage.ask_wire(again, term + 9), 20.0) is None:
        raise CouldNotSetUp(f"{leader} was not elected again within 20 s")
    stage.monitor.remove(lost)  # the two entries now reach its followers, in the new term
    found = stage.until_wire(lambda: stage.violation("commit_own_term"), 6.0)
    for writer in writers:
        writer.join()
    return found


def _write(stage: Stage, node: str, number: int) -> None:
    value = "".join(random.Random(number).choices("0123456789abcdef", k=SIZE))
    try:
        stage.client(node, 8.0).write(f"large{number}", value)
    except (Definite, Indefinite):
        return  # nothing else is expected: its entries reach nobody for a while
