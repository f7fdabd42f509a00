"""The example of a Raft of one's own: its codec keeps the contract, and a run reads, rules and checks it like etcd."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
CODEC = EXAMPLES / "codecs" / "my_codec.py"


def raftmon(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "raftmon.driver.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_codec_is_short() -> None:
    assert len(CODEC.read_text().splitlines()) <= 80


@pytest.mark.servers
def test_a_run_of_the_toy_is_read_ruled_and_valid(tmp_path: Path) -> None:
    system = ["--system", EXAMPLES / "systems" / "toy_system.py", "--codec", CODEC]
    rules = ["--rule", "MsgAppResp drop 5%", "--rule", "MsgHeartbeat delay 5ms 20%"]
    done = raftmon("run", *system, *rules, "--duration", 3, "--fault", "kill-leader", "--store", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = tmp_path.glob("*/*/results.json")
    found = json.loads(folder.read_text())
    assert found["valid"] == "valid"
    kinds = json.loads(raftmon("messages", folder.parent, "--format", "json").stdout)
    assert {"MsgVote", "MsgVoteResp", "MsgApp", "MsgAppResp", "MsgHeartbeat"} <= {one["kind"] for one in kinds}
    counters = json.loads((folder.parent / "monitor.json").read_text())
    assert counters["rules"]["r1"]["hits"] > 0
    assert counters["recorder"]["sinks"]["messages"]["unparsed_bytes"] == 0
    told = raftmon("test", "codec", CODEC, folder.parent / "packets.pcapng")
    assert told.returncode == 0, told.stdout + told.stderr
