"""The options that make a configuration again are those of the command line."""

import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.driver.cli.run import config_of, parser
from raftmon.driver.run.command import options_of
from raftmon.driver.run.config import RunConfig

CHANGES = {
    "system": st.sampled_from(["etcd-pre-vote", "nothing"]),
    "nodes": st.integers(1, 9),
    "clients": st.integers(3, 40),
    "client_hosts": st.integers(1, 3),
    "keys": st.integers(1, 99),
    "rate": st.one_of(st.none(), st.floats(0.25, 9000).map(lambda x: round(x, 3))),
    "faults": st.sampled_from(["none", "kill-leader@2s..4s,halves", "kill-leader@when(term > 5)..3s"]),
    "duration_s": st.floats(1, 500).map(lambda x: round(x, 3)),
    "op_timeout_s": st.floats(0.001, 60).map(lambda x: round(x, 4)),
    "mtbf_s": st.floats(0.1, 60).map(lambda x: round(x, 3)),
    "transparent": st.booleans(),
    "keep_data": st.booleans(),
    "strict": st.booleans(),
    "workload": st.sampled_from(["register", "set"]),
    "pin": st.sampled_from([None, "n1"]),
    "rules": st.lists(st.sampled_from(["n1->n2 drop 10%", "* delay 5ms"]), max_size=2).map(tuple),
    "server_flags": st.lists(st.sampled_from(["--quota-backend-bytes=9", "-x"]), max_size=2).map(tuple),
    "workload_options": st.lists(st.just("size=7"), max_size=1).map(tuple),
    "options": st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(st.integers(-99, 1 << 53), st.booleans())),
    "arrival": st.sampled_from(["uniform", "poisson"]),
    "link_latency_ms": st.integers(0, 50).map(float),
    "link_loss_percent": st.integers(0, 9).map(float),
    "monitored": st.booleans(),
    "record": st.booleans(),
    "name": st.sampled_from([None, "mine"]),
    "seed": st.sampled_from(["0", "abc"]),
}


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=CHANGES))
def test_the_options_make_the_same_configuration(changes: dict[str, object]) -> None:
    # any file that there is: nothing is started
    config = replace(RunConfig(server=sys.executable), **changes)
    if config.options:
        config = replace(config, options={f"o-{name}": value for name, value in config.options.items()})
    found = config_of(parser().parse_args(options_of(config)))
    found = replace(found, server=config.server)
    assert found == config


def test_the_lies_of_the_memory_system_are_options_too() -> None:
    config = config_of(parser().parse_args(["--system", "memory", "--lie", "stale-read,lost-write", "--seed", "7"]))
    assert config_of(parser().parse_args(options_of(config))) == config


@pytest.mark.parametrize("name", ["monitored", "record"])
def test_what_is_on_by_default_is_turned_off_by_its_option(name: str) -> None:
    assert getattr(config_of(parser().parse_args(options_of(replace(RunConfig(), **{name: False})))), name) is False
