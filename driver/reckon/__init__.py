"""reckon's experiments (github.com/Cjen1/reckon) with raftmon: its arguments in, its result file out."""

from __future__ import annotations

from raftmon.driver.reckon.arguments import add_reckon_options, config_of
from raftmon.driver.reckon.results import reckon_results, write_results

__all__ = ["add_reckon_options", "config_of", "reckon_results", "write_results"]
