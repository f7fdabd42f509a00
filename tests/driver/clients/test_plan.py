"""The plan of the clients reaches every host whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftmon.driver.clients.config import HostConfig
from raftmon.driver.clients.fleet import FleetConfig
from raftmon.driver.clients.plan import ClientPlan
from raftmon.driver.run.config import RunConfig
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Topology

ASKED = RunConfig(
    system="nothing", clients=5, keys=7, rate=90.0, arrival="poisson", op_timeout_s=0.5, pin="n2", seed="8",
    options={},
)  # fmt: skip


def test_what_was_asked_for_is_what_each_client_host_reads(tmp_path: Path):
    plan = ASKED.client_plan()
    assert (plan.slots, plan.rate, plan.arrival, plan.op_timeout_s, plan.seed) == (5, 90.0, "poisson", 0.5, "8")
    assert (plan.options, plan.parameters["keys"]) == ({}, 7)
    hosts = FleetConfig(Topology.star(3, 2), tmp_path, tmp_path / "history.jsonl", plan).hosts()
    assert [list(host.slots) for host in hosts] == [[0, 2, 4], [1, 3]]
    for host in hosts:
        file = tmp_path / f"{host.host}.json"
        host.save(file)
        read = HostConfig.load(file)
        assert read.plan == plan
        assert read.targets == dict.fromkeys(host.slots, "n2")


def test_a_plan_that_no_client_can_do_is_refused():
    with pytest.raises(InputError, match="unknown arrival 'never'"):
        ClientPlan("memory", 1, "0", arrival="never")
    with pytest.raises(InputError, match="node 'n9'"):
        ClientPlan("memory", 1, "0", pin="n1,n9").targets(["n1", "n2"])
