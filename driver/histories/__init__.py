"""Histories in memory and on disk: reading them, writing them, converting between formats."""

from __future__ import annotations

from driver.histories.model import Columns, History, Meta, Problem

__all__ = ["Columns", "History", "Meta", "Problem"]
