"""A run's plan as data: what clients will do and what will be done to the cluster, before anything happens.

The plan is a pure function of configuration and seed, and the same byte for byte for the same seed. It holds no time of
day and no process id. Two things are decided only while the run lasts, and the plan names them by word: what a cas
expects (what its client last saw) and who "the leader" is.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson

from raftmon.adapters.base import Adapter
from raftmon.adapters.capabilities import capability
from raftmon.adapters.hooks import hooks
from raftmon.adapters.systems import with_server
from raftmon.driver.checkers.checkers import installed_checkers
from raftmon.driver.faults.base import Fault, Target
from raftmon.driver.faults.faults import (
    fault_kind,
    make_fault,
    random_faults,
)
from raftmon.driver.faults.kind import FaultKind
from raftmon.driver.faults.schedule import PlannedFault, check_triggers, plan_faults
from raftmon.driver.run.config import DEFAULT_FAULTS, RunConfig
from raftmon.driver.topologies import Placement, Quality, place
from raftmon.driver.workloads.base import Workload, slot_random
from raftmon.driver.workloads.needs import check_needs
from raftmon.driver.workloads.workloads import workload
from raftmon.monitor.message_rules.trigger_words import parse_trigger, split_waiting
from raftmon.monitor.raft.codecs.table import all_codecs, codec_of
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Topology

__all__ = ["DIGESTED_CALLS", "RunPlan", "calls_digest", "make_plan"]

DIGESTED_CALLS = 200  # of each slot: enough to tell two plans apart, cheap enough for a thousand slots


def calls_digest(workload: Workload, seed: str, slots: int) -> str:
    """SHA-256 over the first calls of every slot, as they are as long as nothing has been seen."""
    digest = hashlib.sha256()
    for slot in range(slots):
        plan = workload.slot(slot, slots, slot_random(seed, slot))
        digest.update(orjson.dumps([tuple(plan.next())[:3] for _ in range(DIGESTED_CALLS)], default=str))
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a configuration and its seed come to, before anything runs: pure data."""

    config: RunConfig
    topology: Topology
    faults: tuple[PlannedFault, ...]
    client_traffic: bool
    placement: Placement
    disks: bool = False

    def to_json(self) -> dict[str, Any]:
        """The same for the same configuration and seed, byte for byte."""
        return {
            "config": self.config.to_json(),
            "nodes": {node.name: [node.address, node.presented] for node in self.topology.nodes},
            "client_hosts": {host.name: host.address for host in self.topology.clients},
            "faults": [fault.to_json() for fault in self.faults],
            "links": list(self.placement.rules),
            "sites": dict(self.placement.sites),
            "workload": self.workload.parameters(),
            "calls_sha256": calls_digest(self.workload, self.config.seed, self.config.clients),
        }

    @property
    def workload(self) -> Workload:
        """The workload that the clients do, freshly made."""
        return workload(self.config.workload, self.config.workload_parameters())

    def to_bytes(self) -> bytes:
        """The plan as JSON, keys sorted, one trailing newline: ``plan.json``."""
        return orjson.dumps(
            self.to_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
        )


class _NotStarted:
    """The cluster a fault is asked about before there is one: its topology and what its system can do."""

    def __init__(self, topology: Topology, adapter: Adapter) -> None:
        self.topology = topology
        self._adapter = adapter

    def capability(self, kind: type) -> Any:
        """As the live cluster's."""
        return capability(self._adapter, kind)


def _impossible(fault: Fault, topology: Topology, adapter: Adapter) -> str | None:
    """Why a fault can certainly not be done on so many nodes of such a system; None where only the run can tell."""
    try:
        return fault.available(cast(Target, _NotStarted(topology, adapter)))
    except AttributeError:  # it asks for what only a live cluster has
        return None


def _possible(
    faults: list[PlannedFault],
    kinds: Mapping[str, FaultKind],
    config: RunConfig,
    topology: Topology,
    adapter: Adapter,
) -> list[PlannedFault]:
    """The faults that can be done on this cluster. Raises InputError for one that was asked for by name and cannot;
    of the default ones it is left out, of random ones it is an event of the run.
    """
    possible = []
    for planned in faults:
        fault = make_fault(planned.name, planned.options, topology.node_names())
        reason = kinds[planned.name].why_not(planned.name, len(topology.nodes)) or _impossible(fault, topology, adapter)
        if reason is None or config.faults.startswith("random"):
            possible.append(planned)
        elif config.faults != DEFAULT_FAULTS:
            raise InputError(f"--fault {planned.name} cannot be done here: {reason}")
    return possible


def make_plan(config: RunConfig, adapter: Adapter) -> RunPlan:
    """The plan of a configuration: a pure function of it and of what is installed. Raises InputError.

    Every installed codec and checker is loaded here: one that cannot be must not show when the run needs it.
    """
    installed_checkers()
    has_nodes = hooks(adapter).nodes_needed
    if hooks(adapter).transparent:  # its nodes can only listen on the address their peers know them by
        config = dataclasses.replace(config, transparent=True)
    placement = _place(config)
    topology = placement.topology
    if not has_nodes:
        topology = dataclasses.replace(topology, nodes=())
        config = dataclasses.replace(config, monitored=False)  # there are no wires to stand on
    check_needs(workload(config.workload, config.workload_parameters()), adapter)
    faults = plan_faults(
        config.faults,
        functools.partial(fault_kind, nodes=topology.node_names()),
        config.duration_s,
        seed=config.seed,
        mtbf_s=config.mtbf_s,
        random_from=random_faults(),
    )
    kinds = {fault.name: fault_kind(fault.name, topology.node_names()) for fault in faults}
    faults = [_with_mtbf(fault, kinds[fault.name], config) for fault in faults]
    if faults and not has_nodes:
        raise InputError(f"--fault: {config.system} has no nodes of its own to do anything to; use --fault none")
    if faults and not config.monitored:
        raise InputError("--fault needs the monitor: leave --no-monitor out, or use --fault none")
    for planned in faults:
        make_fault(planned.name, planned.options, topology.node_names())
    for name in (config.pin or "").split(",") if config.pin else ():
        if name.strip() not in topology.node_names():
            known_nodes = ", ".join(topology.node_names())
            raise InputError(f"--pin: unknown node {name.strip()!r} (available: {known_nodes})")
    _check_servers(config, topology, faults, kinds)
    spares = sum(kinds[fault.name].spares for fault in faults)
    if has_nodes and spares:
        placement = _place(config, spares)
        topology = placement.topology
    faults = _possible(faults, kinds, config, topology, adapter)
    check_triggers(faults, [host.name for host in topology.hosts()])
    followed = _is_followed(adapter, config)
    if any(fault.when for fault in faults) and not followed:
        raise InputError(
            "--fault: @when waits for messages as they are recorded: use a system whose messages raftmon reads "
            "(docs/raft.md), without --no-record, or give the fault a time such as @5s..8s"
        )
    for fault in faults:
        _check_messages(fault.name, kinds[fault.name], adapter, config)
    if placement.rules and not config.monitored:
        raise InputError("the links of a topology are the monitor's work: leave --no-monitor out, or the link options")
    _check_rules(config.rules, [host.name for host in topology.hosts()])
    for script in config.scripts:
        if not Path(script).is_file():
            raise InputError(f"--rules: there is no file {script}")
    client_traffic = placement.client_traffic or any(kinds[fault.name].client_traffic for fault in faults)
    disks = any(kinds[fault.name].disks for fault in faults)
    return RunPlan(config, topology, tuple(faults), client_traffic, placement, disks)


def _check_servers(
    config: RunConfig, topology: Topology, faults: Sequence[PlannedFault], kinds: Mapping[str, FaultKind]
) -> None:
    """Raise InputError for a node that there is not, or a server that cannot be had.

    What an upgrade needs is fetched here, before the sandbox is entered: inside there is no network.
    """
    for node in config.servers:
        if node not in topology.node_names():
            known_nodes = ", ".join(topology.node_names())
            raise InputError(f"--server: unknown node {node!r} (available: {known_nodes})")
    for fault in faults:
        for option, known in kinds[fault.name].options.items():
            if known.selects == "server":
                with_server(config.system, fault.options.get(option, known.default) or None, {})


def _check_messages(name: str, kind: FaultKind, adapter: Adapter, config: RunConfig) -> None:
    """Raise InputError for a fault on single messages that this system's protocol does not allow."""
    if not kind.messages:
        return
    if not _is_followed(adapter, config):
        raise InputError(
            f"--fault {name} acts on single messages: use a system whose messages raftmon edits (docs/raft.md), "
            "without --no-record"
        )
    codec = codec_of(adapter.name, all_codecs(config.codecs))
    if codec is not None and (why := codec.refuses.get(kind.messages)) is not None:
        raise InputError(f"--fault {name}: {kind.messages} is impossible with {codec.name}: {why}")


def _is_followed(adapter: Adapter, config: RunConfig) -> bool:
    """Whether triggers can follow the messages of this run as they pass."""
    codec = codec_of(adapter.name, all_codecs(config.codecs))
    return config.record and codec is not None and (codec.editable or codec.unit is not None)


def _check_rules(lines: Sequence[str], names: list[str]) -> None:
    """Raise InputError for a line that is no rule, of those that wait for a trigger too."""
    rules = []
    for line in lines:
        waiting = split_waiting(line)
        if waiting is not None:
            parse_trigger(waiting[0], names)
        rules.append(line if waiting is None else waiting[1])
    ruleset_from_items(rules, names)


def _with_mtbf(fault: PlannedFault, kind: FaultKind, config: RunConfig) -> PlannedFault:
    """``--mtbf`` is meant for faults that come and go, too, unless they have their own."""
    if "mtbf" not in kind.options or "mtbf" in fault.options:
        return fault
    return dataclasses.replace(fault, options={**fault.options, "mtbf": f"{config.mtbf_s:g}s"})


def _place(config: RunConfig, spares: int = 0) -> Placement:
    """The hosts and their links. Raises InputError."""
    placement = place(
        config.topology,
        config.nodes,
        config.client_hosts,
        transparent=config.transparent or not config.monitored,
        quality=Quality(config.link_latency_ms, config.link_jitter_ms, config.link_loss_percent),
        spares=spares,
    )
    hosts = len(placement.topology.clients)
    if hosts > config.clients:
        raise InputError(
            f"the topology {config.topology} has {hosts} client hosts but --clients is {config.clients}: "
            "every client host needs at least one client"
        )
    return placement
