"""The faults there are, in one readable place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from raftmon.driver.faults.base import Fault
from raftmon.driver.faults.disks import DiskFault, PowerCut
from raftmon.driver.faults.intermittent import Intermittent
from raftmon.driver.faults.links import PARTITIONS, BadLinks, Partition
from raftmon.driver.faults.membership import MemberAdd, MemberRemove, MemberReplace
from raftmon.driver.faults.nodes import Kill, KillN, Pause, Restart
from raftmon.driver.faults.selectors import SELECTORS
from raftmon.driver.faults.wal import WalDamage
from raftmon.driver.run.config import duration_s
from raftmon.setup.disks.behaviour import OPERATIONS, Behaviour
from raftmon.setup.disks.pages import Cut
from raftmon.setup.errors import InputError

__all__ = [
    "RANDOM_FAULTS",
    "WINDOWS",
    "FaultKind",
    "catalogue",
    "make_fault",
    "needs_client_traffic",
    "needs_disk",
    "spares_needed",
]

RANDOM_FAULTS = (
    "kill-leader", "kill-one", "pause-leader", "pause-one", "restart-one", "full-partition", "partial-partition",
    "halves", "one-way", "slow-links", "lossy-links",
)  # fmt: skip
"""What ``--fault random`` draws from: everything that leaves a quorum a chance to come back by itself."""


WINDOWS = {"leader": (0.5, 1.0), "kill-n": (0.0, 1.0)}
"""When a fault without times happens, in parts of the run, where that is not the middle third: reckon's times."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A way to make a fault from its options (strings), and one line of help."""

    make: Callable[..., Fault]
    summary: str
    needs_disk: bool = False


def _node_kinds(names: tuple[str, ...]) -> dict[str, FaultKind]:
    kinds = {}
    verbs: dict[str, Callable[[str, str], Fault]] = {"kill": Kill, "pause": Pause, "restart": Restart}
    words = {
        "kill": "SIGKILL, started again at the end:",
        "pause": "SIGSTOP, SIGCONT at the end:",
        "restart": "SIGKILL and start again at once:",
    }
    for verb, fault in verbs.items():
        for selector in (*SELECTORS, *names):
            name = f"{verb}-{selector}"

            kinds[name] = FaultKind(partial(fault, name, selector), f"{words[verb]} {selector}")
    return kinds


def _partition(name: str) -> Callable[..., Fault]:
    return lambda how="drop": Partition(name, how)


_PARTITION_WORDS = {
    "full-partition": "the leader against all others",
    "full-partition-one": "one node against all others",
    "partial-partition": "the leader and one follower, who both still reach the rest",
    "halves": "one half against the other",
    "majority-ring": "everyone sees a majority, no two the same one",
    "bridge": "two halves that only one node can reach",
    "one-way": "the leader is heard by nobody but hears all",
    "client-from-node": "the clients and one node",
}


def _delay(delay: str = "100ms", jitter: str = "10ms", where: str = "all") -> Fault:
    return BadLinks("slow-links", f"delay {delay} ±{jitter}", where)


def _loss(loss: str = "10%", where: str = "all") -> Fault:
    return BadLinks("lossy-links", f"loss {loss}", where)


def _duplicate(share: str = "10%", where: str = "all") -> Fault:
    return BadLinks("duplicated-packets", f"duplicate {share}", where)


def _reorder(share: str = "10%", time: str = "20ms", where: str = "all") -> Fault:
    return BadLinks("reordered-packets", f"reorder {time} {share}", where)


def _rate(rate: str = "512kbit", where: str = "all") -> Fault:
    return BadLinks("rate-limit", f"rate {rate}", where)


def _slow_node(delay: str = "100ms", where: str = "one") -> Fault:
    return BadLinks("slow-node", f"delay {delay}", where)


def _intermittent(name: str) -> Callable[..., Fault]:
    return lambda mtbf="1s", how="drop": Intermittent(name, duration_s(mtbf, f"--fault {name}(mtbf=)"), how)


def _wal(name: str) -> Callable[..., Fault]:
    if name == "wal-unsynced":
        return lambda node="follower": WalDamage(name, _selector(name, node))
    return lambda node="follower", bytes="": WalDamage(
        name, _selector(name, node), _whole(name, "bytes", bytes) if bytes else None
    )


def _member(name: str, fault: Callable[[str, str], Fault]) -> Callable[..., Fault]:
    return lambda node="follower": fault(name, _selector(name, node))


def _kill_n(n: str = "1") -> Fault:
    return KillN("kill-n", _whole("kill-n", "n", n))


def _whole(name: str, option: str, text: str) -> int:
    if not text.isdigit():
        raise InputError(f"--fault {name}: {option}={text} is not a whole number")
    return int(text)


def _selector(name: str, text: str) -> str:
    """A selector that means one node."""
    if text in ("minority", "majority", "all"):
        raise InputError(f"--fault {name}: node={text} is more than one node: use one, leader, follower or a name")
    return text


def catalogue(nodes: tuple[str, ...] = ()) -> Mapping[str, FaultKind]:
    """Every fault for a cluster with these nodes, by name."""
    kinds = _node_kinds(nodes)
    kinds |= {name: FaultKind(_partition(name), _PARTITION_WORDS[name]) for name in PARTITIONS}
    kinds |= {
        "slow-links": FaultKind(_delay, "every link delayed (delay=, jitter=, where=)"),
        "lossy-links": FaultKind(_loss, "every link loses packets (loss=, where=)"),
        "duplicated-packets": FaultKind(_duplicate, "every link duplicates packets (share=, where=)"),
        "reordered-packets": FaultKind(_reorder, "every link reorders packets (share=, time=, where=)"),
        "rate-limit": FaultKind(_rate, "every link has a bandwidth (rate=, where=)"),
        "leader": FaultKind(partial(Kill, "leader", "leader"), "reckon's: SIGKILL of the leader half-way, for good"),
        "leader-recovery": FaultKind(
            partial(Kill, "leader-recovery", "leader"), "reckon's: SIGKILL of the leader, started again a third later"
        ),
        "kill-n": FaultKind(_kill_n, "SIGKILL of the first n nodes for the whole run (n=)"),
        "intermittent-partial": FaultKind(
            _intermittent("intermittent-partial"),
            "leader and one follower, cut and joined every mtbf (mtbf=, how=)",
        ),
        "intermittent-full": FaultKind(
            _intermittent("intermittent-full"), "a follower and all others, cut and joined every mtbf (mtbf=, how=)"
        ),
        "member-add": FaultKind(lambda: MemberAdd("member-add"), "a further node joins, and is put out at the end"),
        "member-remove": FaultKind(
            _member("member-remove", MemberRemove), "a node is put out, and joins anew at the end (node=)"
        ),
        "member-replace": FaultKind(
            _member("member-replace", MemberReplace), "a node is put out and replaced by a new one (node=)"
        ),
        "wal-truncate": FaultKind(_wal("wal-truncate"), "kill, cut the log's tail off, start (node=, bytes=)"),
        "wal-flip": FaultKind(_wal("wal-flip"), "kill, invert a bit of the log's tail, start (node=, bytes=)"),
        "wal-unsynced": FaultKind(_wal("wal-unsynced"), "kill, cut off what the log had not synced, start (node=)"),
        "power-cut": FaultKind(
            _power_cut, "nodes die and what they had not synced is gone (node=, keep=, torn=)", needs_disk=True
        ),
        "slow-disk": FaultKind(_slow_disk, "a disk is slow (node=, delay=, jitter=, calls=)", needs_disk=True),
        "full-disk": FaultKind(_full_disk, "a disk is full (node=, room= in bytes)", needs_disk=True),
        "disk-error": FaultKind(_disk_error, "a disk fails with EIO (node=, calls=, chance=, count=)", needs_disk=True),
        "slow-node": FaultKind(_slow_node, "all links of one node delayed (delay=, where=)"),
    }
    return kinds


def _number(name: str, option: str, text: str) -> float:
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise InputError(f"--fault {name}: {option}={text} is no chance: give 0 to 1, or a percentage")
    return number


def _power_cut(node: str = "one", keep: str = "0", torn: str = "0") -> Fault:
    return PowerCut("power-cut", node, Cut(_number("power-cut", "keep", keep), _number("power-cut", "torn", torn)))


def _slow_disk(node: str = "one", delay: str = "20ms", jitter: str = "0ms", calls: str = "write,fsync") -> Fault:
    delay_ms = duration_s(delay, "--fault slow-disk(delay=)") * 1000
    jitter_ms = duration_s(jitter, "--fault slow-disk(jitter=)") * 1000
    slowed = {f"{call}_ms": delay_ms for call in _calls("slow-disk", calls)}
    behaviour = Behaviour.from_json({"jitter_ms": jitter_ms, **slowed})
    return DiskFault("slow-disk", node, behaviour, f"{calls} take {delay} longer")


def _full_disk(node: str = "one", room: str = "0") -> Fault:
    return DiskFault("full-disk", node, Behaviour(), "full", _whole("full-disk", "room", room))


def _disk_error(node: str = "one", calls: str = "fsync", chance: str = "100%", count: str = "0") -> Fault:
    failing = Behaviour(
        fail=_calls("disk-error", calls),
        fail_chance=_number("disk-error", "chance", chance),
        fail_count=_whole("disk-error", "count", count),
    )
    return DiskFault("disk-error", node, failing, f"{calls} fail ({chance})")


def _calls(name: str, text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.replace("+", ",").split(","))
    for call in found:
        if call not in OPERATIONS:
            raise InputError(f"--fault {name}: a disk has no call {call!r} (available: {', '.join(OPERATIONS)})")
    return found


def needs_disk(name: str) -> bool:
    """Whether the fault only works on disks that raftmon serves itself."""
    return catalogue()[name].needs_disk if name in catalogue() else False


def make_fault(name: str, options: Mapping[str, str], nodes: tuple[str, ...]) -> Fault:
    """A fresh fault of that name; raises InputError for a name or an option that there is not."""
    kinds = catalogue(nodes)
    if name not in kinds:
        raise InputError(f"there is no fault {name!r}; there are {', '.join(kinds)}, none and random")
    make = kinds[name].make
    fixed = isinstance(kinds[name].make, partial)  # node faults: their parameters are in their names
    known = [] if fixed else list(inspect.signature(make).parameters)
    for option in options:
        if option not in known:
            raise InputError(f"--fault {name} has no option {option!r}; it has {', '.join(known) or 'none'}")
    return make(**options)


def spares_needed(name: str) -> int:
    """How many hosts beyond its nodes a run needs for this fault."""
    return int(name == "member-add")


def needs_client_traffic(name: str) -> bool:
    """Whether the fault only works when the traffic of clients goes through the monitor too."""
    return name == "client-from-node"
