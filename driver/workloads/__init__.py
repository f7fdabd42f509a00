"""Workloads: what clients do, as pure generators, and how one call is done on an adapter's client."""

from __future__ import annotations

from driver.workloads.base import Call, ThreadPlan, Workload
from driver.workloads.registry import WORKLOADS, workload, workload_names

__all__ = ["WORKLOADS", "Call", "ThreadPlan", "Workload", "workload", "workload_names"]
