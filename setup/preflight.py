"""What ``raftmon doctor`` finds out, and what it tells the user to change.

The probes (:mod:`raftmon.setup.probes`) do; this module orders them, skips those that cannot work any more, and puts
what the kernel said, together with the machine's settings, into words.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from raftmon.setup.probes import IN_SANDBOX, OUTSIDE
from raftmon.setup.probing import Answer, Probe, ask, ask_in_sandbox

__all__ = ["Facts", "Finding", "State", "advice", "examine", "fit"]

State = Literal["ok", "warning", "failed", "skipped"]
_CONTAINER_RIGHTS = {  # by whether the user in the container is root; docs/container.md says why each is needed
    True: "start the container with --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt apparmor=unconfined",
    False: "start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined, or as root with other rights (docs/container.md)",
}
_NAMESPACES = ("user namespace", "network namespace", "mount namespace", "pid namespace", "private mounts")
_KERNEL = {
    "user namespace": "CONFIG_USER_NS",
    "network namespace": "CONFIG_NET_NS",
    "mount namespace": "CONFIG_NAMESPACES",
    "pid namespace": "CONFIG_PID_NS",
}
_MODULES = {
    "veth pairs": ("veth", "CONFIG_VETH"),
    "iptables": ("iptable_mangle xt_NFQUEUE nf_tables nft_compat", "CONFIG_IP_NF_MANGLE or CONFIG_NFT_COMPAT"),
    "NFQUEUE": ("nfnetlink_queue xt_NFQUEUE", "CONFIG_NETFILTER_NETLINK_QUEUE, CONFIG_NETFILTER_XT_TARGET_NFQUEUE"),
    "presented TCP": ("nfnetlink_queue xt_NFQUEUE", "CONFIG_NETFILTER_NETLINK_QUEUE"),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """The settings of a machine that forbid namespaces; None if the kernel has no such setting."""

    root: bool = False
    container: bool = False
    max_user_namespaces: int | None = None
    unprivileged_userns_clone: int | None = None
    apparmor_restricts: int | None = None

    @classmethod
    def read(cls, top: Path = Path("/")) -> Facts:
        """Those of this machine; ``top`` is another folder in tests."""

        def number(name: str) -> int | None:
            try:
                return int((top / "proc/sys" / name).read_text())
            except (OSError, ValueError):
                return None

        marks = (top / ".dockerenv", top / "run/.containerenv")
        return cls(
            root=os.geteuid() == 0,
            container=any(mark.exists() for mark in marks) or "container" in os.environ,
            max_user_namespaces=number("user/max_user_namespaces"),
            unprivileged_userns_clone=number("kernel/unprivileged_userns_clone"),
            apparmor_restricts=number("kernel/apparmor_restrict_unprivileged_userns"),
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: what was tried, what came of it, and what to change if it failed."""

    name: str
    state: State
    words: str
    advice: str = ""


def advice(name: str, answer: Answer, facts: Facts) -> str:
    """One sentence: what to change on this machine so that the probe ``name`` works."""
    if name in _NAMESPACES:
        return _namespace_advice(name, answer, facts)
    if name in _MODULES:
        modules, options = _MODULES[name]
        rights = f"; in a container, also {_CONTAINER_RIGHTS[facts.root]}" if facts.container else ""
        return f"load the kernel's modules with `sudo modprobe -a {modules}`, or use a kernel with {options}{rights}"
    if name == "server binary":
        return "run `raftmon servers install etcd`, or give --server the path of one"
    if name == "disk":
        if answer.errno in (errno.EACCES, errno.EROFS):
            return "run in a folder that you can write, or give --store one"
        return "free some space, or run in a folder on a faster disk with more room"
    return ""


def _namespace_advice(name: str, answer: Answer, facts: Facts) -> str:
    if answer.errno == errno.EINVAL:
        return f"this kernel was built without {_KERNEL.get(name, 'namespaces')}: use another"
    if facts.max_user_namespaces == 0:
        return "user namespaces are switched off: `sudo sysctl user.max_user_namespaces=15000`, or run with sudo"
    if answer.errno == errno.ENOSPC:
        return "a limit on namespaces is reached: raise the limits in /proc/sys/user/max_*_namespaces"
    if facts.container:
        return _CONTAINER_RIGHTS[facts.root]
    if facts.unprivileged_userns_clone == 0:
        return "only root may make them: `sudo sysctl kernel.unprivileged_userns_clone=1`, or run with sudo"
    if facts.apparmor_restricts == 1:
        return (
            "AppArmor restricts user namespaces: `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`, "
            "or run with sudo"
        )
    if facts.root:
        return "this root lacks CAP_SYS_ADMIN or a seccomp filter forbids it: lift that, or run outside of it"
    return "run with sudo, or have the administrator allow user namespaces"


def examine(
    outside: Sequence[Probe] = OUTSIDE,
    in_sandbox: Sequence[Probe] = IN_SANDBOX,
    facts: Facts | None = None,
    asking: Callable[[Probe], Answer] = ask,
    asking_in_sandbox: Callable[[Sequence[Probe]], list[Answer]] = ask_in_sandbox,
) -> list[Finding]:
    """Try everything, in an order in which the first failure is the cause of those after it."""
    facts = Facts.read() if facts is None else facts
    first = [probe for probe in outside if probe.essential]
    last = [probe for probe in outside if not probe.essential]
    findings = [_finding(probe, asking(probe), facts) for probe in first]
    if all(finding.state == "ok" for finding in findings):
        answers = asking_in_sandbox(in_sandbox)
        findings += [_finding(probe, answer, facts) for probe, answer in zip(in_sandbox, answers, strict=False)]
        rest = in_sandbox[len(answers) :]
        if rest:
            findings.append(Finding(rest[0].name, "failed", "the sandbox died or hung at it", "please report this"))
            rest = rest[1:]
        findings += [Finding(probe.name, "skipped", "not reached") for probe in rest]
    else:
        findings += [Finding(probe.name, "skipped", "there is no sandbox to try it in") for probe in in_sandbox]
    return findings + [_finding(probe, asking(probe), facts) for probe in last]


def _finding(probe: Probe, answer: Answer, facts: Facts) -> Finding:
    if answer.works:
        return Finding(probe.name, "ok", answer.words)
    return Finding(
        probe.name, "failed" if probe.essential else "warning", answer.words, advice(probe.name, answer, facts)
    )


def fit(findings: Sequence[Finding]) -> bool:
    """Whether raftmon can run here: warnings do not matter."""
    return all(finding.state in ("ok", "warning") for finding in findings)
