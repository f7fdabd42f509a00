import signal
import subprocess
import sys

import psutil
import pytest

from raftmon.setup.errors import RaftmonError
from raftmon.setup.nodes import NodeProcess, NodeStartError

SAYS_HELLO_AND_WAITS = "import signal; print('hello', flush=True); signal.pause()"
WITH_A_CHILD_THAT_LEFT_THE_GROUP = (
    "import subprocess, sys, signal\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], start_new_session=True)\n"
    "print(child.pid, flush=True); signal.pause()"
)
IGNORES_TERM = "import signal; signal.signal(15, signal.SIG_IGN); print('hello', flush=True); signal.pause()"


@pytest.fixture
def make(tmp_path):
    made = []

    def node(program, **options):
        process = NodeProcess("n1", [sys.executable, "-c", program], {}, tmp_path / "n1", **options)
        made.append(process)
        return process

    yield node
    for process in made:
        process.kill()


def said_hello(node):
    return lambda: "hello" in node.log.read_text().splitlines()


def test_a_killed_node_is_dead_when_kill_returns_and_the_signal_is_noted(make):
    node = make(SAYS_HELLO_AND_WAITS)
    node.start()
    pid = node.pid
    node.kill()
    assert not psutil.pid_exists(pid)
    assert (node.alive, node.pid, node.exit_codes) == (False, None, [-signal.SIGKILL])


def test_kill_reaches_a_descendant_that_left_the_group(make):
    node = make(WITH_A_CHILD_THAT_LEFT_THE_GROUP)
    node.start()
    node.wait_ready(lambda: node.tail().splitlines()[-1].isdigit(), 10)
    child = psutil.Process(int(node.tail().splitlines()[-1]))
    node.kill()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_each_start_is_marked_in_the_log_and_counted(make):
    node = make(SAYS_HELLO_AND_WAITS)
    node.start()
    node.start()  # it runs: no second life
    assert node.restarts == 0
    node.kill()
    node.start()
    assert node.restarts == 1
    marks = [line for line in node.log.read_text().splitlines() if line.startswith("--- start")]
    assert [mark.split()[2] for mark in marks] == ["1", "2"]


def test_pause_stops_the_whole_tree_and_resume_lets_it_go_on(make):
    node = make(WITH_A_CHILD_THAT_LEFT_THE_GROUP)
    node.start()
    node.wait_ready(lambda: node.tail().splitlines()[-1].isdigit(), 10)
    tree = [psutil.Process(node.pid), psutil.Process(int(node.tail().splitlines()[-1]))]
    node.pause()
    assert node.paused
    assert node.alive
    wait_for_states(tree, {psutil.STATUS_STOPPED})
    node.resume()
    wait_for_states(tree, {psutil.STATUS_SLEEPING, psutil.STATUS_RUNNING})
    assert not node.paused


def wait_for_states(tree, states):
    """A signal is delivered asynchronously; the test runner's own timeout bounds this."""
    while not {process.status() for process in tree} <= states:
        pass


def test_stop_ends_even_a_paused_node_that_ignores_sigterm(make):
    node = make(IGNORES_TERM)
    node.start()
    node.wait_ready(said_hello(node), 10)
    node.pause()
    node.stop(grace_s=0.05)
    assert node.exit_codes == [-signal.SIGKILL]


def test_stop_lets_a_node_end_by_itself(make):
    node = make(SAYS_HELLO_AND_WAITS)
    node.start()
    node.wait_ready(said_hello(node), 10)
    node.stop()
    assert node.exit_codes == [-signal.SIGTERM]


def test_a_node_that_dies_before_it_is_ready_is_told_with_its_last_words(make):
    node = make("print('no such cluster'); raise SystemExit(3)")
    node.start()
    with pytest.raises(NodeStartError, match=r"n1 ended with exit code 3 before it was ready(.|\n)*no such cluster"):
        node.wait_ready(lambda: False, 10)


def test_a_node_that_is_never_ready_is_told_after_the_timeout(make):
    node = make(SAYS_HELLO_AND_WAITS, clock=iter(range(0, 1000, 10)).__next__)
    node.start()
    with pytest.raises(NodeStartError, match="n1 was not ready after 25 s"):
        node.wait_ready(lambda: False, 25, poll_s=0)


def test_a_command_that_does_not_exist_is_named(tmp_path):
    node = NodeProcess("n1", ["/nonexistent/etcd"], {}, tmp_path / "n1", subprocess.Popen)
    with pytest.raises(RaftmonError, match="cannot start n1 \\(/nonexistent/etcd\\)"):
        node.start()
    assert not node.alive


def test_the_environment_of_the_command_is_added_to_ours(tmp_path):
    program = "import os; print(os.environ['RAFT'], 'PATH' in os.environ)"
    node = NodeProcess("n1", [sys.executable, "-c", program], {"RAFT": "yes"}, tmp_path)
    node.start()
    while node.alive:
        pass
    assert "yes True" in node.tail()
