"""What a scenario file imports: ``from raftmon.scenario import Scenario, CouldNotSetUp`` (docs/scenarios.md)."""

from __future__ import annotations

from raftmon.driver.reproduce.scenario import CouldNotSetUp, Scenario
from raftmon.driver.reproduce.stage import Stage

__all__ = ["CouldNotSetUp", "Scenario", "Stage"]
