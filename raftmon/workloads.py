"""What a workload of your own imports: ``from raftmon.workloads import Call, WorkloadKind`` (docs/workloads.md)."""

from __future__ import annotations

from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call, ThreadPlan, Told, Workload
from raftmon.driver.workloads.workloads import WorkloadKind

__all__ = ["Call", "Outcome", "ThreadPlan", "Told", "Workload", "WorkloadKind"]
