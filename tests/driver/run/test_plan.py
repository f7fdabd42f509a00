from __future__ import annotations

from typing import Any

import orjson
import pytest

from raftmon.adapters.systems import system
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run.plan import RunPlan, make_plan
from raftmon.setup.errors import InputError


def plan(**changes: Any) -> RunPlan:
    config = RunConfig(**{"server": "/bin/true", "seed": "1", **changes})
    return make_plan(config, system(config.system, config.adapter_options()))


@pytest.mark.parametrize("faults", ["none", "random", "kill-leader,halves"])
def test_same_configuration_and_seed_same_bytes(faults: str):
    assert plan(faults=faults).to_bytes() == plan(faults=faults).to_bytes()


def test_seed_and_parameters_both_change_the_plan():
    digests = {orjson.loads(one.to_bytes())["calls_sha256"] for one in (plan(), plan(seed="2"), plan(keys=2))}
    assert len(digests) == 3


def test_a_random_schedule_comes_from_the_seed():
    assert plan(faults="random", duration_s=60.0).faults != plan(faults="random", duration_s=60.0, seed="2").faults


def test_a_plan_names_nodes_faults_and_addresses():
    made = orjson.loads(plan(nodes=5, faults="kill-leader@2s..4s").to_bytes())
    assert made["nodes"]["n5"] == ["10.77.5.2", "10.78.5.2"]
    assert made["faults"] == [{"name": "kill-leader", "start_s": 2.0, "stop_s": 4.0, "options": {}}]


def test_a_system_without_nodes_has_no_faults_and_no_monitor():
    made = plan(system="memory", server=None, faults="none")
    assert made.topology.nodes == ()
    assert made.config.monitored is False
    with pytest.raises(InputError, match="memory has no nodes of its own"):
        plan(system="memory", server=None, faults="kill-leader")


def test_rules_and_scripts_are_looked_at_before_anything_starts():
    with pytest.raises(InputError, match="n9"):
        plan(rules=("n1->n9 drop",))
    with pytest.raises(InputError, match=r"there is no file /no/such/rules\.py"):
        plan(scripts=("/no/such/rules.py",))


def test_triggers_are_looked_at_before_anything_starts():
    made = plan(faults="kill-leader@when(MsgSnap -> n3)..3s")
    assert [fault.when for fault in made.faults] == ["MsgSnap -> n3"]
    assert plan(faults="kill-leader@when(MsgSnap -> n3)..3s").to_bytes() == made.to_bytes()
    assert plan(faults="member-add,kill-leader@when(MsgSnap -> n4)..3s").topology.spares, "n4 is the host that joins"
    with pytest.raises(InputError, match="unknown host 'n4'"):
        plan(faults="kill-leader@when(MsgSnap -> n4)..3s")
    with pytest.raises(InputError, match="without --no-record"):
        plan(faults="kill-leader@when(term > 5)..3s", record=False)
    spliced = plan(system="pysyncobj", server=None, faults="kill-leader@when(term > 5)..3s")
    assert [fault.when for fault in spliced.faults] == ["term > 5"]
