"""How faults are made from the texts of their options: the functions and options that the rows of ``faults`` share.

Each ``make`` raises InputError for a text that is none of its kind.
"""

from __future__ import annotations

from collections.abc import Callable

from raftmon.driver.faults.api import ApiFault
from raftmon.driver.faults.base import Fault
from raftmon.driver.faults.clocks import CLOCKS, ClockFault
from raftmon.driver.faults.decay import BitFlip
from raftmon.driver.faults.disks import DiskFault, PowerCut
from raftmon.driver.faults.duty import DutyCycle
from raftmon.driver.faults.intermittent import Intermittent
from raftmon.driver.faults.kind import FaultKind, FaultOption
from raftmon.driver.faults.links import BadLinks, Partition
from raftmon.driver.faults.messages import MessageFault
from raftmon.driver.faults.nodes import Kill, Pause, Restart
from raftmon.driver.faults.selectors import SELECTORS
from raftmon.driver.faults.throttle import Throttle
from raftmon.driver.faults.wal import WalDamage
from raftmon.driver.quantities import duration_s
from raftmon.setup.disks.behaviour import OPERATIONS, Behaviour
from raftmon.setup.disks.pages import Cut as DiskCut
from raftmon.setup.errors import InputError

__all__ = [
    "BYTES",
    "CLOCK_NODE",
    "DISK",
    "HOW",
    "NODE",
    "WHERE",
    "WHICH_CLOCK",
    "api_kind",
    "bit_flip",
    "clock_drift",
    "clock_jump",
    "clock_strobe",
    "damage",
    "disk_error",
    "full_disk",
    "intermittent",
    "links",
    "messages",
    "node_kinds",
    "on_node",
    "partition",
    "power_cut",
    "slow_disk",
    "stutter",
    "throttle",
    "whole",
]

HOW = {"how": FaultOption("drop", "drop (silence) or reject (resets)")}
WHERE = FaultOption("all", "nodes whose links are affected", "nodes")
NODE = {"node": FaultOption("follower", "the affected node", "node")}
DISK = {"node": FaultOption("one", "nodes whose disks are affected", "nodes")}
CLOCK_NODE = {"node": FaultOption("one", "nodes whose clocks are affected", "nodes")}
WHICH_CLOCK = FaultOption("wall", "wall, monotonic or both")
BYTES = FaultOption("", "bytes at the end of the log (default: 256 to truncate, one bit of the last 4096 to flip)")

_VERBS: dict[str, tuple[Callable[[str, str], Fault], str]] = {
    "kill": (Kill, "SIGKILL, restarted when the fault ends:"),
    "pause": (Pause, "SIGSTOP, SIGCONT when the fault ends:"),
    "restart": (Restart, "SIGKILL and immediate restart:"),
}
_RANDOM_NODE_FAULTS = ("kill-leader", "kill-one", "pause-leader", "pause-one", "restart-one")


def messages(action: str, summary: str) -> FaultKind:
    """A fault on one kind of message."""
    return FaultKind(
        lambda name, kind, where: MessageFault(name, action, kind, where),
        summary,
        {"kind": FaultOption("MsgAppResp", "the kind, by etcd's name"), "where": WHERE},
        least_nodes=2,
        messages=action,
    )


def whole(name: str, option: str, text: str) -> int:
    """A whole number, or InputError that names the fault and its option."""
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


def on_node(fault: Callable[[str, str], Fault], selector: str) -> Callable[..., Fault]:
    """A fault on the nodes that a selector means."""
    return lambda name: fault(name, selector)


def node_kinds(names: tuple[str, ...]) -> dict[str, FaultKind]:
    """kill, pause, restart and defragment, each for every selector and node."""
    kinds = {}
    for verb, (fault, words) in _VERBS.items():
        for selector in (*SELECTORS, *names):
            name = f"{verb}-{selector}"
            kinds[name] = FaultKind(
                on_node(fault, selector),
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


def partition(summary: str, *, least_nodes: int = 2, random: bool = False, client_traffic: bool = False) -> FaultKind:
    """A row of ``PARTITIONS``."""
    return FaultKind(
        lambda name, how: Partition(name, how, least_nodes),
        summary,
        HOW,
        random=random,
        least_nodes=least_nodes,
        client_traffic=client_traffic,
    )


def links(summary: str, action: str, *, where: FaultOption = WHERE, random: bool = False, **options: str) -> FaultKind:
    """Rules on links. ``action`` is the rule's, with the options in braces; each option is ``default: help``."""
    known = {name: FaultOption(*text.split(": ", 1)) for name, text in options.items()}
    return FaultKind(
        lambda name, where, **values: BadLinks(name, action.format(**values), where),
        summary,
        {**known, "where": where},
        random=random,
        least_nodes=2,
    )


def intermittent(summary: str) -> FaultKind:
    """A row of a cut that comes and goes."""
    return FaultKind(
        lambda name, mtbf, how: Intermittent(name, duration_s(mtbf, f"--fault {name}(mtbf=)"), how),
        summary,
        {"mtbf": FaultOption("1s", "how long the cut lasts, and the pause before the next (default: --mtbf)"), **HOW},
        least_nodes=2,
    )


def damage(name: str, node: str, bytes: str = "") -> Fault:
    """Damage of the write-ahead log."""
    return WalDamage(name, node, whole(name, "bytes", bytes) if bytes else None)


def bit_flip(name: str, node: str, file: str, byte: str = "") -> Fault:
    """One bit of a chosen file."""
    return BitFlip(name, node, file, whole(name, "byte", byte) if byte else None)


def power_cut(name: str, node: str, keep: str, torn: str) -> Fault:
    """A power cut."""
    return PowerCut(name, node, DiskCut(_chance(name, "keep", keep), _chance(name, "torn", torn)))


def slow_disk(name: str, node: str, delay: str, jitter: str, calls: str) -> Fault:
    """A disk whose calls take longer."""
    delay_ms = duration_s(delay, f"--fault {name}(delay=)") * 1000
    jitter_ms = duration_s(jitter, f"--fault {name}(jitter=)") * 1000
    slowed = {f"{call}_ms": delay_ms for call in _calls(name, calls)}
    behaviour = Behaviour.from_json({"jitter_ms": jitter_ms, **slowed})
    return DiskFault(name, node, behaviour, f"{calls} take {delay} longer")


def full_disk(name: str, node: str, room: str) -> Fault:
    """A disk without room."""
    return DiskFault(name, node, Behaviour(), "full", whole(name, "room", room))


def disk_error(name: str, node: str, calls: str, chance: str, count: str) -> Fault:
    """A disk whose calls fail."""
    failing = Behaviour(
        fail=_calls(name, calls), fail_chance=_chance(name, "chance", chance), fail_count=whole(name, "count", count)
    )
    return DiskFault(name, node, failing, f"{calls} fail ({chance})")


def _api(operation: str) -> Callable[..., Fault]:
    def make(name: str, node: str = "leader", every: str = "") -> Fault:
        every_s = duration_s(every, f"--fault {name}(every=)") if every else None
        if every_s is not None and every_s < 0.05:
            raise InputError(f"--fault {name}: every={every} is too often: give 50ms or more")
        return ApiFault(name, operation, node, every_s)

    return make


def api_kind(operation: str, summary: str, node: str | None, selects: str = "node") -> FaultKind:
    """A row of an operation of the system's own API."""
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


def clock_jump(name: str, node: str, by: str, clock: str) -> Fault:
    """A clock that is off by a fixed time."""
    offset_s = _offset(name, by)
    return ClockFault(name, node, lambda _s: offset_s, f"{offset_s:+g} s", _which_clock(name, clock, offset_s >= 0))


def clock_drift(name: str, node: str, rate: str, clock: str) -> Fault:
    """A clock that runs faster or slower."""
    share = (-1 if rate.startswith("-") else 1) * _chance(name, "rate", rate.lstrip("+-"))
    words = f"{share:+.3%} of the time that goes by"
    return ClockFault(name, node, lambda s: s * share, words, _which_clock(name, clock, share >= 0))


def clock_strobe(name: str, node: str, by: str, every: str) -> Fault:
    """A clock that jumps to and fro."""
    offset_s = _offset(name, by)
    every_s = duration_s(every, f"--fault {name}(every=)")
    if every_s < 0.05:
        raise InputError(f"--fault {name}: every={every} is too often: give 50ms or more")
    words = f"to and fro by {offset_s:+g} s every {every}"
    return ClockFault(name, node, lambda s: offset_s * (int(s / every_s) % 2 == 0), words)


def throttle(name: str, node: str, share: str, by: str) -> Fault:
    """A node that gets a share of the time."""
    part = _chance(name, "share", share)
    if not 0.01 <= part < 1:
        raise InputError(f"--fault {name}: share={share}: give 1% to 99%")
    return Throttle(name, node, part, by)


def stutter(name: str, node: str, least: str, most: str, pause: str) -> Fault:
    """A node that pauses at random."""
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
