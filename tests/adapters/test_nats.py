"""What nats-server is configured with."""

import sys
from pathlib import Path

import orjson
import pytest

from raftmon.adapters.nats import NatsAdapter
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Topology


def configured(tmp_path: Path, **options: str) -> dict:
    topology = Topology.star(3)
    NatsAdapter({"server": sys.executable, **options}).command(topology.nodes[0], topology, tmp_path)
    return orjson.loads((tmp_path / "nats.conf").read_bytes())


def test_the_sync_interval_is_the_servers_own_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert "sync_interval" not in configured(tmp_path)["jetstream"]
    assert configured(tmp_path, sync_interval="always")["jetstream"]["sync_interval"] == "always"
    assert configured(tmp_path, sync_interval="10s")["jetstream"]["sync_interval"] == "10s"


@pytest.mark.parametrize("value", ["never", "10", "", "1s; rm"])
def test_a_sync_interval_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="give always, or a time"):
        NatsAdapter({"sync_interval": value})
