"""Workloads: what clients do, as pure generators, and how one call is done on an adapter's client."""

from __future__ import annotations

from raftmon.driver.workloads.base import Call, ThreadPlan, Workload
from raftmon.driver.workloads.workloads import WORKLOADS, WorkloadKind, workload, workload_names

__all__ = ["WORKLOADS", "Call", "ThreadPlan", "Workload", "WorkloadKind", "workload", "workload_names"]
