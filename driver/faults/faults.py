"""Registry of faults: one row each, entry points of ``raftmon.faults``, or a ``.py`` file.

To add one, write its class and a row in ``_FAULTS``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from raftmon.driver.faults.base import Fault
from raftmon.driver.faults.duty import PauseClients
from raftmon.driver.faults.kind import FaultKind, FaultOption
from raftmon.driver.faults.links import Cut, Jam
from raftmon.driver.faults.makers import (
    BYTES,
    CLOCK_NODE,
    DISK,
    HOW,
    NODE,
    WHERE,
    WHICH_CLOCK,
    api_kind,
    bit_flip,
    clock_drift,
    clock_jump,
    clock_strobe,
    damage,
    disk_error,
    full_disk,
    intermittent,
    links,
    messages,
    node_kinds,
    on_node,
    partition,
    power_cut,
    slow_disk,
    stutter,
    throttle,
    whole,
)
from raftmon.driver.faults.membership import MemberAdd, MemberRemove, MemberReplace
from raftmon.driver.faults.nodes import Kill, KillN
from raftmon.driver.faults.versions import RollingUpgrade, Upgrade
from raftmon.setup.errors import InputError
from raftmon.setup.kinds import Kinds, first_line

__all__ = ["catalogue", "fault_kind", "fault_kinds", "make_fault", "random_faults"]

_FAULTS: dict[str, FaultKind] = {
    "mute": partition("drops what the leader sends: it hears all and is heard by nobody"),
    "deaf": partition("drops what the leader is sent: it is heard by all and hears nobody"),
    "star": partition("every node reaches only the leader", least_nodes=3),
    "chain": partition("every node reaches only its neighbors in a chain; the leader is at one end", least_nodes=3),
    "cut": FaultKind(
        lambda name, links, how: Cut(name, links, how),
        "cuts the links that are named",
        {"links": FaultOption("n1<->n2", "n1->n2 one way, n1<->n2 both, with + between several"), **HOW},
        least_nodes=2,
    ),
    "jam": FaultKind(
        lambda name, where: Jam(name, where),
        "queues every packet and delivers all of them when the fault ends",
        {"where": WHERE},
        least_nodes=2,
    ),
    "hold-messages": messages("hold", "holds one kind of Raft message and delivers it when the fault ends"),
    "lose-messages": messages("drop", "loses one kind of Raft message; all others pass"),
    "throttle": FaultKind(
        throttle,
        "lets a node run only a share of the time (control group, else SIGSTOP and SIGCONT ten times a second)",
        {
            "node": FaultOption("one", "the nodes", "nodes"),
            "share": FaultOption("20%", "of the processor"),
            "by": FaultOption("auto", "cgroup (a quota; where one can be made), signals, or auto"),
        },
    ),
    "stutter": FaultKind(
        stutter,
        "pauses a node at random times for random lengths",
        {
            "node": FaultOption("one", "the nodes", "nodes"),
            "least": FaultOption("10ms", "the shortest pause"),
            "most": FaultOption("500ms", "the longest pause"),
            "pause": FaultOption("500ms", "mean time between pauses"),
        },
    ),
    "clock-jump": FaultKind(
        clock_jump,
        "sets a node's clock forward or back, and right again when the fault ends",
        {**CLOCK_NODE, "by": FaultOption("1h", "how far; back with -"), "clock": WHICH_CLOCK},
    ),
    "clock-shift": FaultKind(
        clock_jump,
        "the same for the whole run, by little: a node whose clock is wrong",
        {**CLOCK_NODE, "by": FaultOption("500ms", "how far; back with -"), "clock": WHICH_CLOCK},
        window=(0.0, 1.0),
    ),
    "clock-drift": FaultKind(
        clock_drift,
        "lets a node's clock run faster or slower",
        {**CLOCK_NODE, "rate": FaultOption("10%", "how much faster; slower with -"), "clock": WHICH_CLOCK},
    ),
    "clock-strobe": FaultKind(
        clock_strobe,
        "sets a node's wall clock to and fro",
        {
            **CLOCK_NODE,
            "by": FaultOption("5s", "how far; back with -"),
            "every": FaultOption("200ms", "time between changes"),
        },
    ),
    "pause-client": FaultKind(
        lambda name, host: PauseClients(name, host),
        "SIGSTOP of the clients, SIGCONT when the fault ends",
        {"host": FaultOption("one", "the client host: one, all or its name")},
    ),
    "upgrade": FaultKind(
        lambda name, node, to: Upgrade(name, node, to),
        "ends a node and starts another version of its server on the same data, for good",
        {"node": FaultOption("one", "the node", "node"), "to": FaultOption("", "the server: etcd@3.5.30", "server")},
    ),
    "rolling-upgrade": FaultKind(
        lambda name, to: RollingUpgrade(name, to),
        "upgrades node after node, each when the one before serves again, the leader last",
        {"to": FaultOption("", "the server: etcd@3.5.30", "server")},
        window=(0.2, 0.9),
    ),
    "compact": api_kind("compact", "compacts old revisions through the API", "leader"),
    "defragment": api_kind("defragment", "defragments a node's database through the API", "leader", "nodes"),
    "move-leader": api_kind("move-leader", "asks the leader to hand its leadership to another node", None),
    "snapshot": api_kind("snapshot", "saves a snapshot of a node's store through the API", "one"),
    "full-partition": partition("isolates the leader from all other nodes", random=True),
    "full-partition-one": partition("isolates one node from all others"),
    "partial-partition": partition("cuts the leader off from one follower; both still reach the rest", random=True),
    "halves": partition("splits the cluster into two halves", random=True),
    "majority-ring": partition("every node reaches a majority, no two nodes the same one", least_nodes=4),
    "bridge": partition("two halves, connected by one node", least_nodes=3),
    "one-way": partition("drops what the leader sends; it still receives", random=True),
    "client-from-node": partition("cuts the clients off from one node", least_nodes=1, client_traffic=True),
    "slow-links": links(
        "delays packets on every link",
        "delay {delay} ±{jitter}",
        random=True,
        delay="100ms: delay",
        jitter="10ms: jitter: ± this much",
    ),
    "lossy-links": links("drops packets at random on every link", "loss {loss}", random=True, loss="10%: the share"),
    "duplicated-packets": links("duplicates packets on every link", "duplicate {share}", share="10%: the share"),
    "reordered-packets": links(
        "reorders packets on every link",
        "reorder {time} {share}",
        share="10%: the share of packets held back",
        time="20ms: how long they are",
    ),
    "rate-limit": links("limits the bandwidth of every link", "rate {rate}", rate="512kbit: bits a second"),
    "leader": FaultKind(
        on_node(Kill, "leader"),
        "reckon's: SIGKILL of the leader half-way through the run, never restarted",
        window=(0.5, 1.0),
    ),
    "leader-recovery": FaultKind(
        on_node(Kill, "leader"), "reckon's: SIGKILL of the leader, restarted after a third of the run"
    ),
    "kill-n": FaultKind(
        lambda name, n: KillN(name, whole(name, "n", n)),
        "SIGKILL of the first n nodes for the whole run",
        {"n": FaultOption("1", "number of nodes")},
        window=(0.0, 1.0),
    ),
    "intermittent-partial": intermittent("link between the leader and one follower, cut and healed every mtbf"),
    "intermittent-full": intermittent("one follower, isolated and healed every mtbf"),
    "member-add": FaultKind(MemberAdd, "adds a member, removed when the fault ends", spares=1),
    "member-remove": FaultKind(
        lambda name, node: MemberRemove(name, node), "removes a member, added again (empty) when the fault ends", NODE
    ),
    "member-replace": FaultKind(
        lambda name, node: MemberReplace(name, node), "removes a member and adds an empty one in its place", NODE
    ),
    "wal-truncate": FaultKind(damage, "SIGKILL, truncate the write-ahead log, restart", {**NODE, "bytes": BYTES}),
    "wal-flip": FaultKind(
        damage, "SIGKILL, flip a bit at the end of the write-ahead log, restart", {**NODE, "bytes": BYTES}
    ),
    "wal-unsynced": FaultKind(damage, "SIGKILL, drop what the write-ahead log had not synced, restart", NODE),
    "bit-flip": FaultKind(
        bit_flip,
        "SIGKILL, flip one bit of a file in the data folder, restart",
        {
            **NODE,
            "file": FaultOption("*", "file of the data folder; * and ? are wildcards"),
            "byte": FaultOption("", "offset of the byte (by default any that was written)"),
        },
    ),
    "power-cut": FaultKind(
        power_cut,
        "kills nodes and loses everything they had not synced",
        {
            **DISK,
            "keep": FaultOption("0", "probability that an unsynced page reached the disk"),
            "torn": FaultOption("0", "probability that it did so partially (torn)"),
        },
        disks=True,
    ),
    "slow-disk": FaultKind(
        slow_disk,
        "slows disk operations down",
        {
            **DISK,
            "delay": FaultOption("20ms", "delay"),
            "jitter": FaultOption("0ms", "jitter: ± this much"),
            "calls": FaultOption("write,fsync", "affected operations"),
        },
        disks=True,
    ),
    "full-disk": FaultKind(
        full_disk,
        "the disk is full (ENOSPC)",
        {**DISK, "room": FaultOption("0", "bytes of free space left")},
        disks=True,
    ),
    "disk-error": FaultKind(
        disk_error,
        "disk operations fail with EIO",
        {
            **DISK,
            "calls": FaultOption("fsync", "affected operations"),
            "chance": FaultOption("100%", "probability that a call fails"),
            "count": FaultOption("0", "maximum number of failures (0: no limit)"),
        },
        disks=True,
    ),
    "slow-node": links(
        "delays packets on all links of one node",
        "delay {delay}",
        where=FaultOption("one", "the affected node", "nodes"),
        delay="100ms: delay",
    ),
}


def _adopted(name: str, thing: Any) -> FaultKind:
    """A class of another user's without a row: its parameters after the name are its options."""
    if isinstance(thing, FaultKind):
        return thing
    if not callable(thing):
        raise InputError(f"the fault {name} is no fault's class and no FaultKind: see docs/faults.md")
    parameters = list(inspect.signature(thing).parameters.values())[1:]
    for one in parameters:
        if one.default is one.empty:
            raise InputError(f"the fault {name}: its parameter {one.name} has no default; options need one")
    options = {one.name: FaultOption(str(one.default), "") for one in parameters}
    return FaultKind(thing, first_line(thing), options)


def _fits(thing: Any) -> bool:
    is_class = isinstance(thing, type) and all(
        callable(getattr(thing, verb, None)) for verb in ("available", "start", "stop")
    )
    return is_class or isinstance(thing, FaultKind)


_KINDS = Kinds("fault", "raftmon.faults", _adopted, _fits, "FAULT", "class with available, start, stop")


def catalogue(nodes: tuple[str, ...] = ()) -> dict[str, FaultKind]:
    """Every built-in fault for a cluster with these nodes, by name."""
    return {**node_kinds(nodes), **_FAULTS}


def fault_kinds(nodes: tuple[str, ...] = ()) -> dict[str, FaultKind]:
    """Every row by name, those of installed packages too."""
    return _KINDS.rows(catalogue(nodes))


def fault_kind(name: str, nodes: tuple[str, ...] = ()) -> FaultKind:
    """The row of a fault, by name or ``.py`` path. Raises InputError with the available names."""
    return _KINDS.find(name, catalogue(nodes), ", none, random, or FILE.py")


def random_faults() -> tuple[str, ...]:
    """What ``--fault random`` draws from."""
    return tuple(name for name, kind in catalogue().items() if kind.random)


def make_fault(name: str, options: Mapping[str, str], nodes: tuple[str, ...]) -> Fault:
    """A fresh fault of that name; raises InputError for a name or an option that there is not."""
    return fault_kind(name, nodes).made(name, options, nodes)
