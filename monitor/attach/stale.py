"""Chains of attached monitors that are gone: every process that would have removed them was killed at once.

With ``--queue-bypass`` such chains let every packet pass; where nodes are presented they drop packets.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["StaleChain", "bound_queues", "find_stale", "stale_chains"]

_CHAIN = re.compile(r"^-N RAFTMON-(\d+)-([A-Z]+)$", re.MULTILINE)
_QUEUES = Path("/proc/net/netfilter/nfnetlink_queue")
_TABLES = {"iptables": Path("/proc/net/ip_tables_names"), "ip6tables": Path("/proc/net/ip6_tables_names")}
_COMMAND_S = 10.0


@dataclass(frozen=True, slots=True)
class StaleChain:
    """A chain of ``raftmon monitor --install`` whose queue nobody reads; ``command`` is iptables or ip6tables."""

    command: str
    queue: int
    hook: str

    @property
    def name(self) -> str:
        """The chain's name."""
        return f"RAFTMON-{self.queue}-{self.hook}"

    def removal(self) -> str:
        """The shell commands that remove it."""
        base = f"{self.command} -w -t mangle"
        return f"{base} -D {self.hook} -j {self.name}; {base} -F {self.name}; {base} -X {self.name}"


def stale_chains(command: str, rules: str, bound: Collection[int]) -> list[StaleChain]:
    """The stale ones among ``rules``, the output of ``iptables -S``; ``bound`` are the queues that somebody reads."""
    found = ((int(queue), hook) for queue, hook in _CHAIN.findall(rules))
    return [StaleChain(command, queue, hook) for queue, hook in found if queue not in bound]


def bound_queues(text: str) -> frozenset[int]:
    """The queues that somebody reads, from the text of /proc/net/netfilter/nfnetlink_queue."""
    return frozenset(int(line.split()[0]) for line in text.splitlines() if line.split())


def find_stale() -> list[StaleChain]:
    """The stale chains of this network namespace; none where iptables is missing or this user may not list them."""
    try:
        bound = bound_queues(_QUEUES.read_text())
    except OSError:
        bound = frozenset()
    return [chain for command in _TABLES for chain in stale_chains(command, _listed(command), bound)]


def _listed(command: str) -> str:
    if "nf_tables" not in _output([command, "--version"]) and not _has_mangle(command):
        return ""  # listing a legacy table creates it, and from then on every packet passes through it
    return _output([command, "-w", "-t", "mangle", "-S"])


def _has_mangle(command: str) -> bool:
    try:
        return "mangle" in _TABLES[command].read_text().split()
    except OSError:
        return False


def _output(command: Iterable[str]) -> str:
    try:
        done = subprocess.run(
            [*command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
