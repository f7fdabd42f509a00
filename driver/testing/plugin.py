"""raftmon's pytest plugin: the fixtures ``cluster``, ``monitor``, ``clients`` and ``history``.

    def test_a_write_survives_the_leader(cluster):
        cluster.client("n1").write("x", 1)
        cluster.kill(cluster.leader())
        cluster.leader()
        assert cluster.client(cluster.followers()[0]).read("x") == 1

A test that uses one of them runs in its own sandbox, root or not, and gets a fresh cluster. Options say which
(``--system --server --nodes --client-hosts --rules``); ``@pytest.mark.cluster(nodes=5, server_flags=[...])`` says it
for one test. The run's folder of a test that failed is kept, and its path is in the report.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from raftmon.driver.testing.sandboxed import needs_sandbox, run_in_sandbox
from raftmon.setup.old_imports import import_advice

__all__ = ["clients", "cluster", "history", "monitor"]

_FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a cluster under test."""
    group = parser.getgroup("raftmon", "raftmon: clusters under test")
    group.addoption("--system", default="etcd", metavar="NAME", help="the system under test (default: etcd)")
    group.addoption("--server", metavar="SPEC", help="its server: etcd@3.5.1 or a path")
    group.addoption("--nodes", type=int, default=3, metavar="N", help="nodes of a cluster (default: 3)")
    group.addoption("--client-hosts", type=int, default=1, metavar="N", help="client hosts (default: 1)")
    group.addoption("--rules", action="append", default=[], metavar="FILE.py", help="your own rules, in every cluster")
    group.addoption("--seed", default="0", metavar="N", help="all chance comes from it (default: 0)")
    group.addoption("--store", default="store", metavar="DIR", help="where the runs of failed tests are kept")


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line("markers", "cluster(**options): the cluster of this one test: nodes, client_hosts, …")
    config.addinivalue_line("markers", "net: needs real network namespaces (runs in raftmon's sandbox)")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A test that needs namespaces runs in its own sandbox."""
    if not needs_sandbox(item):
        return None
    run_in_sandbox(item, nextitem)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Note that a test failed, and say where its run is kept."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
        running = getattr(item, "funcargs", {}).get("cluster")
        if running is not None:
            report.sections.append(("raftmon", f"the run is kept in {_shown(Path(running.folder))}"))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """A test file that imports raftmon by an old name is told the new one."""
    report = yield
    call = getattr(report, "call", None)
    error = call.excinfo.value if call is not None and call.excinfo is not None else None
    while error is not None:
        if advice := import_advice(error):
            report.sections.append(("raftmon", advice))
            break
        error = error.__cause__ or error.__context__
    return report


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    names = ("system", "server", "nodes", "client_hosts", "rules", "seed", "store")
    options = {name: request.config.getoption(name) for name in names}
    for mark in reversed(list(request.node.iter_markers("cluster"))):
        options |= mark.kwargs
    return options


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A fresh cluster behind the monitor (raftmon.driver.testing.cluster_fixture.TestCluster)."""
    from raftmon.driver.testing.cluster_fixture import TestCluster
    from raftmon.driver.testing.start import start_cluster

    options = _options(request)
    with start_cluster(options, request.node.name) as running:
        bench = TestCluster(running)
        try:
            yield bench
        finally:
            bench.close()
    if not request.node.stash.get(_FAILED, False):
        running.folder.remove()


@pytest.fixture
def monitor(cluster: Any) -> Any:
    """The monitor between the nodes (raftmon.driver.testing.cluster_fixture.TestMonitor)."""
    from raftmon.driver.testing.cluster_fixture import TestMonitor

    return TestMonitor(cluster)


@pytest.fixture
def clients(cluster: Any, request: pytest.FixtureRequest) -> Any:
    """Client hosts (raftmon.driver.testing.clients_fixture.TestClients)."""
    from raftmon.driver.testing.clients_fixture import TestClients

    return TestClients(cluster, str(_options(request)["seed"]))


@pytest.fixture
def history(cluster: Any) -> Any:
    """What the clients did (raftmon.driver.testing.clients_fixture.TestHistory)."""
    from raftmon.driver.testing.clients_fixture import TestHistory

    return TestHistory(cluster)


def _shown(folder: Path) -> Path:
    """A path as its reader knows it: from the current folder, if it lies below it."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
