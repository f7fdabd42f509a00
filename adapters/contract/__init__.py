"""The contract of an adapter as a suite: ``python -m raftmon.adapters.contract SYSTEM`` runs it on a real cluster.

The cluster stands on loopback addresses in a throw-away network namespace, without the monitor: what fails there is the
adapter's fault (or the system's) and nothing else's.
"""

from __future__ import annotations

from raftmon.adapters.contract.checks import CHECKS, Check
from raftmon.adapters.contract.context import Broken, Context, Skipped
from raftmon.adapters.contract.loopback import LoopbackCluster
from raftmon.adapters.contract.runner import CheckResult, run_contract

__all__ = ["CHECKS", "Broken", "Check", "CheckResult", "Context", "LoopbackCluster", "Skipped", "run_contract"]
