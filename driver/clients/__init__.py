"""Client hosts: processes in network namespaces of their own, with client threads inside.

The driver's side is ``ClientFleet``; ``python -m raftmon.driver.clients CONFIG.json`` is the process.
"""

from __future__ import annotations

from raftmon.driver.clients.fleet import ClientFleet, FleetConfig, FleetStats, NodeCounts
from raftmon.driver.clients.plan import ClientPlan

__all__ = ["ClientFleet", "ClientPlan", "FleetConfig", "FleetStats", "NodeCounts"]
