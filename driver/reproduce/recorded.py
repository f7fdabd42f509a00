"""Attempts that are in a store already, put together as one call of ``raftmon reproduce`` would have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from raftmon.driver.reproduce.loading import Loaded
from raftmon.driver.reproduce.rounds import Reproduced, Side
from raftmon.driver.run_folder import CONFIG, RESULTS, list_runs

__all__ = ["recorded"]


def recorded(store: Path, scenarios: Sequence[Loaded]) -> list[tuple[Loaded, Reproduced]]:
    """What came of these scenarios on their default versions; those without any attempt are left out."""
    found: dict[str, Reproduced] = {}
    for loaded in scenarios:
        one = loaded.scenario
        control = Side(one.control[0], one.control_options) if one.control else None
        found[one.name] = Reproduced(one.name, Side(one.affected[0]), control)
    for folder in list_runs(store):
        config, results = folder.load(CONFIG) or {}, folder.load(RESULTS) or {}
        attempt, into = results.get("scenario"), found.get(str(config.get("scenario")))
        if not isinstance(attempt, dict) or into is None:
            continue
        side = into.control if config.get("control") else into.affected
        if side is not None and side.version == config.get("server"):
            side.add(attempt)
    return [(one, found[one.scenario.name]) for one in scenarios if found[one.scenario.name].affected.of]
