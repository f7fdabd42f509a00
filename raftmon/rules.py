"""What a rules file imports: ``from raftmon.rules import drop, delay`` (docs/rules.md)."""

from __future__ import annotations

from raftmon.monitor.rules import api
from raftmon.monitor.rules.api import *  # noqa: F403

__all__ = list(api.__all__)
