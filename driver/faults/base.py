"""What a fault is: it looks whether it can be done here, does it, and heals itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

from raftmon.driver.cluster.leadership import LeaderSeen
from raftmon.setup.disks.disk import NodeDisk
from raftmon.setup.topology import Link, Topology

__all__ = ["Effect", "Fault", "Target", "Unavailable"]


class Unavailable(Exception):
    """The fault is impossible at the moment; the message says why. It is logged as an event; the run goes on."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a fault did: one sentence, and the nodes and links it affects."""

    sentence: str
    nodes: tuple[str, ...] = ()
    links: frozenset[Link] = frozenset()


class Target(Protocol):
    """What a fault may do to the running cluster; thread-safe, as each fault runs on its own thread."""

    topology: Topology

    def leader(self) -> str | None:
        """The node that leads now, None if nobody does or nobody can say."""

    def find_leader(self) -> LeaderSeen | None:
        """The leader with its term and whose word that is (``wire`` or ``status``)."""

    def arm(self, trigger: str) -> str:
        """Wait for something on the wire (message_rules/trigger_words.py says what); gives the trigger's name at
        once.

        Raises InputError if it cannot be waited for.
        """

    def armed(self, name: str) -> Mapping[str, Any]:
        """What became of a trigger: ``state`` (waiting, fired, expired), ``fired_ns`` of the packet, ``message``."""

    def alive(self) -> Sequence[str]:
        """The nodes whose process runs (a paused one does)."""

    def add_rules(self, name: str, lines: Iterable[str]) -> None:
        """Put rules (one-line language) in force under names that begin with ``name``; in force on return."""

    def remove_rules(self, name: str) -> None:
        """Take away every rule that ``add_rules`` put there under that name."""

    def rule_counts(self, name: str) -> tuple[int, int]:
        """Of the rules that ``add_rules`` put in force under that name: packets that matched, and that it acted on."""

    def flush_held(self) -> int:
        """Let every delayed packet go now; how many there were."""

    def stopped(self, name: str) -> bool:
        """Whether every process of a node or client host is stopped (SIGSTOP)."""

    def upgrade(self, node: str, spec: str) -> None:
        """End a node and start another version of its server on the same data; returns when its process runs."""

    def program(self, node: str) -> str | None:
        """The command of a node that lives, as the kernel has it."""

    def serves(self, node: str, timeout_s: float) -> bool:
        """Whether a node answers that it serves."""

    def kill(self, node: str) -> None:
        """SIGKILL the node; its packets are dropped from the moment this is called."""

    def start(self, node: str) -> None:
        """Start a dead node again on its own data; returns when its process runs."""

    def start_fresh(self, node: str, members: Sequence[str]) -> None:
        """Start a node (or a spare) with an empty data folder, as one that joins; ``members`` include it."""

    def log_folder(self, node: str) -> Path:
        """The node's data folder, where its write-ahead log lies."""

    def pause(self, node: str) -> None:
        """SIGSTOP the node, or the clients on a client host."""

    def resume(self, node: str) -> None:
        """SIGCONT the node, or the clients on a client host."""

    def processes(self, node: str) -> Sequence[int]:
        """The process ids of a node that runs: its own and its descendants'; empty if it is down."""

    def disk(self, node: str) -> NodeDisk:
        """The node's disk, in a run whose faults need one."""

    def capability(self, kind: type) -> Any:
        """The adapter's optional capability of that Protocol, None if it has none."""


class Fault(Protocol):
    """One fault: started once and stopped once."""

    name: str

    def available(self, target: Target) -> str | None:
        """None if the fault can be done on this cluster; otherwise the reason why not."""

    def start(self, target: Target, random: Random) -> Effect:
        """Do it. Raises Unavailable if the moment does not allow it."""

    def stop(self, target: Target) -> None:
        """Heal everything that ``start`` did; must be safe to call after a ``start`` that failed midway."""
