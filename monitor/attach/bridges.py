"""Whether packets that pass this network namespace reach iptables at all: those of a bridge need br_netfilter."""

from __future__ import annotations

from pathlib import Path

__all__ = ["unseen"]

_SETTING = "proc/sys/net/bridge/bridge-nf-call-iptables"


def unseen(root: Path = Path("/")) -> str | None:
    """A sentence where packets that are switched here pass by iptables, and what to do; None if none do."""
    interfaces = root / "sys/class/net"
    bridges = sorted(one.parent.name for one in interfaces.glob("*/bridge"))
    if (interfaces / "ovs-system").exists():
        return (
            "Open vSwitch switches packets here, which never pass iptables: run this in the network namespace of a "
            "router or of a node instead"
        )
    if not bridges:
        return None
    names = f"{', '.join(bridges)} {'is a bridge' if len(bridges) == 1 else 'are bridges'}"
    setting = root / _SETTING
    if not setting.exists():
        return (
            f"{names}, whose packets iptables does not see without br_netfilter: run `modprobe br_netfilter` and "
            "`sysctl net.bridge.bridge-nf-call-iptables=1` first, or this command in the network namespace of each node"
        )
    if setting.read_text().strip() != "1":
        return f"{names}, whose packets iptables does not see: run `sysctl net.bridge.bridge-nf-call-iptables=1` first"
    return None
