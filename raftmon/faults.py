"""What a fault of your own imports: ``from raftmon.faults import Effect, FaultKind`` (docs/faults.md)."""

from __future__ import annotations

from raftmon.driver.faults.base import Effect, Fault, Target, Unavailable
from raftmon.driver.faults.kind import FaultKind, FaultOption

__all__ = ["Effect", "Fault", "FaultKind", "FaultOption", "Target", "Unavailable"]
