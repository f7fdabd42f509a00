"""Starts the cluster of one test from the plugin's options."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raftmon.adapters.hooks import hooks
from raftmon.adapters.systems import system, with_server
from raftmon.driver.cluster.cluster import Cluster, ClusterOptions
from raftmon.driver.run_folder import CONFIG, RunFolder
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Topology

__all__ = ["start_cluster"]

_KNOWN = ("system", "server", "nodes", "client_hosts", "rules", "seed", "store", "rule", "transparent", "server_flags")


@contextmanager
def start_cluster(options: Mapping[str, Any], test: str) -> Iterator[Cluster]:
    """A running cluster for the length of the block; its folder lies under ``store/tests-<test>``.

    ``options`` are the plugin's options; any other name is given to the adapter. Raises InputError.
    """
    if not isinstance(options["nodes"], int):
        raise InputError(f"the cluster of {test} has {options['nodes']!r} nodes: give a number")
    adapter_options = {name: value for name, value in options.items() if name not in _KNOWN}
    adapter_options = with_server(options["system"], options.get("server"), adapter_options)
    if flags := options.get("server_flags"):
        adapter_options["server_flags"] = list(flags)
    adapter = system(options["system"], adapter_options)
    transparent = bool(options.get("transparent", False)) or hooks(adapter).transparent
    topology = Topology.star(options["nodes"], options["client_hosts"], transparent=transparent)
    name = "test-" + re.sub(r"[^\w.-]+", "-", test).strip("-")
    folder = RunFolder.create(Path(options["store"]).absolute(), name)  # nodes work in folders of their own
    folder.save(CONFIG, {"config": {"workload": "register", **{k: options[k] for k in ("system", "nodes", "seed")}}})
    cluster_options = ClusterOptions(
        seed=str(options["seed"]),
        rules=tuple(options.get("rule", ())),
        scripts=tuple(os.path.abspath(path) for path in options["rules"]),
        system=options["system"],
        system_options=adapter_options,
    )
    with Cluster(topology, adapter, folder, cluster_options) as cluster:
        yield cluster
    folder.hand_over()
