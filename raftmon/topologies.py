"""What a topology of your own imports: ``from raftmon.topologies import Placement`` (docs/topologies.md)."""

from __future__ import annotations

from raftmon.driver.topologies.base import PERFECT, Placement, Quality, link_rules
from raftmon.driver.topologies.builtin import all_links
from raftmon.driver.topologies.topologies import TopologyKind
from raftmon.setup.topology import Link, Topology

__all__ = ["PERFECT", "Link", "Placement", "Quality", "Topology", "TopologyKind", "all_links", "link_rules"]
