"""What a shrunk scenario calls: its options are the clients', whatever they are called."""

import contextlib
from types import SimpleNamespace

import pytest

from raftmon.driver.reproduce import scheduled
from raftmon.setup.topology import Topology


def test_the_number_of_clients_reaches_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    @contextlib.contextmanager
    def working(*positional: object, **options: object):
        given.extend((positional, options))
        yield

    workers = SimpleNamespace(begin=lambda _at_ns: None, end=lambda: None, records=[])
    monkeypatch.setattr(scheduled.FaultWorkers, "on_cluster", lambda *_: workers)
    cluster = SimpleNamespace(topology=Topology.star(3))
    done = scheduled.work_under(
        cluster, SimpleNamespace(working=working), "none", 0.01, "seed", "register", clients=2, keys=5
    )
    assert done == []
    assert given == [("register",), {"at_least": 0, "clients": 2, "keys": 5}]
