"""``raftmon monitor --system etcd`` on a cluster that runs without a monitor of its own: what a run has, it has."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest

from raftmon.adapters.systems import system, with_server
from raftmon.driver.cluster.cluster import Cluster
from raftmon.driver.cluster.options import ClusterOptions
from raftmon.driver.run_folder import RunFolder
from raftmon.driver.testing.waiting import eventually
from raftmon.setup.topology import Topology

pytestmark = [pytest.mark.net, pytest.mark.servers]


def raftmon(*words):
    command = [sys.executable, "-m", "raftmon.driver.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_cluster_of_somebody_else_is_decoded_ruled_and_asked(tmp_path):
    out = tmp_path / "out"
    adapter = system("etcd", with_server("etcd", None, {}))
    topology = Topology.star(3, 1, transparent=True)
    options = ClusterOptions(seed="0", monitored=False)
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(topology, adapter, RunFolder.create(tmp_path, "theirs"), options))
        nodes = [word for node in topology.nodes for word in ("--node", f"{node.name}={node.address}:2380")]
        command = [sys.executable, "-m", "raftmon.driver.cli", "monitor", "--queue", "7", "--system", "etcd"]
        command += ["--install", "--record", str(out), *nodes]
        monitor = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        stack.callback(monitor.kill)
        eventually((out / "monitor.sock").exists, "the control socket")
        second = raftmon("monitor", "--queue", "7", "--install", "--record", tmp_path / "second", *nodes)
        assert second.returncode != 0
        assert "queue" in second.stderr

        client = adapter.connect(topology.host("n1"), 5.0)
        eventually(cluster.leader, "a leader")
        client.write("x", 1)

        def appends():
            shown = raftmon("messages", out, "--kind", "MsgApp", "--format", "json")
            return json.loads(shown.stdout) if shown.returncode == 0 else None

        message = eventually(appends, "appends in the record")[-1]
        assert {message["from"], message["to"]} < {"n1", "n2", "n3"}

        added = raftmon("ctl", "--run", out, "add", "leader->* MsgHeartbeat drop every 2")
        assert added.returncode == 0, added.stderr
        rules = raftmon("ctl", "--run", out, "rules").stdout
        assert f"{cluster.leader()}->* and MsgHeartbeat" in rules
        assert raftmon("ctl", "--run", out, "add", "when MsgApp -> n2: n2->* delay 1ms").returncode == 0
        delivered = raftmon("ctl", "--run", out, "deliver", message["id"])
        assert delivered.returncode == 0, delivered.stderr
        client.write("x", 2)
        stats = json.loads(raftmon("ctl", "--run", out, "--json", "stats").stdout)
        assert stats["rules"]["r1"]["hits"] > 0
        refused = raftmon("ctl", "--run", out, "add", "kill n1")
        assert (refused.returncode, "did not start the nodes" in refused.stderr) == (64, True)
        assert raftmon("timeline", out).returncode == 0

        monitor.send_signal(signal.SIGINT)
        assert monitor.wait(30) == 0, monitor.stdout.read()
        assert client.read("x") == 2  # their traffic goes on
        client.close()
    left = subprocess.run(["iptables-save", "-t", "mangle"], capture_output=True, text=True, check=True).stdout
    assert "RAFTMON-7" not in left
