from __future__ import annotations

from typing import Any

import orjson
import pytest

from raftmon.driver.quantities import duration_s
from raftmon.driver.run.config import RunConfig
from raftmon.setup.errors import InputError


@pytest.mark.parametrize(("text", "seconds"), [("20", 20), ("1.5s", 1.5), ("500ms", 0.5), ("2m", 120), ("1h", 3600)])
def test_durations_have_units(text: str, seconds: float):
    assert duration_s(text, "--duration") == seconds


@pytest.mark.parametrize("text", ["", "fast", "-3", "3 days", "1e3"])
def test_what_is_no_duration_is_refused_with_its_option(text: str):
    with pytest.raises(InputError, match=r"--duration: .* is not a duration"):
        duration_s(text, "--duration")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nodes": 0}, "--nodes is 0"),
        ({"clients": 0}, "--clients is 0"),
        ({"client_hosts": 6}, "--client-hosts is 6 but --clients only 5"),
        ({"keys": -1}, "--keys is -1"),
        ({"rate": 0.0}, "--rate is 0"),
        ({"duration_s": 0.0}, "--duration is 0 s"),
        ({"op_timeout_s": 0.0}, "--op-timeout is 0 s"),
    ],
)
def test_what_cannot_be_run_is_refused(change: dict[str, Any], words: str):
    with pytest.raises(InputError, match=words):
        RunConfig(**change)


def test_a_configuration_comes_back_from_its_json():
    config = RunConfig(rules=("n1->n2 drop",), options={"lies": ["stale-read"]}, rate=100.0)
    assert RunConfig.from_json(orjson.loads(orjson.dumps(config.to_json()))) == config
