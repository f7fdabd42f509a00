"""reckon's command line, with its names and defaults, as a RunConfig.

    reckon:   python -m reckon  SYSTEM TOPOLOGY WORKLOAD FAILURE [options]
    raftmon:  raftmon reckon    SYSTEM TOPOLOGY WORKLOAD FAILURE [options]

docs/reckon.md says of each option what it means here and there.
"""

from __future__ import annotations

import argparse
from typing import Any

from raftmon.adapters.systems import system_kind, with_server
from raftmon.driver.run.config import RunConfig
from raftmon.setup.errors import InputError

__all__ = ["FAILURES", "add_reckon_options", "config_of"]

THREADS = 32
"""Client threads a client host, unless it is said otherwise: what may be in flight at once."""

FAILURES = {
    "none": "none",
    "leader": "leader",
    "leader-recovery": "leader-recovery",
    "partial-partition": "partial-partition@33.3333%..66.6667%",
    "intermittent-partial": "intermittent-partial@33.3333%..66.6667%",
    "intermittent-full": "intermittent-full@33.3333%..66.6667%",
    "kill-n": "kill-n",
    "stat": "none",
}
"""reckon's failures as our faults. Its faults are fence posts, spread evenly from second 0 to the end: kill and
restart, or cut and join, at one and two thirds; ``leader`` at one half."""


def add_reckon_options(made: argparse.ArgumentParser) -> None:
    """Reckon's arguments, then the few of ours that go with them."""
    add = made.add_argument
    add("system_type", metavar="SYSTEM", help="etcd, etcd-pre-vote, zookeeper, or any system of raftmon run")
    add("topo_type", metavar="TOPOLOGY", choices=("simple", "wan"), help="simple or wan")
    add("workload_type", metavar="WORKLOAD", choices=("uniform",), help="uniform")
    add("failure_type", metavar="FAILURE", choices=tuple(FAILURES), help=", ".join(FAILURES))
    add("--number-nodes", type=int, default=3, metavar="N", help="nodes (default: 3)")
    add("--number-clients", type=int, default=1, metavar="N", help="client hosts; wan has one a node (default: 1)")
    add("--link-latency", type=float, default=20, metavar="MS", help="one-way latency between hosts (default: 20)")
    add("--link-jitter", type=float, default=0, metavar="F", help="jitter as a share of the latency (default: 0)")
    add("--link-loss", type=float, default=0, metavar="P", help="percentage of packets lost (default: 0)")
    add("--rate", type=float, default=100, metavar="R", help="operations a second in all (default: 100)")
    add("--write-ratio", type=float, default=1, metavar="F", help="share of writes (default: 1)")
    add("--max-key", type=int, default=1, metavar="N", help="keys are 0 to N (default: 1)")
    add("--payload-size", type=int, default=10, metavar="B", help="bytes a written value (default: 10)")
    add("--arrival", default="uniform", metavar="HOW", help="uniform or poisson (default: uniform)")
    add("--mtbf", type=float, default=1, metavar="S", help="intermittent ones: seconds cut and joined (default: 1)")
    add("--kill-n", type=int, default=0, metavar="N", help="nodes that kill-n kills (default: 0)")
    add("--duration", type=float, default=60, metavar="S", help="seconds of work (default: 60)")
    add("--result-location", default="test.res", metavar="FILE", help="reckon's result file (default: test.res)")
    add("--failure_timeout", "--failure-timeout", type=float, default=1, metavar="S",
        help="election timeout of etcd in seconds; heartbeats are a tenth of it (default: 1)")  # fmt: skip
    add("-d", dest="debug", action="store_true", help="a prompt with the cluster up, instead of an experiment")
    for name in ("--client", "--system_logs", "--data-dir", "--new_client_per_request", "--delay_interval"):
        add(name, metavar="X", help="taken and not used: see docs/reckon.md")
    add("--threads", type=int, default=THREADS, metavar="N", help=f"raftmon: threads a client host (default {THREADS})")
    add("--server", metavar="SPEC", help="raftmon: the server, as in raftmon run")
    add("--op-timeout", type=float, default=2, metavar="S", help="raftmon: how long a client waits (default: 2)")
    add("--seed", metavar="N", help="raftmon: all chance comes from it (default: drawn, and shown)")


def config_of(arguments: argparse.Namespace) -> RunConfig:
    """The experiment as a RunConfig. Raises InputError."""
    if arguments.system_type == "zookeeper-fle":
        raise InputError("zookeeper-fle is reckon's own build of ZooKeeper; there is zookeeper")
    if arguments.threads < 1 or arguments.number_clients < 1:
        raise InputError("--threads and --number-clients must be at least 1")
    hosts = arguments.number_nodes if arguments.topo_type == "wan" else arguments.number_clients
    server = with_server(arguments.system_type, arguments.server, {}).get("server")
    return RunConfig(
        system=arguments.system_type,
        server=server,
        nodes=arguments.number_nodes,
        client_hosts=hosts,
        clients=hosts * arguments.threads,
        rate=arguments.rate,
        arrival=arguments.arrival,
        faults=_fault(arguments),
        mtbf_s=arguments.mtbf,
        duration_s=float(int(arguments.duration)),
        seed=arguments.seed or "0",
        name=f"reckon-{arguments.system_type}-{arguments.topo_type}-{arguments.failure_type}",
        op_timeout_s=arguments.op_timeout,
        workload=arguments.workload_type,
        workload_options=(
            f"max_key={arguments.max_key}",
            f"payload_size={arguments.payload_size}",
            f"write_ratio={arguments.write_ratio}",
        ),
        topology=arguments.topo_type,
        link_latency_ms=arguments.link_latency,
        link_jitter_ms=arguments.link_jitter * arguments.link_latency,
        link_loss_percent=arguments.link_loss,
        options=_system_options(arguments),
    )


def _fault(arguments: argparse.Namespace) -> str:
    if arguments.failure_type != "kill-n":
        return FAILURES[arguments.failure_type]
    return f"kill-n(n={arguments.kill_n})" if arguments.kill_n > 0 else "none"


def _system_options(arguments: argparse.Namespace) -> dict[str, Any]:
    if not system_kind(arguments.system_type).takes_election_ms:
        return {}
    election_ms = int(arguments.failure_timeout * 1000)
    return {"election_ms": election_ms, "heartbeat_ms": max(1, election_ms // 10)}
