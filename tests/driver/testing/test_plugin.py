"""The plugin in somebody else's project: a folder with a test in it, and pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from raftmon.adapters.systems import with_server
from raftmon.setup.leftovers import added, take

pytestmark = pytest.mark.servers

GOOD = """
def test_a_write_survives_the_leader(cluster):
    cluster.client("n1").write("x", 1)
    old = cluster.leader()
    cluster.kill(old)
    rest = cluster.others(old)
    assert cluster.leader() in rest
    assert cluster.client(rest[0]).read("x") == 1

def test_clients_and_a_rule(cluster, monitor, clients, history):
    with monitor.rule("n1<->n2 delay 5ms"), clients.working(at_least=20) as work:
        pass
    assert work.stats.ok >= 20
    history.assert_valid()
"""
BAD = """
def test_that_fails(cluster):
    assert cluster.client("n1").read("x") == "what was never written"
"""


def run_pytest(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_theirs.py").write_text(text)
    server = with_server("etcd", None, {})["server"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--server", server, *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)


def test_a_project_of_its_own_uses_the_fixtures_and_nothing_is_left(tmp_path: Path):
    before = take("nothing")
    ended = run_pytest(tmp_path, GOOD)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 passed" in ended.stdout
    assert not list((tmp_path / "store").iterdir()), "the runs of tests that passed are not kept"
    assert not added(before, take("nothing"))


def test_a_test_that_fails_keeps_its_run_and_says_where(tmp_path: Path):
    ended = run_pytest(tmp_path, BAD)
    assert ended.returncode == 1
    (kept,) = (tmp_path / "store").glob("test-test_that_fails/*")
    assert f"the run is kept in {Path('store') / kept.relative_to(tmp_path / 'store')}" in ended.stdout
    assert (kept / "packets.pcapng").stat().st_size > 0
    assert (kept / "nodes" / "n1" / "stdout.log").exists()


def test_wrong_options_are_an_error_in_words(tmp_path: Path):
    ended = run_pytest(tmp_path, BAD, "--nodes", "0")
    assert ended.returncode == 1
    assert "a cluster has 1 to 250 nodes, not 0" in ended.stdout
