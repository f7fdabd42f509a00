"""``raftmon doctor``: prove, by doing, that this machine can run raftmon."""

from __future__ import annotations

import argparse
import dataclasses
import json

from raftmon.driver.cli.arguments import CommandParser
from raftmon.monitor.attach.stale import find_stale
from raftmon.monitor.compiled import COMPILED
from raftmon.setup.errors import EXIT_INTERNAL
from raftmon.setup.preflight import Finding, examine, fit

__all__ = ["main", "parser"]

_MARKS = {"ok": "ok", "warning": "WARN", "failed": "FAIL", "skipped": "-"}


def parser() -> argparse.ArgumentParser:
    """The arguments of ``raftmon doctor``."""
    made = CommandParser(
        "doctor",
        "Check that this machine can run raftmon by trying everything a run needs: namespaces, veths, iptables,\n"
        "a packet through a queue, a rewritten TCP connection. Runs in sandboxes; changes nothing on the machine.\n"
        "Exit status: 0 if raftmon can run here (warnings allowed), 70 if not.",
        "raftmon doctor\nraftmon doctor --json",
    )
    made.add_argument("--json", action="store_true", help="print one JSON list instead of lines")
    return made


def main(arguments: argparse.Namespace) -> int:
    """Examine and show; 0 if raftmon can run here, else 70."""
    findings = [*examine(), _packet_path(), *_stale_chains()]
    if arguments.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            _show(finding)
        verdict = "can run here" if fit(findings) else "cannot run here yet: see the first FAIL above"
        print(f"raftmon {verdict}")
    return 0 if fit(findings) else EXIT_INTERNAL


def _packet_path() -> Finding:
    if COMPILED:
        return Finding("packet path", "ok", "the way of plain packets is compiled")
    return Finding(
        "packet path",
        "warning",
        "the way of plain packets is not compiled: everything works, but each packet costs about a fifth more",
        "run `make clean` and `make install` with gcc and Python's headers there; RAFTMON_INTERPRETED must not be set",
    )


def _stale_chains() -> list[Finding]:
    """Whether chains of a killed ``raftmon monitor --install`` are in force here."""
    return [
        Finding(
            "stale chain", "warning", f"{chain.name} of a killed monitor is in force", f"remove it: {chain.removal()}"
        )
        for chain in find_stale()
    ]


def _show(finding: Finding) -> None:
    print(f"{_MARKS[finding.state]:<5} {finding.name:<18} {finding.words}")
    if finding.advice:
        print(f"      {'':<18} -> {finding.advice}")
