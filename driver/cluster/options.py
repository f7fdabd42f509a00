"""How a cluster is run, beside its topology and its system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ClusterOptions"]


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Whether and how a cluster is monitored, and what its adapter is made of.

    - ``rules``: one-line rules in force from the start; ``scripts``: paths of rule files; ``codecs``: paths of
      codecs.
    - ``monitored``: False leaves the queue out altogether (for baselines; only with a transparent topology).
    - ``disks``: every node's data lies on a disk of raftmon's.
    - ``servers``: node -> server of its own (a specification or a path), where clusters are mixed.
    - ``system``, ``system_options``: what the adapter was made of, for processes that must make it anew; the adapter's
      own name where ``system`` is empty.
    """

    seed: str = "0"
    monitored: bool = True
    client_traffic: bool = False
    rules: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    strict: bool = False
    record: bool = True
    disks: bool = False
    servers: Mapping[str, str] = field(default_factory=dict)
    system: str = ""
    system_options: Mapping[str, Any] = field(default_factory=dict)
