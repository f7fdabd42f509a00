"""Attach mode: nodes as people write them, and the iptables rules that queue their packets.

Each directed link is queued exactly once in this network namespace: in INPUT where its target is local (so on loopback
too), in OUTPUT where only its source is, in FORWARD on a router, and in PREROUTING where the target is presented,
before the route is chosen.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import psutil

from raftmon.monitor.config import INJECT_MARK, MonitoredHost
from raftmon.setup.errors import InputError

__all__ = ["IptablesPlan", "local_addresses", "parse_hosts", "plan"]

_HOST = re.compile(r"(?P<name>[^=\s]+)=(?:\[(?P<bracketed>[^]]+)\]|(?P<plain>[^:]+|[^:]*:[^:]*:.*))(?::(?P<port>\d+))?")


def parse_hosts(nodes: Sequence[str], presented: Sequence[str] = ()) -> tuple[MonitoredHost, ...]:
    """Hosts from ``n1=10.0.0.1``, ``n2=10.0.0.2:2380``, ``n3=[fd00::3]:2380``, and presented ``n1=10.1.0.1``.

    Raises InputError that says which of them is wrong.
    """
    hosts: dict[str, MonitoredHost] = {}
    for text in nodes:
        name, address, port = _parse(text, "--node")
        if name in hosts:
            raise InputError(f"--node {text}: there is already a node {name}")
        hosts[name] = MonitoredHost(name, address, port=port)
    if len(hosts) < 2:
        raise InputError("two nodes or more make a link: give --node NAME=ADDRESS[:PORT] for each")
    for text in presented:
        name, address, port = _parse(text, "--present")
        if name not in hosts:
            raise InputError(f"--present {text}: unknown node {name} (available: {', '.join(hosts)})")
        if port is not None:
            raise InputError(f"--present {text}: a presented address has no port")
        hosts[name] = replace(hosts[name], presented=address)
    found = tuple(hosts.values())
    _check_shared(found)
    return found


def _parse(text: str, option: str) -> tuple[str, str, int | None]:
    found = _HOST.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        address = found["bracketed"] or found["plain"]
        ipaddress.ip_address(address)
    except ValueError:
        raise InputError(f"{option} {text}: write it as n2=10.0.0.2, n2=10.0.0.2:2380 or n2=[fd00::2]:2380") from None
    port = None if found["port"] is None else int(found["port"])
    if port is not None and not 1 <= port <= 65_535:
        raise InputError(f"{option} {text}: a port is 1 to 65535, not {port}")
    return found["name"], address, port


def _check_shared(hosts: Sequence[MonitoredHost]) -> None:
    """Hosts that share an address must differ by port."""
    seen: dict[tuple[str, int | None], str] = {}
    counts = [host.address for host in hosts]
    for host in hosts:
        shared = counts.count(host.address) > 1
        if shared and host.port is None:
            raise InputError(f"{host.name} shares {host.address} with another node: say its port, as in =ADDRESS:2380")
        if shared and host.presented is not None:
            raise InputError(f"{host.name} shares {host.address} with another node and so cannot be presented")
        if (host.address, host.port) in seen:
            raise InputError(f"{host.name} and {seen[host.address, host.port]} have the same address and port")
        seen[host.address, host.port] = host.name


def local_addresses() -> frozenset[str]:
    """The addresses of this network namespace."""
    return frozenset(address.address.partition("%")[0] for found in psutil.net_if_addrs().values() for address in found)


@dataclass(frozen=True, slots=True)
class IptablesPlan:
    """Commands as argument vectors: ``install`` puts the chains in force, ``remove`` takes them away (any may fail)."""

    install: tuple[tuple[str, ...], ...]
    remove: tuple[tuple[str, ...], ...]

    def lines(self) -> Iterable[str]:
        """The install commands as one would type them."""
        return (" ".join(command) for command in self.install)


def plan(hosts: Sequence[MonitoredHost], queue: int, local: frozenset[str]) -> IptablesPlan:
    """The chains for these hosts in a namespace whose own addresses are ``local`` (127/8 and ::1 always are)."""
    install: list[tuple[str, ...]] = []
    remove: list[tuple[str, ...]] = []
    presented = any(host.presented for host in hosts)
    # Somebody else's traffic must go on when the monitor ends; what is presented cannot.
    jump = ["-j", "NFQUEUE", "--queue-num", str(queue), *([] if presented else ["--queue-bypass"])]
    for version, command in ((4, "iptables"), (6, "ip6tables")):
        rules = dict.fromkeys(_rules([h for h in hosts if ipaddress.ip_address(h.address).version == version], local))
        hooks = dict.fromkeys(hook for hook, _ in rules)
        base = (command, "-w", "-t", "mangle")
        for hook in hooks:
            chain = f"RAFTMON-{queue}-{hook}"
            install.append((*base, "-N", chain))
            install.append((*base, "-A", chain, "-m", "mark", "--mark", hex(INJECT_MARK), "-j", "RETURN"))
            install += [(*base, "-A", chain, *match, *jump) for where, match in rules if where == hook]
            install.append((*base, "-I", hook, "-j", chain))
            remove.append((*base, "-D", hook, "-j", chain))
            remove.append((*base, "-F", chain))
            remove.append((*base, "-X", chain))
    return IptablesPlan(tuple(install), tuple(remove))


def _rules(hosts: Sequence[MonitoredHost], local: frozenset[str]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """(hook, match) for each directed link; links of the same addresses and ports give the same."""
    for source in hosts:
        for target in hosts:
            if source is target:
                continue
            ends = ("-s", source.address, "-d", target.presented or target.address)
            hook = _hook(source, target, local)
            if source.port is None or target.port is None:
                yield hook, ends
            else:  # the target was dialled, or it dialled the source
                yield hook, (*ends, "-p", "tcp", "--dport", str(target.port))
                yield hook, (*ends, "-p", "tcp", "--sport", str(source.port))


def _hook(source: MonitoredHost, target: MonitoredHost, local: frozenset[str]) -> str:
    def is_local(host: MonitoredHost) -> bool:
        return host.address in local or ipaddress.ip_address(host.address).is_loopback

    if target.presented is not None:
        return "OUTPUT" if is_local(source) else "PREROUTING"
    if is_local(target):
        return "INPUT"
    return "OUTPUT" if is_local(source) else "FORWARD"
