"""All that reproduces a run's plan, as one frozen value; it is the ``config.json`` of the run's folder."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.clients.arrivals import ARRIVALS
from raftmon.driver.clients.plan import ClientPlan
from raftmon.driver.run_folder import check_name
from raftmon.setup.errors import InputError

__all__ = ["DEFAULT_FAULTS", "RunConfig"]

DEFAULT_FAULTS = "partial-partition@33%..50%,kill-leader@80%..90%"

MOST_NODES = 64  # of a cluster on one host; a link is a pair of them
MOST_CLIENTS = 10_000
MOST_KEYS = 1_000_000
MOST_RATE = 1_000_000  # operations a second


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What the user asked for. Durations in seconds, rates in operations a second over all clients."""

    system: str = "etcd"
    server: str | None = None
    nodes: int = 3
    clients: int = 5
    client_hosts: int = 1
    keys: int = 5
    rate: float | None = None
    faults: str = DEFAULT_FAULTS
    duration_s: float = 20.0
    transparent: bool = False
    seed: str = "0"
    name: str | None = None
    op_timeout_s: float = 2.0
    workload: str = "register"
    pin: str | None = None
    rules: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    strict: bool = False
    monitored: bool = True
    record: bool = True
    server_flags: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    workload_options: tuple[str, ...] = ()
    arrival: str = "uniform"
    mtbf_s: float = 5.0
    topology: str = "simple"
    link_latency_ms: float = 0.0
    link_jitter_ms: float = 0.0
    link_loss_percent: float = 0.0
    codecs: tuple[str, ...] = ()
    keep_data: bool = False
    servers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be run, each with its own sentence."""
        for option, value, most in (
            ("--nodes", self.nodes, MOST_NODES),
            ("--clients", self.clients, MOST_CLIENTS),
            ("--client-hosts", self.client_hosts, MOST_NODES),
            ("--keys", self.keys, MOST_KEYS),
        ):
            if not 1 <= value <= most:
                raise InputError(f"{option} is {value}: a run needs at least 1 and takes at most {most:,}")
        if self.client_hosts > self.clients:
            raise InputError(
                f"--client-hosts is {self.client_hosts} but --clients only {self.clients}: "
                "every client host needs at least one client"
            )
        if not 1 <= self.duration_s <= 86_400:
            raise InputError(f"--duration is {self.duration_s:g} s: give 1 s to 24 h")
        if not 0 < self.mtbf_s <= 86_400:
            raise InputError(f"--mtbf is {self.mtbf_s:g} s: give more than 0 s and at most 24 h")
        if not 0 < self.op_timeout_s <= 3600:
            raise InputError(f"--op-timeout is {self.op_timeout_s:g} s: give more than 0 s and at most 1 h")
        if self.rate is not None and not 0 < self.rate <= MOST_RATE:
            raise InputError(f"--rate is {self.rate:g} a second: give more than 0 and at most {MOST_RATE:,}")
        if self.arrival not in ARRIVALS:
            raise InputError(f"unknown --arrival {self.arrival!r} (available: {', '.join(ARRIVALS)})")
        if self.name is not None:
            check_name(self.name)
        check_name(self.run_name)

    @property
    def run_name(self) -> str:
        """The folder under the store that runs of this kind share."""
        return self.name or re.sub(r"[^\w.+@-]+", "-", f"{self.system_name}-{self.workload}", flags=re.ASCII)

    @property
    def system_name(self) -> str:
        """The system without the folder and ending of a ``.py`` path."""
        return self.system.rsplit("/", 1)[-1].removesuffix(".py")

    def adapter_options(self) -> dict[str, Any]:
        """What the adapter is made with; options that were not given are left out."""
        options = dict(self.options)
        if self.server is not None:
            options["server"] = self.server
        if self.server_flags:
            options["server_flags"] = list(self.server_flags)
        return options

    def client_plan(self) -> ClientPlan:
        """What the clients do. Raises InputError."""
        return ClientPlan(
            system=self.system,
            slots=self.clients,
            seed=self.seed,
            options=self.adapter_options(),
            workload=self.workload,
            parameters=self.workload_parameters(),
            rate=self.rate,
            arrival=self.arrival,
            op_timeout_s=self.op_timeout_s,
            pin=self.pin,
        )

    def workload_parameters(self) -> dict[str, Any]:
        """What the workload is made with. Raises InputError."""
        from raftmon.driver.workloads.workloads import parameters_of

        return parameters_of(self.workload, self.workload_options, keys=self.keys)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that ``from_json`` turns back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> RunConfig:
        """The configuration in a run's ``config.json``; unknown names (of a later version) are left out."""
        names = {f.name for f in dataclasses.fields(cls)}
        known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items() if k in names}
        return cls(**known)
