from __future__ import annotations

import sys

import pytest

from raftmon.driver.cli.reckon import parser
from raftmon.driver.reckon import config_of
from raftmon.driver.reckon.arguments import FAILURES
from raftmon.driver.run.phases import make_plan
from raftmon.driver.workloads.workloads import parameters_of
from raftmon.setup.errors import InputError


@pytest.fixture(autouse=True)
def no_server_is_looked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "raftmon.driver.reckon.arguments.with_server", lambda system, spec, options: {"server": sys.executable}
    )


def config(*words: str):
    return config_of(parser().parse_args(list(words)))


def plan(*words: str):
    from raftmon.adapters.systems import system

    made = config(*words)
    return make_plan(made, system(made.system, made.adapter_options()))


def test_the_defaults_are_reckons():
    found = config("etcd", "simple", "uniform", "none")
    assert (found.nodes, found.client_hosts, found.rate, found.duration_s) == (3, 1, 100, 60)
    assert (found.link_latency_ms, found.link_jitter_ms, found.link_loss_percent) == (20, 0, 0)
    assert found.options == {"election_ms": 1000, "heartbeat_ms": 100}
    parameters = parameters_of(found.workload, found.workload_options)
    assert parameters == {"max_key": 1, "payload_size": 10, "write_ratio": 1.0}


@pytest.mark.parametrize(
    ("failure", "faults"),
    [
        ("none", []),
        ("leader", [("leader", 30, 60)]),
        ("leader-recovery", [("leader-recovery", 20, 40)]),
        ("partial-partition", [("partial-partition", 20, 40)]),
        ("intermittent-full", [("intermittent-full", 20, 40)]),
        ("kill-n", [("kill-n", 0, 60)]),
        ("stat", []),
    ],
)
def test_failures_come_at_reckons_times(failure: str, faults):
    found = plan("etcd", "simple", "uniform", failure, "--kill-n", "1")
    assert [(fault.name, round(fault.start_s, 3), round(fault.stop_s, 3)) for fault in found.faults] == faults


def test_an_intermittent_failure_has_reckons_mtbf():
    assert plan("etcd", "simple", "uniform", "intermittent-partial").faults[0].options == {"mtbf": "1s"}
    found = plan("etcd", "simple", "uniform", "intermittent-partial", "--mtbf", "0.5")
    assert found.faults[0].options == {"mtbf": "0.5s"}


def test_kill_n_kills_as_many_as_it_is_told():
    assert plan("etcd", "simple", "uniform", "kill-n", "--kill-n", "2").faults[0].options == {"n": "2"}
    assert plan("etcd", "simple", "uniform", "kill-n").faults == ()


def test_latency_is_that_of_one_way_between_hosts_and_jitter_a_share_of_it():
    found = plan("etcd", "simple", "uniform", "none", "--link-latency", "50", "--link-jitter", "0.1")
    assert all(rule.endswith("delay 50ms ±5ms") for rule in found.placement.rules)


def test_a_wan_has_a_client_a_node():
    found = plan("etcd", "wan", "uniform", "none", "--number-nodes", "5", "--number-clients", "1")
    assert len(found.topology.clients) == 5


def test_the_election_timeout_is_the_failure_timeout():
    found = config("etcd-pre-vote", "simple", "uniform", "none", "--failure_timeout", "0.5")
    assert found.options == {"election_ms": 500, "heartbeat_ms": 50}


def test_every_failure_of_reckon_is_known():
    for failure in FAILURES:
        plan("etcd", "simple", "uniform", failure)


def test_a_system_that_only_reckon_has_is_refused_in_words():
    with pytest.raises(InputError, match="reckon's own build"):
        config("zookeeper-fle", "simple", "uniform", "none")
