"""What is known of a fault before one is made: one row with all its properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from raftmon.driver.faults.base import Fault
from raftmon.driver.faults.selectors import SELECTORS
from raftmon.setup.errors import InputError

__all__ = ["FaultKind", "FaultOption"]

_ONE_NODE = ("one", "leader", "follower")


@dataclass(frozen=True, slots=True)
class FaultOption:
    """One option of a fault, ``NAME(option=value)``; text until the fault parses it.

    ``selects`` is ``node`` if the value must mean one node, ``nodes`` if any selector will do, ``server`` if it is a
    server's specification, else empty.
    """

    default: str
    help: str
    selects: str = ""

    def check(self, fault: str, option: str, value: str, nodes: tuple[str, ...]) -> None:
        """Raise InputError for a value that selects no node of ``nodes``, or more than one where one is meant."""
        if self.selects == "server":
            if not value:
                raise InputError(f"--fault {fault}: say to which server: {fault}({option}=etcd@3.5.30)")
            return
        if not self.selects or value in nodes or value in _ONE_NODE:
            return
        if self.selects == "node" and value in SELECTORS:
            raise InputError(
                f"--fault {fault}: {option}={value} is more than one node: use one, leader, follower or a name"
            )
        if value not in SELECTORS:
            known = ", ".join((*(_ONE_NODE if self.selects == "node" else SELECTORS), *nodes))
            raise InputError(f"--fault {fault}: {option}={value} selects no node (available: {known})")


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One row of the table of faults: how to make it, and its properties.

    ``make``
        called with the fault's name and each option by name, as text; returns a fresh Fault, raises InputError
    ``summary``
        one line
    ``options``
        by name
    ``random``
        whether ``--fault random`` draws it: it leaves a quorum a chance to come back by itself
    ``window``
        when it happens where no times are given, in parts of the run; None for the middle third
    ``least_nodes``
        the fewest nodes it makes sense with
    ``spares``
        hosts beyond the nodes that it needs
    ``client_traffic``
        it works only where the traffic of clients goes through the monitor too
    ``disks``
        it works only on disks that raftmon serves itself
    ``messages``
        the action on single messages that it needs (``hold``, ``drop``); empty if it needs none
    """

    make: Callable[..., Fault]
    summary: str
    options: Mapping[str, FaultOption] = field(default_factory=dict)
    random: bool = False
    window: tuple[float, float] | None = None
    least_nodes: int = 1
    spares: int = 0
    client_traffic: bool = False
    disks: bool = False
    messages: str = ""

    def why_not(self, name: str, nodes: int) -> str | None:
        """Why it cannot be done on so many nodes, None if it can."""
        if nodes >= self.least_nodes:
            return None
        return f"{name} needs at least {self.least_nodes} nodes; this cluster has {nodes}"

    def made(self, name: str, options: Mapping[str, str], nodes: tuple[str, ...]) -> Fault:
        """A fresh fault. Raises InputError for an option that there is not, or a value that cannot be."""
        for option in options:
            if option not in self.options:
                known = ", ".join(self.options) or "none"
                raise InputError(f"--fault {name} has no option {option!r}; it has {known}")
        values = {option: options.get(option, known.default) for option, known in self.options.items()}
        for option, value in values.items():
            self.options[option].check(name, option, value, nodes)
        return self.make(name, **values)
