"""The network of a run, inside the sandbox: one network namespace and one veth pair a host, and a router between them.

The router is the sandbox's own network namespace, where the driver lives: it reaches every host directly by its real
address. Interfaces, addresses and routes are made by pyroute2 (rtnetlink(7)); names of namespaces are those of
``ip netns`` (under the sandbox's private /run/netns).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pyroute2 import IPRoute, netns
from pyroute2.netlink.exceptions import NetlinkError

from raftmon.setup import sandbox
from raftmon.setup.errors import RaftmonError
from raftmon.setup.topology import MTU, Host, Topology

__all__ = ["Network", "in_namespace"]

_NETNS_FOLDER = Path("/run/netns")
_SYSCTL = Path("/proc/sys/net")
_CLONE_NEWNET = 0x40000000
_IFA_F_NODAD = 2  # no duplicate address detection: it would keep the address unusable for a second
_LONGEST_CARRIER_S = 10.0
_GROUP = 77  # of the interfaces in the router: they are removed together
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(descriptor: int, name: str) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise RaftmonError(f"cannot enter network namespace {name!r}: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def in_namespace(name: str) -> Iterator[None]:
    """Put the calling *thread* into network namespace ``name`` for the length of the block (setns(2)).

    Sockets opened, and processes started, inside the block belong to that namespace for good. Other threads are not
    touched. Raises RaftmonError if there is no such namespace.
    """
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            other = os.open(_NETNS_FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise RaftmonError(f"there is no network namespace {name!r} in this sandbox: {error.strerror}") from error
        try:
            _setns(other, name)
        finally:
            os.close(other)
        try:
            yield
        finally:
            _setns(own, "of the router")
    finally:
        os.close(own)


def _sysctl(**values: int) -> None:
    """Set values of the calling thread's namespace; ``ipv4__ip_forward=1`` is net/ipv4/ip_forward."""
    for name, value in values.items():
        (_SYSCTL / name.replace("__", "/")).write_text(str(value))


class Network:
    """The namespaces and veths of one topology: made on entry, removed on exit.

    ``has_ipv6`` says whether the hosts have their IPv6 addresses too (the kernel may have none). Raises RaftmonError
    outside a sandbox, so that the host's own network is never changed, and where the kernel refuses a step.
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.has_ipv6 = (_SYSCTL / "ipv6").is_dir()
        self._made: list[Host] = []

    def __enter__(self) -> Network:
        if not sandbox.inside():
            raise RaftmonError(
                "networks are made only inside raftmon's sandbox: call raftmon.setup.sandbox.enter() first"
            )
        try:
            self._set_up_router()
            for host in self.topology.hosts():
                self._add(host)
            self._wait_for_carriers()
        except (NetlinkError, OSError) as error:
            self.remove()
            raise RaftmonError(f"the kernel refused a part of the network: {error}") from error
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()

    def _set_up_router(self) -> None:
        # Reverse path filtering would drop packets whose presented source no route leads back to.
        _sysctl(ipv4__ip_forward=1, ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0)
        if self.has_ipv6:
            _sysctl(ipv6__conf__all__forwarding=1)

    def _add(self, host: Host) -> None:
        netns.create(host.namespace)
        self._made.append(host)
        with IPRoute() as router:
            peer = {"ifname": "eth0", "net_ns_fd": host.namespace, "mtu": MTU}
            router.link("add", ifname=host.router_interface, kind="veth", mtu=MTU, peer=peer)
            router.link("set", index=router.link_lookup(ifname=host.router_interface)[0], IFLA_GROUP=_GROUP)
            self._bring_up(router, host.router_interface, host.gateway, host.gateway6)
        with in_namespace(host.namespace):
            _sysctl(ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0)
            with IPRoute() as inner:
                inner.link("set", index=inner.link_lookup(ifname="lo")[0], state="up")
                index = self._bring_up(inner, "eth0", host.address, host.address6)
                inner.route("add", dst="default", gateway=host.gateway)
                if self.has_ipv6:
                    inner.route("add", family=10, dst="default", gateway=host.gateway6, oif=index)

    def _bring_up(self, netlink: Any, interface: str, address: str, address6: str) -> int:
        index = int(netlink.link_lookup(ifname=interface)[0])
        _sysctl(**{f"ipv4__conf__{interface}__rp_filter": 0})
        if self.has_ipv6:
            # Neither router solicitations nor detection of duplicates: a capture then shows only what matters.
            _sysctl(**{f"ipv6__conf__{interface}__{name}": 0 for name in ("accept_ra", "accept_dad", "disable_ipv6")})
        netlink.addr("add", index=index, address=address, prefixlen=24)
        if self.has_ipv6:
            netlink.addr("add", index=index, address=address6, prefixlen=64, family=10, flags=_IFA_F_NODAD)
        netlink.link("set", index=index, state="up")
        return index

    def _wait_for_carriers(self) -> None:
        """Until the router's interfaces send: they were up first, and start when the kernel has noticed their peers.

        The hosts' ends had a carrier when they were taken up, and send immediately.
        """
        deadline = time.monotonic() + _LONGEST_CARRIER_S
        pause = threading.Event()
        ends = {host.router_interface for host in self._made}
        with IPRoute() as router:
            while down := [
                link.get("ifname")
                for link in router.get_links()
                if link.get("ifname") in ends and link.get("operstate") != "UP"
            ]:
                if time.monotonic() > deadline:
                    raise RaftmonError(f"the interfaces {', '.join(down)} never came up")
                pause.wait(0.002)

    def remove(self) -> None:
        """Remove the veths and the names of the namespaces; processes still in one keep it alive."""
        with IPRoute() as router:
            # All at once, by their group: the kernel waits tens of milliseconds for its readers after each removal.
            with contextlib.suppress(NetlinkError):  # there are none
                router.link("del", index=0, IFLA_GROUP=_GROUP)
            while self._made:
                with contextlib.suppress(OSError):
                    netns.remove(self._made.pop().namespace)

    def popen(self, host_name: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start ``argv`` on a host, in its own session and process group; the Popen's pid is the command's.

        ``options`` go to subprocess.Popen. No parent-death signal is set: that one follows the *thread* that forked
        (prctl(2)), and would kill a node that a fault's thread restarted; the sandbox's pid 1 ends everything instead.
        Raises InputError for an unknown host, RaftmonError if the command cannot be executed.
        """
        host = self.topology.host(host_name)
        options.setdefault("start_new_session", True)
        with in_namespace(host.namespace):
            try:
                return subprocess.Popen(argv, **options)
            except OSError as error:
                raise RaftmonError(f"cannot start {argv[0]} on {host_name}: {error.strerror}") from error
