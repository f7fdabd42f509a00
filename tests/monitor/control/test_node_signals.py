"""Rules that kill and pause nodes: what is signalled, and who is told."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator

import psutil
import pytest

from raftmon.monitor.control.node_signals import NodeAct, NodeSignals, start_ticks
from raftmon.monitor.rules.actions.kinds import Kill, Pause
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.language import parse_rule, write_rule
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link
from tests.monitor.message_rules.bench import Bench
from tests.monitor.raft.wire import chunk, frame, raftpb
from tests.monitor.rules.chains import craft

NAMES = ("n1", "n2", "n3")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "100"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


class Told:
    def __init__(self) -> None:
        self.acts: list[NodeAct] = []
        self.one = threading.Semaphore(0)

    def __call__(self, act: NodeAct) -> None:
        self.acts.append(act)
        self.one.release()


def signals_of(process: subprocess.Popen[bytes], told: Told) -> NodeSignals:
    nodes = NodeSignals(possible=True, on_act=told)
    nodes.know("n1", process.pid, start_ticks(process.pid))
    return nodes


def test_a_node_is_killed_and_that_is_told(sleeper: subprocess.Popen[bytes]) -> None:
    told = Told()
    nodes = signals_of(sleeper, told)
    assert nodes.act(Kill("n1"), "n1", "r1", 5)
    assert sleeper.wait(5) == -signal.SIGKILL
    assert told.one.acquire(timeout=5)
    assert (told.acts[0].node, told.acts[0].what, told.acts[0].rule, told.acts[0].packet_ns) == (
        "n1",
        "killed",
        "r1",
        5,
    )
    assert not nodes.act(Kill("n1"), "n1", "r1", 6)
    assert not nodes.act(Kill("n2"), "n2", "r1", 6)
    nodes.close()


def test_a_paused_node_is_resumed_after_its_time(sleeper: subprocess.Popen[bytes]) -> None:
    told = Told()
    nodes = signals_of(sleeper, told)
    assert nodes.act(Pause("n1", 20), "n1", "r1", 5)
    assert all(told.one.acquire(timeout=5) for _ in range(2))
    assert [act.what for act in told.acts] == ["paused", "resumed"]
    assert psutil.Process(sleeper.pid).status() != psutil.STATUS_STOPPED
    nodes.close()


def test_a_pid_of_another_process_is_refused(sleeper: subprocess.Popen[bytes]) -> None:
    nodes = NodeSignals(possible=True, on_act=Told())
    with pytest.raises(InputError, match="another process"):
        nodes.know("n1", sleeper.pid, start_ticks(sleeper.pid) - 1)


def test_where_nobody_tells_the_pids_such_rules_are_refused() -> None:
    engine = Engine([Link("n1", "n2")], "seed", 0, nodes=NodeSignals(possible=False, on_act=Told()))
    with pytest.raises(InputError, match="did not start the nodes"):
        engine.load(ruleset_from_items(["kill n1"], NAMES), 0)


class Noted(NodeSignals):
    """Notes what it is asked to do."""

    def __init__(self) -> None:
        super().__init__(possible=True, on_act=Told())
        self.asked: list[tuple[str, str, str]] = []

    def act(self, action: Kill | Pause, node: str, rule: str, packet_ns: int) -> bool:
        self.asked.append((type(action).__name__, node, rule))
        return True


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("a: n1->n2 kill target", [("Kill", "n2", "a")]),
        ("a: n1->n2 kill source count 2", [("Kill", "n1", "a")] * 2),
        ("a: pause n3 2s", [("Pause", "n3", "a")]),
        ("n2->n1 kill n1", []),
    ],
)
def test_a_rule_on_packets_acts_once_unless_it_says_how_often(line: str, asked: list[tuple[str, str, str]]) -> None:
    nodes = Noted()
    engine = Engine([Link("n1", "n2")], "seed", 0, nodes=nodes)
    engine.load(ruleset_from_items([line], NAMES), 0)
    for _ in range(3):
        if (chain := engine.chain(0)) is not None:
            chain(craft(Link("n1", "n2")), 1)
    assert nodes.asked == asked


def test_a_rule_on_messages_acts_and_the_message_passes() -> None:
    bench = Bench("MsgVote and term > 3 kill source").stream()
    bench.stage.nodes = nodes = Noted()
    for term in (3, 4, 5):
        assert bench.kind(bench.send(chunk(frame(raftpb(5, term=term))))) == "as it came"
    assert nodes.asked == [("Kill", "n1", "r1")]


@pytest.mark.parametrize("line", ["kill n3", "n1->n2 MsgApp kill source", "pause leader 2s", "pause n1 20%"])
def test_such_rules_are_written_in_one_line_and_read_back(line: str) -> None:
    rule = parse_rule(line, NAMES)
    assert parse_rule(write_rule(rule), NAMES) == rule


@pytest.mark.parametrize("line", ["kill *", "kill n1,n2", "kill n9", "pause n1 0ms"])
def test_a_rule_on_no_single_node_is_refused(line: str) -> None:
    with pytest.raises(InputError):
        parse_rule(line, NAMES)
