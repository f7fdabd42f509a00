"""A configuration as a scenario file for ``raftmon reproduce``: the shortest program that does the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from raftmon.driver.faults.faults import fault_kind
from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.faults.text import fault_text, schedule_text
from raftmon.driver.run.config import RunConfig
from raftmon.setup.errors import InputError
from raftmon.setup.servers import cache_folder

__all__ = ["scenario_text", "server_spec", "steps_of"]

_MOST_SENTENCE = 200


def server_spec(config: RunConfig) -> str:
    """``nats@2.9.10`` for a server in the cache, else its path, else the system's name."""
    if config.server is None:
        return str(config.options.get("server", config.system_name))
    path = Path(config.server)
    if path.is_relative_to(cache_folder()):
        for part in path.relative_to(cache_folder()).parts:
            if "@" in part:
                return part
    return config.server


def steps_of(config: RunConfig, faults: Sequence[PlannedFault]) -> list[str]:
    """What is done, one line each: the clients' work, each rule, each fault."""
    keys = f" on {config.keys} key{'s' if config.keys > 1 else ''}" if config.workload == "register" else ""
    work = f"{config.clients} clients do {config.workload}{keys} for {config.duration_s:g} s"
    return [work, *config.rules, *map(fault_text, faults)]


def scenario_text(
    config: RunConfig, faults: Sequence[PlannedFault], checkers: Sequence[str], seen: str, of: str
) -> str:
    """The file. ``checkers`` are those that must say *invalid*, ``seen`` their sentence, ``of`` the run it came from.

    Raises InputError if the run needs what a scenario has no word for.
    """
    lacks = _lacks(config)
    if lacks:
        raise InputError(f"what is left needs {' and '.join(lacks)}, which a scenario file has no word for")
    lines = [
        f'"""Shrunk from {of}."""',
        "",
        "from raftmon.scenario import Scenario",
        "",
        "SCENARIO = Scenario(",
        *(f"    {name}={value!r}," for name, value in _fields(config, faults, seen)),
        ")",
        "",
        "",
        "def play(stage):",
        *(f"    stage.monitor.add({rule!r})" for rule in config.rules),
        f"    stage.work_under({schedule_text(faults)!r}, {', '.join(_work(config))})",
        f"    return stage.broken({', '.join(map(repr, checkers))})",
        "",
    ]
    return "\n".join(lines)


def _lacks(config: RunConfig) -> list[str]:
    needs = {
        "a rules file": config.scripts,
        "its own codec": config.codecs,
        "a topology": config.topology != "simple" or config.link_latency_ms or config.link_loss_percent,
        "several client hosts": config.client_hosts > 1,
    }
    return [word for word, there in needs.items() if there]


def _fields(config: RunConfig, faults: Sequence[PlannedFault], seen: str) -> Iterator[tuple[str, Any]]:
    """The scenario's fields that are not their defaults."""
    names = tuple(f"n{number}" for number in range(1, config.nodes + 1))
    kinds = [fault_kind(fault.name, names) for fault in faults]
    spec = server_spec(config)
    yield "name", re.sub(r"[^a-z0-9]+", "-", f"{spec.rsplit('/', 1)[-1]}-{config.workload}".lower()).strip("-")
    yield "system", config.system
    yield "title", _short(seen, 100)
    yield "seen", _short(seen)
    yield "needs", ", ".join(fault.name for fault in faults) or "no fault"
    yield "affected", (spec,)
    yield "workload", config.workload
    if config.nodes != RunConfig().nodes:
        yield "nodes", config.nodes
    if any(kind.disks for kind in kinds):
        yield "disks", True
    if any(kind.client_traffic for kind in kinds):
        yield "client_traffic", True
    if spares := sum(kind.spares for kind in kinds):
        yield "spares", spares
    options = {name: value for name, value in config.options.items() if name != "server"}
    if config.server_flags:
        options["server_flags"] = list(config.server_flags)
    if options:
        yield "options", options


def _work(config: RunConfig) -> Iterator[str]:
    """The arguments of ``stage.work_under`` after the schedule."""
    plain = RunConfig()
    yield f"{config.duration_s:g}"
    yield f"clients={config.clients}"
    for name in ("rate", "pin", "op_timeout_s"):
        if (value := getattr(config, name)) != getattr(plain, name):
            yield f"{name}={value!r}"
    yield from (f"{name}={value!r}" for name, value in config.workload_parameters().items())


def _short(text: str, most: int = _MOST_SENTENCE) -> str:
    text = text.removeprefix("invalid: ")
    return text if len(text) <= most else text[: most - 1] + "…"
