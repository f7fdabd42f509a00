"""What a test with raftmon's fixtures imports: ``from raftmon.testing import eventually`` (docs/testing.md).

The fixtures ``cluster``, ``monitor``, ``clients`` and ``history`` come with the pytest plugin and need no import; the
classes are here for type annotations.
"""

from __future__ import annotations

from raftmon.driver.testing.clients_fixture import TestClients, TestHistory
from raftmon.driver.testing.cluster_fixture import TestCluster, TestMonitor
from raftmon.driver.testing.waiting import eventually

__all__ = ["TestClients", "TestCluster", "TestHistory", "TestMonitor", "eventually"]
