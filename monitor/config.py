"""What the monitor is told when it starts: one frozen value, kept as JSON beside the run."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link, Topology

__all__ = ["INJECT_MARK", "MODES", "MonitorConfig", "MonitoredHost"]

MODES = ("presented", "transparent", "attach")

INJECT_MARK = 0x52414654


@dataclass(frozen=True, slots=True)
class MonitoredHost:
    """One end of a link: its name, the address it really has, the one its peers know (the same where None), its port.

    ``port`` is needed only where several hosts share one address (loopback); elsewhere it says which port is the
    cluster's own. ``address6`` and ``presented6`` are the same under IPv6, where the host has it.
    """

    name: str
    address: str
    presented: str | None = None
    port: int | None = None
    address6: str | None = None
    presented6: str | None = None


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """Everything the monitor process needs to know.

    ``control`` is the path of its control socket. ``rules`` are one-line rules or JSON objects, in force from the
    first packet; ``scripts`` are paths of user code. ``strict`` ends the run at the first exception in user code.
    ``malformed`` says what becomes of packets that are not well formed: ``accept`` or ``drop``. ``copy_range`` is the
    largest part of a packet asked from the kernel in bytes, ``queue_max_len`` the kernel queue's bound in packets
    (held packets included), ``hold_max`` the bound on held packets. ``monotonic_ns`` and ``wall_ns`` are one instant
    on both clocks, from which packet times are made. ``decode`` names the system whose messages the recorder shall
    decode, if any; ``codecs`` are paths of further codecs.
    """

    queue: int
    hosts: tuple[MonitoredHost, ...]
    folder: str
    control: str
    monotonic_ns: int
    wall_ns: int
    mode: str = "presented"
    seed: str = "0"
    rules: tuple[str | Mapping[str, Any], ...] = ()
    scripts: tuple[str, ...] = ()
    strict: bool = False
    record: bool = True
    decode: str | None = None
    codecs: tuple[str, ...] = ()
    malformed: str = "accept"
    queue_max_len: int = 65_536
    copy_range: int = 65_535
    hold_max: int = 32_768
    record_backlog_bytes: int = 64 << 20
    task_limit_s: float = 10.0

    def __post_init__(self) -> None:
        names = [host.name for host in self.hosts]
        if len(set(names)) != len(names):
            raise InputError(f"two hosts bear the same name in {', '.join(names)}: give each its own")
        if self.mode not in MODES:
            raise InputError(f"unknown monitor mode {self.mode!r} (available: {', '.join(MODES)})")
        if self.malformed not in ("accept", "drop"):
            raise InputError(f"malformed packets are accepted or dropped, not {self.malformed!r}")
        if not 0 <= self.queue <= 65_535:
            raise InputError(f"a queue number is 0 to 65535, not {self.queue}: give --queue one in that range")
        for host in self.hosts:
            _check_host(host)

    @property
    def wall_offset_ns(self) -> int:
        """What is added to a time on CLOCK_MONOTONIC to make it nanoseconds since 1970."""
        return self.wall_ns - self.monotonic_ns

    @classmethod
    def of_topology(
        cls, topology: Topology, folder: Path, *, monotonic_ns: int, wall_ns: int, queue: int = 0, **options: Any
    ) -> MonitorConfig:
        """The configuration of a run's own monitor; ``options`` are further fields of this class."""
        hosts = tuple(
            MonitoredHost(
                host.name,
                host.address,
                host.presented if host.presented_net else None,
                address6=host.address6,
                presented6=host.presented6 if host.presented_net else None,
            )
            for host in topology.hosts()
        )
        options.setdefault("mode", "transparent" if topology.transparent else "presented")
        options.setdefault("control", str(folder / "monitor.sock"))
        return cls(queue, hosts, str(folder), monotonic_ns=monotonic_ns, wall_ns=wall_ns, **options)

    def links(self) -> tuple[Link, ...]:
        """Every directed pair of different hosts, in the hosts' order; a link's place here is its id."""
        return tuple(Link(a.name, b.name) for a in self.hosts for b in self.hosts if a is not b)

    def to_json(self) -> bytes:
        """The whole value as one JSON object."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2)

    @classmethod
    def from_json(cls, text: bytes, where: str) -> MonitorConfig:
        """Read what ``to_json`` wrote; raises InputError naming ``where`` and the field that is wrong."""
        try:
            found = orjson.loads(text)
            if not isinstance(found, dict):
                raise TypeError("it is not a JSON object")
            known = {field.name for field in fields(cls)}
            if unknown := sorted(set(found) - known):
                raise TypeError(f"it has unknown fields: {', '.join(unknown)}")
            found["hosts"] = tuple(MonitoredHost(**host) for host in found["hosts"])
            for name in ("rules", "scripts", "codecs"):
                found[name] = tuple(found.get(name, ()))
            return cls(**found)
        except (orjson.JSONDecodeError, TypeError, KeyError) as error:
            raise InputError(f"{where} is not a monitor's configuration: {error}") from error


def _check_host(host: MonitoredHost) -> None:
    """Raise InputError unless the addresses go together and the port is one."""
    try:
        for real, presented in ((host.address, host.presented), (host.address6, host.presented6)):
            if presented is None:
                ipaddress.ip_address(real or "::")
                continue
            versions = {ipaddress.ip_address(real or "").version, ipaddress.ip_address(presented).version}
            if len(versions) > 1:
                raise InputError(f"{host.name} is presented under an address of the other family: give both of one")
    except ValueError as error:
        raise InputError(f"the address of {host.name} is wrong: {error}") from error
    if host.port is not None and not 1 <= host.port <= 65_535:
        raise InputError(f"the port of {host.name} is 1 to 65535, not {host.port}")
