"""The plan of a run: topology, links, hosts to come and faults' times as a function of the configuration."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from raftmon.adapters.systems import system
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run.phases import make_plan
from raftmon.setup.errors import InputError


def plan(**changes: Any):
    config = RunConfig(**{"faults": "none", "server": sys.executable, **changes})
    return make_plan(config, system(config.system, config.adapter_options()))


def test_without_link_options_clients_do_not_pass_through_the_monitor():
    made = plan()
    assert made.placement.rules == ()
    assert not made.client_traffic


def test_links_are_part_of_the_plan_and_make_clients_pass_through_the_monitor():
    made = plan(link_latency_ms=20.0)
    assert made.client_traffic
    assert made.to_json()["links"] == list(made.placement.rules)
    assert made.to_json() == plan(link_latency_ms=20.0).to_json()


def test_a_wan_has_its_own_client_hosts_and_sites():
    made = plan(topology="wan", nodes=3, clients=3)
    assert [host.name for host in made.topology.clients] == ["c1", "c2", "c3"]
    assert made.to_json()["sites"]["c3"] == "ireland"


def test_a_fault_that_adds_a_node_brings_a_host_for_it():
    assert [host.name for host in plan(faults="member-add").topology.spares] == ["n4"]
    assert plan(faults="member-remove").topology.spares == ()


def test_mtbf_is_for_faults_that_come_and_go_unless_they_have_their_own():
    made = plan(faults="intermittent-full,intermittent-partial(mtbf=3s)", mtbf_s=0.5)
    assert [fault.options["mtbf"] for fault in made.faults] == ["0.5s", "3s"]


def test_more_faults_are_drawn_with_a_shorter_time_between_them():
    counts = [len(plan(faults="random", duration_s=200.0, mtbf_s=mtbf_s).faults) for mtbf_s in (2.0, 20.0)]
    assert counts[0] > 2 * counts[1] > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"topology": "wan", "nodes": 5, "clients": 3}, "5 client hosts but --clients is 3"),
        ({"link_latency_ms": 5.0, "monitored": False}, "leave --no-monitor out"),
        ({"link_jitter_ms": 5.0}, "before it was sent"),
        ({"workload": "bank", "system": "memory", "server": None}, "lacks transactions"),
        ({"workload": "set", "workload_options": ("depth=1",)}, "set has size, sets, reads"),
        ({"mtbf_s": 0.0}, "--mtbf"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_starts(changes: dict[str, Any], words: str):
    with pytest.raises(InputError, match=words):
        plan(**changes)


def test_a_configuration_survives_its_json():
    config = RunConfig(workload="set", workload_options=("size=9",), topology="wan", mtbf_s=2.0, arrival="poisson")
    assert RunConfig.from_json(config.to_json()) == config
    assert config.workload_parameters() == {"size": 9}
