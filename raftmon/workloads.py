"""What a workload of your own imports: ``from raftmon.workloads import Call, WorkloadKind`` (docs/workloads.md)."""

from __future__ import annotations

from raftmon.driver.histories.operation import Outcome
from raftmon.driver.workloads.base import Call, OperationResult, ThreadPlan, Workload
from raftmon.driver.workloads.workloads import WorkloadKind
from raftmon.setup.old_imports import renamed

__all__ = ["Call", "OperationResult", "Outcome", "ThreadPlan", "Workload", "WorkloadKind"]

__getattr__ = renamed(__name__, {"Told": "OperationResult"})
