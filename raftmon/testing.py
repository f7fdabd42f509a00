"""What a test with raftmon's fixtures imports: ``from raftmon.testing import eventually`` (docs/testing.md).

The fixtures ``cluster``, ``monitor``, ``clients`` and ``history`` come with the pytest plugin and need no import; the
classes are here for type annotations.
"""

from __future__ import annotations

from raftmon.driver.testing.fixtures import TestClients, TestCluster, TestHistory, TestMonitor, eventually

__all__ = ["TestClients", "TestCluster", "TestHistory", "TestMonitor", "eventually"]
