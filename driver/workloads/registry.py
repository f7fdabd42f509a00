"""The workloads there are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from driver.workloads.base import Workload
from driver.workloads.register import RegisterWorkload
from setup.errors import InputError

__all__ = ["WORKLOADS", "workload", "workload_names"]

WORKLOADS: dict[str, Callable[..., Workload]] = {
    "register": RegisterWorkload,
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
