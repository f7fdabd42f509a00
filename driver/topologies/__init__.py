"""Topologies: which hosts there are, and how good the links between them are."""

from __future__ import annotations

from raftmon.driver.topologies.base import Placement, Quality
from raftmon.driver.topologies.topologies import TOPOLOGIES, TopologyKind, place

__all__ = ["TOPOLOGIES", "Placement", "Quality", "TopologyKind", "place"]
