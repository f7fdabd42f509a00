"""Chains of a monitor that was killed together with its guardians are found, those of a running one are not."""

from __future__ import annotations

import pytest

from raftmon.driver.cli import doctor
from raftmon.monitor.attach.stale import StaleChain, bound_queues, stale_chains

_RULES = """-P PREROUTING ACCEPT
-N RAFTMON
-N RAFTMON-7-INPUT
-N RAFTMON-8-OUTPUT
-A INPUT -j RAFTMON-7-INPUT
-A OUTPUT -j RAFTMON-8-OUTPUT
-A RAFTMON-7-INPUT -s 127.0.0.1/32 -j NFQUEUE --queue-num 7 --queue-bypass
"""
_QUEUES = "    8  12345     0 2  4096     0     0        7  1\n"


def test_only_chains_whose_queue_nobody_reads_are_stale() -> None:
    assert bound_queues(_QUEUES) == {8}
    assert stale_chains("iptables", _RULES, bound_queues(_QUEUES)) == [StaleChain("iptables", 7, "INPUT")]
    assert stale_chains("iptables", _RULES, {7, 8}) == []


def test_doctor_names_a_stale_chain_and_how_to_remove_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_stale", lambda: [StaleChain("ip6tables", 7, "INPUT")])
    (finding,) = doctor._stale_chains()
    assert finding.state == "warning"
    assert "RAFTMON-7-INPUT" in finding.words
    assert "ip6tables -w -t mangle -X RAFTMON-7-INPUT" in finding.advice
    monkeypatch.setattr(doctor, "find_stale", list)
    assert doctor._stale_chains() == []
