"""What an adapter's operations on a whole cluster must keep: each is skipped where the system does not have it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from raftmon.adapters.capabilities import (
    Compact,
    Defragment,
    Leader,
    MoveLeader,
    NodeClock,
    Snapshot,
    capability,
)
from raftmon.adapters.contract.context import Broken, Context, Skipped
from raftmon.setup.topology import Host

__all__ = ["OPERATION_CHECKS"]

_CALL_S = 10.0
_ELECTION_S = 15.0
_PAUSE_S = 0.05
_CLOSE_S = 1.6  # an HTTP date has whole seconds
_KEYS = 20


def _needs(context: Context, kind: type) -> Any:
    found = capability(context.adapter, kind)
    if found is None:
        raise Skipped(f"the adapter has no capability {kind.__name__}")
    context.needs_nodes()
    return found


def _eventually(ask: Callable[[], Any]) -> Iterator[Any]:
    """What ``ask`` gives, again and again until an election must be over."""
    deadline = time.monotonic() + _ELECTION_S
    while True:
        yield ask()
        if time.monotonic() > deadline:
            return
        time.sleep(_PAUSE_S)


def _leader(context: Context, system: Any) -> Host:
    def leaders() -> list[Host]:
        said = {node: system.leadership(node, 1.0) for node in context.nodes}
        return [node for node, word in said.items() if word is not None and word.leads]

    for found in _eventually(leaders):
        if len(found) == 1:
            leader: Host = found[0]
            return leader
    raise Broken(f"in {_ELECTION_S:g} s it was never one node alone that said that it leads, but {len(found)}")


def one_node_leads(context: Context) -> None:
    """On a healthy cluster one node, and no other, says that it leads."""
    _leader(context, _needs(context, Leader))


def nodes_tell_the_time(context: Context) -> None:
    """Every node tells the time of its own clock, which nobody has shifted."""
    system = _needs(context, NodeClock)
    for node in context.nodes:
        before_s = time.time()
        said_s = system.node_time(node, _CALL_S)
        if said_s is None:
            raise Broken(f"{node.name} serves and did not tell the time")
        if not before_s - _CLOSE_S <= said_s <= time.time() + _CLOSE_S:
            raise Broken(f"{node.name} told a time that is {said_s - before_s:+.1f} s off")


def _keeps_every_key(context: Context, kind: type, ask: Callable[[Any, Host], str]) -> None:
    """Write, have each node do the operation, and read: nothing is lost by it."""
    system = _needs(context, kind)
    name = kind.__name__.lower()
    with context.client() as client:
        for number in range(_KEYS):
            client.write(f"contract-{name}-{number}", number)
        for node in context.nodes:
            client.write(f"contract-{name}", node.name)  # something new, or there may be nothing to do
            said = ask(system, node)
            if not isinstance(said, str) or not said:
                raise Broken(f"{name} of {node.name} did not say what it did, but {said!r}")
        for number in range(_KEYS):
            found = client.read(f"contract-{name}-{number}")
            if found != number:
                raise Broken(f"after {name} a key that held {number} reads {found!r}")


def compact_keeps_every_key(context: Context) -> None:
    """A compaction, asked of every node, throws away history and no key."""
    _keeps_every_key(context, Compact, lambda system, node: system.compact(node, _CALL_S))


def defragment_keeps_every_key(context: Context) -> None:
    """Defragmenting every node's database loses no key."""
    _keeps_every_key(context, Defragment, lambda system, node: system.defragment(node, _CALL_S))


def snapshot_keeps_every_key(context: Context) -> None:
    """Every node saves a snapshot and serves on."""
    _keeps_every_key(context, Snapshot, lambda system, node: system.snapshot(node, _CALL_S))


def leader_hands_over(context: Context) -> None:
    """A leader that is asked to hands its leadership over: another node leads then, and writes are served."""
    system = _needs(context, MoveLeader)
    if len(context.nodes) < 2:
        raise Skipped("a cluster of one node has nobody to hand its leadership to")
    leader = _leader(context, system)
    other = next(node for node in context.nodes if node != leader)
    system.move_leader(leader, other, _CALL_S)
    if not any(found != leader for found in _eventually(lambda: _leader(context, system))):
        raise Broken(f"{leader.name} was asked to hand over and leads still after {_ELECTION_S:g} s")
    with context.client(other) as client:
        for _ in _eventually(lambda: None):
            try:
                client.write("contract-moved", leader.name)
                return
            except Exception as error:
                failure = error
    raise Broken(f"no write was served after the leader had handed over: {failure}")


OPERATION_CHECKS: tuple[Callable[[Context], None], ...] = (
    one_node_leads,
    nodes_tell_the_time,
    compact_keeps_every_key,
    defragment_keeps_every_key,
    snapshot_keeps_every_key,
    leader_hands_over,
)
