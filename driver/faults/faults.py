"""Registry of faults: one row each, entry points of ``raftmon.faults``, or a ``.py`` file.

To add one, write its class and a row in ``_FAULTS``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from raftmon.driver.faults.api import ApiFault
from raftmon.driver.faults.base import Fault
from raftmon.driver.faults.clocks import CLOCKS, ClockFault
from raftmon.driver.faults.decay import BitFlip
from raftmon.driver.faults.disks import DiskFault, PowerCut
from raftmon.driver.faults.duty import PERIOD_S, DutyCycle, PauseClients
from raftmon.driver.faults.intermittent import Intermittent
from raftmon.driver.faults.kind import FaultKind, FaultOption
from raftmon.driver.faults.links import BadLinks, Cut, Jam, Partition
from raftmon.driver.faults.membership import MemberAdd, MemberRemove, MemberReplace
from raftmon.driver.faults.nodes import Kill, KillN, Pause, Restart
from raftmon.driver.faults.selectors import SELECTORS
from raftmon.driver.faults.versions import RollingUpgrade, Upgrade
from raftmon.driver.faults.wal import WalDamage
from raftmon.driver.quantities import duration_s
from raftmon.setup.disks.behaviour import OPERATIONS, Behaviour
from raftmon.setup.disks.pages import Cut as DiskCut
from raftmon.setup.errors import InputError
from raftmon.setup.kinds import Kinds, first_line

__all__ = ["catalogue", "fault_kind", "fault_kinds", "make_fault", "random_faults"]

_HOW = {"how": FaultOption("drop", "drop (silence) or reject (resets)")}
_WHERE = FaultOption("all", "nodes whose links are affected", "nodes")
_NODE = {"node": FaultOption("follower", "the affected node", "node")}
_DISK = {"node": FaultOption("one", "nodes whose disks are affected", "nodes")}
_CLOCK_NODE = {"node": FaultOption("one", "nodes whose clocks are affected", "nodes")}
_WHICH_CLOCK = FaultOption("wall", "wall, monotonic or both")
_BYTES = FaultOption("", "bytes at the end of the log (default: 256 to truncate, one bit of the last 4096 to flip)")

_VERBS: dict[str, tuple[Callable[[str, str], Fault], str]] = {
    "kill": (Kill, "SIGKILL, restarted when the fault ends:"),
    "pause": (Pause, "SIGSTOP, SIGCONT when the fault ends:"),
    "restart": (Restart, "SIGKILL and immediate restart:"),
}
_RANDOM_NODE_FAULTS = ("kill-leader", "kill-one", "pause-leader", "pause-one", "restart-one")


def _whole(name: str, option: str, text: str) -> int:
    if not text.isdigit():
        raise InputError(f"--fault {name}: {option}={text} is not a whole number")
    return int(text)


def _chance(name: str, option: str, text: str) -> float:
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise InputError(f"--fault {name}: {option}={text} is no chance: give 0 to 1, or a percentage")
    return number


def _calls(name: str, text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.replace("+", ",").split(","))
    for call in found:
        if call not in OPERATIONS:
            raise InputError(f"--fault {name}: a disk has no call {call!r} (available: {', '.join(OPERATIONS)})")
    return found


def _on_node(fault: Callable[[str, str], Fault], selector: str) -> Callable[..., Fault]:
    return lambda name: fault(name, selector)


def _node_kinds(names: tuple[str, ...]) -> dict[str, FaultKind]:
    kinds = {}
    for verb, (fault, words) in _VERBS.items():
        for selector in (*SELECTORS, *names):
            name = f"{verb}-{selector}"
            kinds[name] = FaultKind(
                _on_node(fault, selector),
                f"{words} {selector}",
                random=name in _RANDOM_NODE_FAULTS,
            )
    for selector in (*SELECTORS, *names):
        kinds[f"defragment-{selector}"] = FaultKind(
            _on_one(_api("defragment"), selector),
            f"defragments the database: {selector}",
            {"every": FaultOption("", "repeat it after this time until the fault ends")},
        )
    return kinds


def _partition(summary: str, *, least_nodes: int = 2, random: bool = False, client_traffic: bool = False) -> FaultKind:
    return FaultKind(
        lambda name, how: Partition(name, how, least_nodes),
        summary,
        _HOW,
        random=random,
        least_nodes=least_nodes,
        client_traffic=client_traffic,
    )


def _links(
    summary: str, action: str, *, where: FaultOption = _WHERE, random: bool = False, **options: str
) -> FaultKind:
    """Rules on links. ``action`` is the rule's, with the options in braces; each option is ``default: help``."""
    known = {name: FaultOption(*text.split(": ", 1)) for name, text in options.items()}
    return FaultKind(
        lambda name, where, **values: BadLinks(name, action.format(**values), where),
        summary,
        {**known, "where": where},
        random=random,
        least_nodes=2,
    )


def _intermittent(summary: str) -> FaultKind:
    return FaultKind(
        lambda name, mtbf, how: Intermittent(name, duration_s(mtbf, f"--fault {name}(mtbf=)"), how),
        summary,
        {"mtbf": FaultOption("1s", "how long the cut lasts, and the pause before the next (default: --mtbf)"), **_HOW},
        least_nodes=2,
    )


def _damage(name: str, node: str, bytes: str = "") -> Fault:
    return WalDamage(name, node, _whole(name, "bytes", bytes) if bytes else None)


def _bit_flip(name: str, node: str, file: str, byte: str = "") -> Fault:
    return BitFlip(name, node, file, _whole(name, "byte", byte) if byte else None)


def _power_cut(name: str, node: str, keep: str, torn: str) -> Fault:
    return PowerCut(name, node, DiskCut(_chance(name, "keep", keep), _chance(name, "torn", torn)))


def _slow_disk(name: str, node: str, delay: str, jitter: str, calls: str) -> Fault:
    delay_ms = duration_s(delay, f"--fault {name}(delay=)") * 1000
    jitter_ms = duration_s(jitter, f"--fault {name}(jitter=)") * 1000
    slowed = {f"{call}_ms": delay_ms for call in _calls(name, calls)}
    behaviour = Behaviour.from_json({"jitter_ms": jitter_ms, **slowed})
    return DiskFault(name, node, behaviour, f"{calls} take {delay} longer")


def _full_disk(name: str, node: str, room: str) -> Fault:
    return DiskFault(name, node, Behaviour(), "full", _whole(name, "room", room))


def _disk_error(name: str, node: str, calls: str, chance: str, count: str) -> Fault:
    failing = Behaviour(
        fail=_calls(name, calls), fail_chance=_chance(name, "chance", chance), fail_count=_whole(name, "count", count)
    )
    return DiskFault(name, node, failing, f"{calls} fail ({chance})")


def _api(operation: str) -> Callable[..., Fault]:
    def make(name: str, node: str = "leader", every: str = "") -> Fault:
        every_s = duration_s(every, f"--fault {name}(every=)") if every else None
        if every_s is not None and every_s < 0.05:
            raise InputError(f"--fault {name}: every={every} is too often: give 50ms or more")
        return ApiFault(name, operation, node, every_s)

    return make


def _api_kind(operation: str, summary: str, node: str | None, selects: str = "node") -> FaultKind:
    options = {"every": FaultOption("", "repeat it after this time until the fault ends")}
    if node is not None:
        options = {"node": FaultOption(node, "the node it is asked of", selects), **options}
    return FaultKind(_api(operation), summary, options)


def _on_one(make: Callable[..., Fault], node: str) -> Callable[..., Fault]:
    return lambda name, **options: make(name, node=node, **options)


def _offset(name: str, by: str) -> float:
    sign = -1 if by.startswith("-") else 1
    return sign * duration_s(by.lstrip("+-"), f"--fault {name}(by=)")


def _which_clock(name: str, clock: str, forward: bool) -> str:
    if clock not in CLOCKS:
        raise InputError(f"--fault {name}: clock={clock} is no clock (available: {', '.join(CLOCKS)})")
    if clock != "wall" and not forward:
        raise InputError(f"--fault {name}: a monotonic clock never goes back: give clock=wall, or a time forward")
    return clock


def _clock_jump(name: str, node: str, by: str, clock: str) -> Fault:
    offset_s = _offset(name, by)
    return ClockFault(name, node, lambda _s: offset_s, f"{offset_s:+g} s", _which_clock(name, clock, offset_s >= 0))


def _clock_drift(name: str, node: str, rate: str, clock: str) -> Fault:
    share = (-1 if rate.startswith("-") else 1) * _chance(name, "rate", rate.lstrip("+-"))
    words = f"{share:+.3%} of the time that goes by"
    return ClockFault(name, node, lambda s: s * share, words, _which_clock(name, clock, share >= 0))


def _clock_strobe(name: str, node: str, by: str, every: str) -> Fault:
    offset_s = _offset(name, by)
    every_s = duration_s(every, f"--fault {name}(every=)")
    if every_s < 0.05:
        raise InputError(f"--fault {name}: every={every} is too often: give 50ms or more")
    words = f"to and fro by {offset_s:+g} s every {every}"
    return ClockFault(name, node, lambda s: offset_s * (int(s / every_s) % 2 == 0), words)


def _throttle(name: str, node: str, share: str) -> Fault:
    part = _chance(name, "share", share)
    if not 0.01 <= part < 1:
        raise InputError(f"--fault {name}: share={share}: give 1% to 99%")
    return DutyCycle(
        name, node, lambda _random: PERIOD_S * (1 - part), lambda _random: PERIOD_S * part, f"{share} of the processor"
    )


def _stutter(name: str, node: str, least: str, most: str, pause: str) -> Fault:
    least_s, most_s, pause_s = (
        duration_s(text, f"--fault {name}({option}=)")
        for option, text in (("least", least), ("most", most), ("pause", pause))
    )
    if not 0 < least_s <= most_s or not pause_s > 0:
        raise InputError(f"--fault {name}: give least above 0, most at least as long, and pause above 0")
    return DutyCycle(
        name,
        node,
        lambda random: random.uniform(least_s, most_s),
        lambda random: random.expovariate(1 / pause_s),
        f"paused for {least} to {most}, about every {pause}",
    )


_FAULTS: dict[str, FaultKind] = {
    "mute": _partition("drops what the leader sends: it hears all and is heard by nobody"),
    "deaf": _partition("drops what the leader is sent: it is heard by all and hears nobody"),
    "star": _partition("every node reaches only the leader", least_nodes=3),
    "chain": _partition("every node reaches only its neighbors in a chain; the leader is at one end", least_nodes=3),
    "cut": FaultKind(
        lambda name, links, how: Cut(name, links, how),
        "cuts the links that are named",
        {"links": FaultOption("n1<->n2", "n1->n2 one way, n1<->n2 both, with + between several"), **_HOW},
        least_nodes=2,
    ),
    "jam": FaultKind(
        lambda name, where: Jam(name, where),
        "queues every packet and delivers all of them when the fault ends",
        {"where": _WHERE},
        least_nodes=2,
    ),
    "throttle": FaultKind(
        _throttle,
        "lets a node run only a share of the time (SIGSTOP and SIGCONT, ten times a second)",
        {"node": FaultOption("one", "the nodes", "nodes"), "share": FaultOption("20%", "of the time it runs")},
    ),
    "stutter": FaultKind(
        _stutter,
        "pauses a node at random times for random lengths",
        {
            "node": FaultOption("one", "the nodes", "nodes"),
            "least": FaultOption("10ms", "the shortest pause"),
            "most": FaultOption("500ms", "the longest pause"),
            "pause": FaultOption("500ms", "mean time between pauses"),
        },
    ),
    "clock-jump": FaultKind(
        _clock_jump,
        "sets a node's clock forward or back, and right again when the fault ends",
        {**_CLOCK_NODE, "by": FaultOption("1h", "how far; back with -"), "clock": _WHICH_CLOCK},
    ),
    "clock-shift": FaultKind(
        _clock_jump,
        "the same for the whole run, by little: a node whose clock is wrong",
        {**_CLOCK_NODE, "by": FaultOption("500ms", "how far; back with -"), "clock": _WHICH_CLOCK},
        window=(0.0, 1.0),
    ),
    "clock-drift": FaultKind(
        _clock_drift,
        "lets a node's clock run faster or slower",
        {**_CLOCK_NODE, "rate": FaultOption("10%", "how much faster; slower with -"), "clock": _WHICH_CLOCK},
    ),
    "clock-strobe": FaultKind(
        _clock_strobe,
        "sets a node's wall clock to and fro",
        {
            **_CLOCK_NODE,
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
    "compact": _api_kind("compact", "compacts old revisions through the API", "leader"),
    "defragment": _api_kind("defragment", "defragments a node's database through the API", "leader", "nodes"),
    "move-leader": _api_kind("move-leader", "asks the leader to hand its leadership to another node", None),
    "full-partition": _partition("isolates the leader from all other nodes", random=True),
    "full-partition-one": _partition("isolates one node from all others"),
    "partial-partition": _partition("cuts the leader off from one follower; both still reach the rest", random=True),
    "halves": _partition("splits the cluster into two halves", random=True),
    "majority-ring": _partition("every node reaches a majority, no two nodes the same one", least_nodes=4),
    "bridge": _partition("two halves, connected by one node", least_nodes=3),
    "one-way": _partition("drops what the leader sends; it still receives", random=True),
    "client-from-node": _partition("cuts the clients off from one node", least_nodes=1, client_traffic=True),
    "slow-links": _links(
        "delays packets on every link",
        "delay {delay} ±{jitter}",
        random=True,
        delay="100ms: delay",
        jitter="10ms: jitter: ± this much",
    ),
    "lossy-links": _links("drops packets at random on every link", "loss {loss}", random=True, loss="10%: the share"),
    "duplicated-packets": _links("duplicates packets on every link", "duplicate {share}", share="10%: the share"),
    "reordered-packets": _links(
        "reorders packets on every link",
        "reorder {time} {share}",
        share="10%: the share of packets held back",
        time="20ms: how long they are",
    ),
    "rate-limit": _links("limits the bandwidth of every link", "rate {rate}", rate="512kbit: bits a second"),
    "leader": FaultKind(
        _on_node(Kill, "leader"),
        "reckon's: SIGKILL of the leader half-way through the run, never restarted",
        window=(0.5, 1.0),
    ),
    "leader-recovery": FaultKind(
        _on_node(Kill, "leader"), "reckon's: SIGKILL of the leader, restarted after a third of the run"
    ),
    "kill-n": FaultKind(
        lambda name, n: KillN(name, _whole(name, "n", n)),
        "SIGKILL of the first n nodes for the whole run",
        {"n": FaultOption("1", "number of nodes")},
        window=(0.0, 1.0),
    ),
    "intermittent-partial": _intermittent("link between the leader and one follower, cut and healed every mtbf"),
    "intermittent-full": _intermittent("one follower, isolated and healed every mtbf"),
    "member-add": FaultKind(MemberAdd, "adds a member, removed when the fault ends", spares=1),
    "member-remove": FaultKind(
        lambda name, node: MemberRemove(name, node), "removes a member, added again (empty) when the fault ends", _NODE
    ),
    "member-replace": FaultKind(
        lambda name, node: MemberReplace(name, node), "removes a member and adds an empty one in its place", _NODE
    ),
    "wal-truncate": FaultKind(_damage, "SIGKILL, truncate the write-ahead log, restart", {**_NODE, "bytes": _BYTES}),
    "wal-flip": FaultKind(
        _damage, "SIGKILL, flip a bit at the end of the write-ahead log, restart", {**_NODE, "bytes": _BYTES}
    ),
    "wal-unsynced": FaultKind(_damage, "SIGKILL, drop what the write-ahead log had not synced, restart", _NODE),
    "bit-flip": FaultKind(
        _bit_flip,
        "SIGKILL, flip one bit of a file in the data folder, restart",
        {
            **_NODE,
            "file": FaultOption("*", "file of the data folder; * and ? are wildcards"),
            "byte": FaultOption("", "offset of the byte (by default any that was written)"),
        },
    ),
    "power-cut": FaultKind(
        _power_cut,
        "kills nodes and loses everything they had not synced",
        {
            **_DISK,
            "keep": FaultOption("0", "probability that an unsynced page reached the disk"),
            "torn": FaultOption("0", "probability that it did so partially (torn)"),
        },
        disks=True,
    ),
    "slow-disk": FaultKind(
        _slow_disk,
        "slows disk operations down",
        {
            **_DISK,
            "delay": FaultOption("20ms", "delay"),
            "jitter": FaultOption("0ms", "jitter: ± this much"),
            "calls": FaultOption("write,fsync", "affected operations"),
        },
        disks=True,
    ),
    "full-disk": FaultKind(
        _full_disk,
        "the disk is full (ENOSPC)",
        {**_DISK, "room": FaultOption("0", "bytes of free space left")},
        disks=True,
    ),
    "disk-error": FaultKind(
        _disk_error,
        "disk operations fail with EIO",
        {
            **_DISK,
            "calls": FaultOption("fsync", "affected operations"),
            "chance": FaultOption("100%", "probability that a call fails"),
            "count": FaultOption("0", "maximum number of failures (0: no limit)"),
        },
        disks=True,
    ),
    "slow-node": _links(
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
    return {**_node_kinds(nodes), **_FAULTS}


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
