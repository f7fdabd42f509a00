"""Histories in memory and on disk: reading them, writing them, converting between formats."""

from __future__ import annotations

from raftmon.driver.histories.formats import FORMATS, read_history
from raftmon.driver.histories.model import Columns, History, Meta, Problem
from raftmon.driver.histories.writers import WRITERS, write_history

__all__ = ["FORMATS", "WRITERS", "Columns", "History", "Meta", "Problem", "read_history", "write_history"]
