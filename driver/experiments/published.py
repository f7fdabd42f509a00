"""The published experiments, one row each: which links are cut, by the part that each node plays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from raftmon.setup.errors import InputError

__all__ = ["EXPERIMENTS", "Experiment", "experiment", "fault_text"]

HAOC = 'Jensen, Howard, Mortier, "Examining Raft\'s behaviour during partial network failures", HAOC 2021'
OMNI = 'Ng, Haridi, Carbone, "Omni-Paxos: Breaking the Barriers of Partial Connectivity", EuroSys 2023'
HOWARD = 'Howard, Abraham, "Raft does not Guarantee Liveness in the face of Network Faults", 2020'
CLOUDFLARE = 'Lianza, Snook, "A Byzantine failure in the real world", Cloudflare 2020'
RAFT = 'Ongaro, Ousterhout, "In Search of an Understandable Consensus Algorithm", USENIX ATC 2014'
ONE_WAY = "one-way partitions, as in Jepsen's and reckon's tests"
SLOW = 'Gunawi and others, "Fail-Slow at Scale", FAST 2018'
RING = "Jepsen's majorities-ring"
LAG_S = 0.6
"""How long a node is cut off from the leader before the rest, where its log is to be behind."""

Steps = Callable[[str, Sequence[str], float, float], list[str]]


@dataclass(frozen=True, slots=True)
class Experiment:
    """One row. ``steps(leader, others, start_s, stop_s)`` gives the faults as ``--fault`` writes them."""

    name: str
    nodes: int
    title: str
    source: str
    steps: Steps


def _at(fault: str, start_s: float, stop_s: float) -> str:
    return f"{fault}@{start_s:g}s..{stop_s:g}s"


def _whole(fault: str) -> Steps:
    """One fault of the catalogue for the whole time; ``{leader}`` stands for the leader's name."""
    return lambda leader, _others, start_s, stop_s: [_at(fault.format(leader=leader), start_s, stop_s)]


def _pairs(*pairs: tuple[str, str]) -> str:
    return f"cut(links={'+'.join(f'{left}<->{right}' for left, right in pairs)})"


def _all_but(nodes: Sequence[str], kept: set[tuple[str, str]]) -> str:
    """Every link cut but those between the pairs that are kept."""
    between = [(one, other) for place, one in enumerate(nodes) for other in nodes[place + 1 :]]
    return _pairs(*(pair for pair in between if pair not in kept and pair[::-1] not in kept))


def _haoc(leader: str, others: Sequence[str], start_s: float, stop_s: float) -> list[str]:
    return [_at(_pairs((leader, others[0])), start_s, stop_s)]


def _chained(leader: str, others: Sequence[str], start_s: float, stop_s: float) -> list[str]:
    one, two, three, four = others
    kept = {(one, two), (two, leader), (leader, three), (three, four)}
    return [_at(_all_but([leader, *others], kept), start_s, stop_s)]


def _quorum_loss(leader: str, others: Sequence[str], start_s: float, stop_s: float) -> list[str]:
    hub = others[0]
    return [_at(_all_but([leader, *others], {(hub, other) for other in [leader, *others[1:]]}), start_s, stop_s)]


def _constrained(leader: str, others: Sequence[str], start_s: float, stop_s: float) -> list[str]:
    hub, *rest = others
    later = _all_but([leader, *others], {(hub, other) for other in rest} | {(hub, leader)})
    return [_at(_pairs((hub, leader)), start_s, stop_s), _at(later, start_s + LAG_S, stop_s)]


def _howard_1(leader: str, others: Sequence[str], start_s: float, stop_s: float) -> list[str]:
    one, two, four, five = others
    kept = {(one, two), (one, leader), (two, leader), (four, two), (five, leader)}
    return [_at(_all_but([leader, *others], kept), start_s, stop_s)]


def _howard_2(leader: str, others: Sequence[str], start_s: float, stop_s: float) -> list[str]:
    return [_at(_pairs(*((leader, other) for other in others[1:])), start_s, stop_s)]


def _in_turn(_leader: str, _others: Sequence[str], start_s: float, stop_s: float) -> list[str]:
    middle_s = (start_s + stop_s) / 2
    return [_at("full-partition", start_s, middle_s), _at("full-partition", middle_s, stop_s)]


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment("haoc21", 3, "the leader cannot reach one follower; both reach the third node", HAOC, _haoc),
    Experiment(
        "cloudflare-2020", 3, "the same link, cut for 2 s and joined for 2 s, again and again", CLOUDFLARE,
        _whole("intermittent-partial(mtbf=2s)"),
    ),
    Experiment("chained", 5, "every node reaches its neighbors only; the leader is in the middle", OMNI, _chained),
    Experiment("quorum-loss", 5, "only the links of one follower remain", OMNI, _quorum_loss),
    Experiment(
        "constrained-election", 5, "the leader is cut off; only one follower, whose log is behind, reaches the others",
        OMNI, _constrained,
    ),
    Experiment("howard-abraham-1", 5, "links 1-2, 1-3, 2-3, 2-4 and 3-5 remain, and 3 leads", HOWARD, _howard_1),
    Experiment("howard-abraham-2", 5, "the leader reaches one follower only; all others reach each other", HOWARD,
               _howard_2),
    Experiment("mute-leader", 3, "nothing that the leader sends arrives", ONE_WAY, _whole("mute")),
    Experiment("deaf-leader", 3, "nothing that the leader is sent arrives", ONE_WAY, _whole("deaf")),
    Experiment("fail-slow-leader", 3, "300 ms more on all links of the leader", SLOW,
               _whole("slow-node(delay=300ms,where={leader})")),
    Experiment("figure-8", 5, "a leader is cut off, then its successor, and the first comes back (order of Figure 8)",
               RAFT, _in_turn),
    Experiment("disjoint-majorities", 5, "every node reaches a majority, no two nodes the same one", RING,
               _whole("majority-ring")),
)  # fmt: skip


def experiment(name: str) -> Experiment:
    """A row by its name. Raises InputError with the available names."""
    for one in EXPERIMENTS:
        if one.name == name:
            return one
    raise InputError(f"unknown experiment {name!r} (available: {', '.join(one.name for one in EXPERIMENTS)}, all)")


def fault_text(row: Experiment, leader: str, nodes: Sequence[str], start_s: float, stop_s: float) -> str:
    """The schedule as ``--fault`` writes it, for a cluster in which ``leader`` leads."""
    others = [node for node in nodes if node != leader]
    return ",".join(row.steps(leader, others, start_s, stop_s))
