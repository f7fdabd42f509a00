"""The configuration of a recorded run, read from a folder that somebody else may have made.

What is code in it (rules files, an adapter or workload in Python, a server binary that is not from raftmon's own cache)
is run only where the user says so; every value must have the type that raftmon gives it.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from raftmon.driver.run.config import RunConfig
from raftmon.driver.run_folder import CONFIG, RunFolder
from raftmon.setup.errors import InputError
from raftmon.setup.servers import cache_folder

__all__ = ["code_of", "replayed"]


def replayed(folder: RunFolder, *, trusted: bool) -> RunConfig:
    """The configuration of the run in ``folder``, seed included.

    Raises InputError if it cannot be read, a value is of another kind, or it would run code without ``trusted``.
    """
    found = folder.load(CONFIG)
    value = found.get("config") if isinstance(found, dict) else None
    if not isinstance(value, dict):
        raise InputError(f"--replay: {folder.path} has no {CONFIG} that can be read: name the folder of a whole run")
    where = f"--replay: {folder.path / CONFIG}"
    hints = get_type_hints(RunConfig)
    for field in fields(RunConfig):
        if field.name in value and not _is(value[field.name], hints[field.name]):
            raise InputError(
                f"{where}: {field.name} is {str(value[field.name])[:60]!r}, which no run of raftmon writes"
            )
    config = RunConfig.from_json(value)
    code = code_of(config)
    if code and not trusted:
        raise InputError(
            f"{where} names code that would be run on this machine ({', '.join(code)}): "
            "look at it, and give --trust if you trust who recorded the run"
        )
    return config


def code_of(config: RunConfig) -> list[str]:
    """The files that a run of this configuration executes and raftmon did not fetch itself."""
    found = [*config.scripts, *(name for name in (config.system, config.workload) if name.endswith(".py"))]
    for server in (config.adapter_options().get("server"), *config.servers.values()):
        if server is not None and not _from_cache(str(server)):
            found.append(str(server))
    return found


def _from_cache(server: str) -> bool:
    return Path(server).resolve().is_relative_to(cache_folder().resolve())


def _is(value: Any, hint: Any) -> bool:
    """Whether a JSON value has the type of a RunConfig's field: text, number, truth, object, or a list of texts."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(_is(value, one) for one in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if get_origin(hint) is dict:
        return isinstance(value, Mapping)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
