import os
import signal
import subprocess
import sys
from pathlib import Path

from raftmon.setup import leftovers
from raftmon.setup.leftovers import TOKEN_VARIABLE, added, settled, take

ROOT = Path(__file__).parents[2]
IN_A_SANDBOX = (
    "from raftmon.setup import sandbox; sandbox.enter()\n"
    "from raftmon.setup.namespaces import Network; from raftmon.setup.firewall import Firewall\n"
    "from raftmon.setup.topology import Topology\n"
    "import signal; top = Topology.star(2)\n"
    "with Network(top) as net, Firewall(top, 1): net.popen('n1', ['sleep', '999']); signal.pause()"
)


def test_what_was_not_there_before_is_named_and_the_same_mount_twice_is_one_more():
    before = {"process": ["1 init"], "mount": ["/run (tmpfs)"], "firewall rule": []}
    after = {"process": ["1 init", "7 etcd"], "mount": ["/run (tmpfs)", "/run (tmpfs)"], "firewall rule": []}
    assert added(before, after) == ["process left: 7 etcd", "mount left: /run (tmpfs)"]
    assert added(after, before) == []


def test_a_marked_process_is_seen_until_it_is_dead():
    token = f"{os.getpid()}-seen"
    before = take(token)
    program = "import signal; signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, TOKEN_VARIABLE: token})
    try:
        while f"process left: {process.pid} {sys.executable} -c {program}" not in added(before, take(token)):
            assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    assert settled(before, token) == []


def test_what_is_still_dying_gets_its_time_and_what_stays_is_told():
    seen = iter([{"process": ["7 etcd"]}, {"process": ["7 etcd"]}, {"process": []}])
    assert settled({"process": []}, "", see=lambda token: next(seen)) == []
    ticks = iter(range(100))
    stays = settled({"process": []}, "", 5, see=lambda token: {"process": ["7 etcd"]}, clock=lambda: next(ticks))
    assert stays == ["process left: 7 etcd"]


def test_the_command_says_what_is_left_and_ends_with_1(tmp_path, monkeypatch, capsys):
    saved = tmp_path / "before.json"
    assert leftovers.main(["save", str(saved)]) == 0
    assert leftovers.main(["compare", str(saved)]) == 0
    saved.write_text('{"process": [], "mount": []}')
    monkeypatch.setattr(leftovers, "_LONGEST_DYING_S", 0)
    monkeypatch.setattr(leftovers, "settled", lambda before, token: added(before, {"mount": ["/x (tmpfs)"]}))
    assert leftovers.main(["compare", str(saved)]) == 1
    assert "mount left: /x (tmpfs)" in capsys.readouterr().err


def test_the_loop_kills_a_sandbox_with_network_rules_and_nodes_and_finds_nothing_left():
    loop = [sys.executable, str(ROOT / "tests/leftovers_loop.py"), "--times", "3", "--latest", "1.5", "--seed", "3"]
    done = subprocess.run(
        [*loop, "--", sys.executable, "-c", IN_A_SANDBOX], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 runs ended alive by SIGKILL; 0 left something" in done.stdout


def test_the_loop_finds_a_process_that_is_left(tmp_path):
    noted = tmp_path / "pid"
    leaves_one = (
        "import pathlib, signal, subprocess\n"
        "child = subprocess.Popen(['sleep', '600'], stdin=-3, stdout=-3, stderr=-3)\n"
        f"pathlib.Path({str(noted)!r}).write_text(str(child.pid)); signal.pause()"
    )
    loop = [sys.executable, str(ROOT / "tests/leftovers_loop.py"), "--times", "1", "--latest", "9", "--settle", "0.1"]
    try:
        done = subprocess.run(
            [*loop, "--seed", "1", "--", sys.executable, "-c", leaves_one], capture_output=True, text=True, check=False
        )
    finally:
        os.kill(int(noted.read_text()), signal.SIGKILL)
    assert done.returncode == 1
    assert f"process left: {noted.read_text()} sleep 600" in done.stdout
