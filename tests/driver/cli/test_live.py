"""Commands on a run that is on: from another shell, while it lasts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from raftmon.driver.testing.waiting import eventually

pytestmark = pytest.mark.servers


def raftmon(*words: str, **keywords: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "raftmon.driver.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **keywords)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[str]:
    """A run that goes on until it is interrupted; its store."""
    store = tmp_path / "store"
    command = [
        sys.executable,
        "-m",
        "raftmon.driver.cli",
        "run",
        "--fault",
        "none",
        "--duration",
        "600",
        "--store",
        str(store),
    ]
    with (tmp_path / "run.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        # Interrupted before its clients work, a run is given up instead of judged.
        began = "workload began"
        eventually(
            lambda: any(began in file.read_text() for file in store.glob("*/*/events.jsonl")), "a run that works"
        )
        yield str(store)
        process.terminate()
        assert process.wait(60) == 2, (tmp_path / "run.log").read_text()  # interrupted: never valid
        results = json.loads(next(store.glob("*/*/results.json")).read_text())
        assert (results["valid"], results["interrupted"]) == ("unknown", True)
    finally:
        process.kill()
        process.wait()


def test_ctl_exec_and_messages_work_on_a_run_that_is_on(running: str):
    store = ("--store", running)
    addresses = raftmon("exec", *store, "n1", "ip", "-br", "addr")
    assert "10.77.1.2" in addresses.stdout, addresses.stderr
    assert "unknown host 'n9' in that run (available: c1, n1, n2, n3)" in raftmon("exec", *store, "n9", "true").stderr
    assert raftmon("ctl", *store, "add", "slow: n1<->n2 delay 5ms").returncode == 0
    assert "slow: n1<->n2 delay 5ms" in raftmon("ctl", *store, "rules").stdout
    refused = raftmon("ctl", *store, "add", "n1 -> n9 drop")
    assert refused.returncode == 64
    assert "unknown host 'n9'" in refused.stderr
    waits = "when term > 1000000: n1->n2 drop"
    assert raftmon("ctl", *store, "add", waits).stdout == f"t1 waits: {waits}\n"
    assert "t1: when term > 1000000 (waiting)" in raftmon("ctl", *store, "triggers").stdout
    assert raftmon("ctl", "remove", *store, "t1").stdout == "t1 is gone\n"
    assert raftmon("ctl", *store, "triggers").stdout == "nothing is waited for\n"
    assert raftmon("ctl", *store, "heal").returncode == 0
    votes = raftmon("messages", *store, "--kind", "MsgVote", "--format", "json")
    assert '"MsgVote"' in votes.stdout, votes.stderr
    events = next(Path(running).glob("*/*/events.jsonl")).read_text()
    assert '"event":"rule-added"' in events
    assert '"event":"rules-healed"' in events


def test_exec_finds_the_tools_that_lie_beside_the_server(running: str):
    version = raftmon("exec", "--store", running, "n1", "etcdctl", "version")
    assert "etcdctl version" in version.stdout, version.stderr


def test_a_shell_that_is_left_by_exit_is_judged_all_the_same(tmp_path: Path):
    left = raftmon("run", "--shell", "--store", str(tmp_path), input="clients.work(1)\nexit()\n")
    assert left.returncode == 0, left.stderr
    assert "are linearizable" in left.stdout


def test_exec_on_a_run_that_is_over_says_so(tmp_path: Path):
    ended = raftmon("run", "--system", "memory", "--duration", "1", "--store", str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    refused = raftmon("exec", "--store", str(tmp_path), "n1", "true")
    assert refused.returncode == 64
    assert "is not on any more" in refused.stderr


def test_a_rule_that_waits_can_be_given_from_the_start(tmp_path: Path):
    words = ["--rule", "when term > 0: lost: n1->n2 drop count 1", "--fault", "none", "--duration", "2"]
    ran = raftmon("run", *words, "--store", str(tmp_path))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (counters,) = (json.loads(path.read_text()) for path in tmp_path.glob("*/*/monitor.json"))
    assert "lost" in counters["rules"], counters["rules"]


def test_a_rule_that_cannot_be_carried_out_is_refused_in_the_monitors_words(tmp_path: Path):
    words = ["--no-record", "--rule", "n1->n2 MsgApp drop", "--fault", "none", "--duration", "2"]
    refused = raftmon("run", *words, "--store", str(tmp_path))
    assert refused.returncode == 64, refused.stderr
    assert "the rule 'r1' acts on single messages, which is impossible" in refused.stderr
