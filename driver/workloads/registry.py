"""The workloads there are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from raftmon.driver.workloads.append import AppendWorkload
from raftmon.driver.workloads.bank import BankWorkload
from raftmon.driver.workloads.base import Workload
from raftmon.driver.workloads.lease import LeaseWorkload
from raftmon.driver.workloads.lock import LockWorkload
from raftmon.driver.workloads.mixed import MixedWorkload
from raftmon.driver.workloads.register import RegisterWorkload
from raftmon.driver.workloads.set import SetWorkload
from raftmon.driver.workloads.uniform import UniformWorkload
from raftmon.driver.workloads.watch import WatchWorkload
from raftmon.setup.errors import InputError

__all__ = ["WORKLOADS", "parameters_of", "workload", "workload_names"]

WORKLOADS: dict[str, Callable[..., Workload]] = {
    "register": RegisterWorkload,
    "uniform": UniformWorkload,
    "set": SetWorkload,
    "append": AppendWorkload,
    "bank": BankWorkload,
    "lock": LockWorkload,
    "watch": WatchWorkload,
    "lease": LeaseWorkload,
    "mixed": MixedWorkload,
}


def workload_names() -> list[str]:
    """The names that ``workload`` knows."""
    return list(WORKLOADS)


def workload(name: str, parameters: Mapping[str, Any] | None = None) -> Workload:
    """A workload by name. Raises InputError for a name or a parameter that there is not."""
    if name not in WORKLOADS:
        raise InputError(f"there is no workload {name!r}; there are {', '.join(WORKLOADS)}")
    factory = WORKLOADS[name]
    known = list(inspect.signature(factory).parameters)
    for given in parameters or {}:
        if given not in known:
            raise InputError(f"the workload {name} has no parameter {given!r}; it has {', '.join(known)}")
    try:
        return factory(**(parameters or {}))
    except TypeError as error:
        raise InputError(f"the workload {name} was given a parameter it cannot use: {error}") from error


def parameters_of(name: str, options: Iterable[str] = (), **common: Any) -> dict[str, Any]:
    """A workload's parameters from texts ``name=value``, each of the type of the parameter's default.

    ``common`` are what the command line has for all workloads (``keys``); those that this one has not are left out, and
    ``options`` come first. Raises InputError for a text that is no parameter.
    """
    if name not in WORKLOADS:
        raise InputError(f"there is no workload {name!r}; there are {', '.join(WORKLOADS)}")
    known = inspect.signature(WORKLOADS[name]).parameters
    found = {key: value for key, value in common.items() if key in known}
    for option in options:
        key, equals, text = option.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or key not in known:
            raise InputError(
                f"--workload-option {option!r} is not understood: write NAME=VALUE; {name} has {', '.join(known)}"
            )
        found[key] = _typed(text.strip(), known[key].default, option)
    return found


def _typed(text: str, default: Any, option: str) -> Any:
    kind = type(default)
    if kind is str:
        return text
    try:
        return int(text) if kind is int else float(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise InputError(f"--workload-option {option!r}: {text!r} is not {wanted}") from None
