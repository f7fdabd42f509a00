"""A scenario: a short program over a cluster that makes a known bug show, or says that it could not be set up.

A file of your own has ``SCENARIO = Scenario(...)`` and ``def play(stage)``. ``play`` returns a sentence that says what
was seen where the bug showed, and None if it did not; it raises ``CouldNotSetUp`` where the bug's conditions could
not be brought about. What it does through ``stage.client`` enters the history, and ``stage.judge`` has it checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CouldNotSetUp", "Scenario"]


class CouldNotSetUp(Exception):
    """The conditions of the bug could not be reproduced; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a scenario reproduces, and where.

    ``affected`` and ``control`` are server specifications (``etcd@3.4.23``), the default one first. Where every version
    that can be had is affected, ``control`` is empty and ``why_no_control`` says so. ``options`` are the adapter's;
    ``control_options`` are added on the control, where it is a setting that mends it.
    ``disks``, ``client_traffic`` and ``spares`` say what its faults need (FaultKind).
    ``leader`` is the node that is to lead when it begins: until then nobody else's vote requests arrive.
    ``seen`` is what a client or the wire shows, ``needs`` the events required, ``fixed`` the versions that mend it.
    """

    name: str
    system: str
    title: str
    seen: str
    needs: str
    affected: tuple[str, ...]
    control: tuple[str, ...] = ()
    fixed: str = ""
    why_no_control: str = ""
    nodes: int = 3
    disks: bool = False
    client_traffic: bool = False
    spares: int = 0
    workload: str = "register"
    options: Mapping[str, Any] = field(default_factory=dict)
    control_options: Mapping[str, Any] = field(default_factory=dict)
    leader: str | None = None
    sources: tuple[str, ...] = ()
