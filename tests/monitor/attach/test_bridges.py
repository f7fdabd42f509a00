"""Where packets of a bridge do not reach iptables, that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftmon.monitor.attach.bridges import unseen


def root(tmp_path: Path, *interfaces: str, setting: str | None = None) -> Path:
    for name in interfaces:
        (tmp_path / "sys/class/net" / name).mkdir(parents=True)
    if setting is not None:
        folder = tmp_path / "proc/sys/net/bridge"
        folder.mkdir(parents=True)
        (folder / "bridge-nf-call-iptables").write_text(setting)
    return tmp_path


@pytest.mark.parametrize(
    ("interfaces", "setting", "words"),
    [
        (("eth0",), None, None),
        (("eth0", "br0/bridge"), "1\n", None),
        (("br0/bridge",), "0\n", "br0 is a bridge, whose packets iptables does not see: run `sysctl"),
        (("br0/bridge", "br1/bridge"), None, "br0, br1 are bridges.*modprobe br_netfilter"),
        (("ovs-system",), "1\n", "Open vSwitch"),
    ],
)
def test_what_passes_by_iptables_is_said(
    tmp_path: Path, interfaces: tuple[str, ...], setting: str | None, words: str | None
) -> None:
    import re

    said = unseen(root(tmp_path, *interfaces, setting=setting))
    assert (said is None) == (words is None)
    assert words is None or re.search(words, said or "")
