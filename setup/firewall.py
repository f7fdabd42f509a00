"""The router's own iptables chains, which hand traffic to the monitor's queue.

Presented traffic is queued in mangle PREROUTING, before the routing decision, so that the rewritten destination is
what gets routed. All other traffic is queued in mangle FORWARD, where the router's own packets (the driver asking a
node whether it is ready) are not seen. No rule has ``--queue-bypass``: without the monitor the cluster is cut.

python-iptables is asked first; it knows only the legacy tables. Where these do not work, ``iptables-restore`` is used
(most distributions' is the nft flavour now). Both use the xt NFQUEUE target.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.topology import CLIENT_NET, NODE_NET, PRESENTED_NET, Topology

__all__ = ["CHAINS", "Backend", "Firewall", "FirewallRule", "plan"]

Backend = Literal["auto", "iptc", "restore"]
Hook = Literal["PREROUTING", "FORWARD"]
CHAINS: dict[Hook, str] = {"PREROUTING": "RAFTMON", "FORWARD": "RAFTMON-FORWARD"}
_RESTORE_COMMANDS = ("iptables-restore", "iptables-nft-restore", "iptables-legacy-restore")
_MAX_QUEUE = 65535
_LIBRARY_FOLDERS = tuple(
    Path(name)
    for name in (f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}", "/usr/lib64", "/usr/lib", "/usr/local/lib")
)


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """One rule: traffic from one network to another (CIDR; None is any), to the queue or dropped."""

    hook: Hook
    source: str | None
    target: str | None
    verdict: Literal["NFQUEUE", "DROP"]


def _cidr(net: str, family: int) -> str:
    """``10.77`` as ``10.77.0.0/16``, or under IPv6 as ``fd77::/16``."""
    return f"{net}.0.0/16" if family == 4 else f"fd{net.split('.')[1]}::/16"


def plan(topology: Topology, *, client_traffic: bool, family: int = 4) -> tuple[FirewallRule, ...]:
    """The rules a topology needs, in order; ``family`` is 4 or 6."""
    nodes, presented, clients = (_cidr(net, family) for net in (NODE_NET, PRESENTED_NET, CLIENT_NET))
    if topology.transparent:
        rules = [FirewallRule("FORWARD", nodes, nodes, "NFQUEUE")]
    else:
        rules = [
            FirewallRule("PREROUTING", None, presented, "NFQUEUE"),
            FirewallRule("FORWARD", nodes, nodes, "DROP"),  # a node that goes to a real address passes nothing around
        ]
    if client_traffic:
        rules += [
            FirewallRule("FORWARD", clients, nodes, "NFQUEUE"),
            FirewallRule("FORWARD", nodes, clients, "NFQUEUE"),
        ]
    return tuple(rules)


class Firewall:
    """The chains of one run, in the calling thread's network namespace.

    ``backend``: ``iptc`` (python-iptables), ``restore`` (iptables-restore), or ``auto``, which takes the first of the
    two that works; after install() it says which. ``ipv6=True`` gives IPv6 traffic the same rules.
    """

    def __init__(
        self,
        topology: Topology,
        queue_num: int,
        *,
        client_traffic: bool = False,
        backend: Backend = "auto",
        ipv6: bool = False,
    ) -> None:
        if not 0 <= queue_num <= _MAX_QUEUE:
            raise InputError(f"queue {queue_num} does not exist: queues are numbered 0 to {_MAX_QUEUE}")
        self.backend = backend
        self._queue_num = queue_num
        self._plans = {
            family: plan(topology, client_traffic=client_traffic, family=family)
            for family in ((4, 6) if ipv6 else (4,))
        }
        self._installed = False

    def __enter__(self) -> Firewall:
        self.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()

    def install(self) -> None:
        """Put the chains in force. Raises RaftmonError with each backend's reason if none works."""
        reasons = []
        for backend in ("iptc", "restore") if self.backend == "auto" else (self.backend,):
            try:
                for family, rules in self._plans.items():
                    _INSTALL[backend](family, rules, self._queue_num)
            except RaftmonError as error:
                reasons.append(f"{backend}: {error}")
                for family in self._plans:  # half a plan must not stay beside the next backend's
                    with contextlib.suppress(RaftmonError):
                        _REMOVE[backend](family)
            else:
                self.backend = backend
                self._installed = True
                return
        raise RaftmonError(f"no iptables works here ({'; '.join(reasons)}); raftmon doctor says what to change")

    def remove(self) -> None:
        """Take the chains away again; nothing happens if they are not there."""
        if not self._installed:
            return
        self._installed = False
        for family in self._plans:
            _REMOVE[self.backend](family)


def _install_iptc(family: int, rules: tuple[FirewallRule, ...], queue_num: int) -> None:
    iptc = _import_iptc()
    try:
        table = _mangle(iptc, family)
        for hook, chain in CHAINS.items():
            own = table.create_chain(chain)
            for rule in reversed([rule for rule in rules if rule.hook == hook]):  # insert_rule puts each in front
                own.insert_rule(_iptc_rule(iptc, table, rule, queue_num))
            iptc.Chain(table, hook).insert_rule(_iptc_jump(iptc, table, chain))
    except Exception as error:  # libiptc's IPTCError, and xtables' own errors, are bare Exceptions
        raise RaftmonError(f"python-iptables: {error}") from error


def _remove_iptc(family: int) -> None:
    iptc = _import_iptc()
    try:
        table = _mangle(iptc, family)
        for hook, chain in CHAINS.items():
            iptc.Chain(table, hook).delete_rule(_iptc_jump(iptc, table, chain))
            own = iptc.Chain(table, chain)
            own.flush()
            table.delete_chain(own)
    except Exception as error:
        raise RaftmonError(f"python-iptables could not remove the chains: {error}") from error


def _import_iptc() -> Any:
    try:
        with _quick_libraries():
            import iptc
    except Exception as error:  # it loads the xtables libraries as it is imported
        raise RaftmonError(f"python-iptables cannot be loaded: {error}") from error
    return iptc


@contextlib.contextmanager
def _quick_libraries() -> Iterator[None]:
    """While python-iptables is imported, its libraries are looked for in the usual folders first.

    It asks ctypes for a dozen names, and for each ctypes runs ldconfig, gcc and ld: half a second of a run's start.
    """
    thorough = ctypes.util.find_library

    def quick(name: str) -> str | None:
        if "xtwrapper" in name:
            return None  # python-iptables' own, which it then looks for beside itself
        for folder in _LIBRARY_FOLDERS:
            if found := sorted(folder.glob(f"lib{name}.so.*")):
                return found[0].name
        return thorough(name)

    ctypes.util.find_library = quick
    try:
        yield
    finally:
        ctypes.util.find_library = thorough


def _mangle(iptc: Any, family: int) -> Any:
    kind = iptc.Table if family == 4 else iptc.Table6
    table = kind(kind.MANGLE)
    table.refresh()  # the object is one a process; another network namespace may have been current before
    return table


def _empty_rule(iptc: Any, table: Any) -> Any:
    """A rule that looks for chains to jump to in ``table`` alone.

    python-iptables looks in all tables, and to look in one makes the kernel lead every packet through it from then on.
    """
    kind = iptc.Rule6 if isinstance(table, iptc.Table6) else iptc.Rule
    return type(kind.__name__, (kind,), {"tables": [table]})()


def _iptc_rule(iptc: Any, table: Any, rule: FirewallRule, queue_num: int) -> Any:
    made = _empty_rule(iptc, table)
    if rule.source:
        made.src = rule.source
    if rule.target:
        made.dst = rule.target
    target = made.create_target(rule.verdict)
    if rule.verdict == "NFQUEUE":
        target.queue_num = str(queue_num)
    return made


def _iptc_jump(iptc: Any, table: Any, chain: str) -> Any:
    jump = _empty_rule(iptc, table)
    jump.create_target(chain)
    return jump


def _restore_lines(rules: tuple[FirewallRule, ...], queue_num: int) -> Iterator[str]:
    for hook, chain in CHAINS.items():
        yield f":{chain} - [0:0]"
        yield f"-I {hook} -j {chain}"
    for rule in rules:
        words = ["-A", CHAINS[rule.hook]]
        words += ["-s", rule.source] if rule.source else []
        words += ["-d", rule.target] if rule.target else []
        words += ["-j", rule.verdict]
        words += ["--queue-num", str(queue_num)] if rule.verdict == "NFQUEUE" else []
        yield " ".join(words)


def _restore(family: int, lines: list[str]) -> None:
    """Hand lines to the first iptables-restore that accepts them: all or none take effect."""
    text = "\n".join(["*mangle", *lines, "COMMIT", ""])
    reasons = []
    for name in _RESTORE_COMMANDS:
        command = shutil.which(name.replace("iptables", "ip6tables") if family == 6 else name, path=_search_path())
        if command is None:
            continue
        done = subprocess.run([command, "--noflush"], input=text, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        reasons.append(f"{name}: {' '.join(done.stderr.split())}")
    raise RaftmonError("; ".join(reasons) or "iptables-restore is not installed")


def _search_path() -> str:
    """An unprivileged user's PATH often lacks the sbin folders."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _install_restore(family: int, rules: tuple[FirewallRule, ...], queue_num: int) -> None:
    _restore(family, list(_restore_lines(rules, queue_num)))


def _remove_restore(family: int) -> None:
    jumps = [f"-D {hook} -j {chain}" for hook, chain in CHAINS.items()]
    _restore(family, [*jumps, *(f"-F {chain}" for chain in CHAINS.values()), *(f"-X {c}" for c in CHAINS.values())])


_INSTALL = {"iptc": _install_iptc, "restore": _install_restore}
_REMOVE = {"iptc": _remove_iptc, "restore": _remove_restore}
