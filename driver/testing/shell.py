"""The debug shell: a prompt in the middle of a live run, with ``cluster monitor clients faults`` in scope."""

from __future__ import annotations

import code
import contextlib
import importlib
from collections.abc import Callable
from random import Random
from typing import Any

from raftmon.driver.cluster.cluster import Cluster
from raftmon.driver.faults.base import Effect, Fault
from raftmon.driver.faults.faults import catalogue, make_fault
from raftmon.driver.testing.clients_fixture import TestClients, TestHistory
from raftmon.driver.testing.cluster_fixture import TestCluster, TestMonitor
from raftmon.setup.errors import RaftmonError

__all__ = ["Faults", "open_shell"]

BANNER = """
The cluster is up and the monitor is live. In scope:
  cluster   cluster.nodes, cluster.leader(), cluster.client("n1").write("x", 1), cluster.kill("n1"), cluster.heal() ...
  monitor   monitor.add("n1->n2 drop 10%"), raftmon.monitor.rules.rule(), monitor.heal(), monitor.stats()
  clients   clients.work(5)
  faults    faults.names(), faults.start("partial-partition"), faults.heal()
  history   history.check()
Leave with exit() or Ctrl-D: everything is taken down, and what clients saw is judged.
"""


class Faults:
    """Any fault of the catalogue, started and healed by hand."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._going_on: list[Fault] = []
        self._random = Random()

    def names(self) -> list[str]:
        """The faults there are."""
        return list(catalogue(self._cluster.topology.node_names()))

    def start(self, name: str, **options: str) -> Effect:
        """Start one; it goes on until ``heal``. Raises RaftmonError if it cannot be done here."""
        fault = make_fault(name, options, self._cluster.topology.node_names())
        reason = fault.available(self._cluster)
        if reason:
            raise RaftmonError(f"the fault {name} cannot be done here: {reason}")
        self._going_on.append(fault)
        return fault.start(self._cluster, self._random)

    def heal(self) -> None:
        """Heal all that were started, newest first."""
        while self._going_on:
            self._going_on.pop().stop(self._cluster)


def open_shell(cluster: Cluster, seed: str) -> None:
    """Read and carry out commands until the user leaves. Uses IPython where it is installed, else code.interact."""
    bench = TestCluster(cluster)
    faults = Faults(cluster)
    scope: dict[str, Any] = {
        "cluster": bench,
        "monitor": TestMonitor(bench) if cluster.monitor is not None else None,
        "clients": TestClients(bench, seed),
        "faults": faults,
        "history": TestHistory(bench),
    }
    try:
        with contextlib.suppress(SystemExit):  # exit() ends the prompt; the run still has to be judged
            _prompt()(scope)
    finally:
        faults.heal()
        bench.close()


def _prompt() -> Callable[[dict[str, Any]], None]:
    try:
        terminal = importlib.import_module("IPython.terminal.embed")
    except ImportError:
        return lambda scope: code.interact(banner=BANNER, local=scope, exitmsg="")
    return lambda scope: terminal.InteractiveShellEmbed(banner1=BANNER)(local_ns=scope, module=None)
