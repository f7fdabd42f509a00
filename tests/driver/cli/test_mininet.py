"""``raftmon monitor --system etcd`` on a router of Mininet. Skipped where Mininet is missing.

``RAFTMON_MININET`` may name a folder with Debian's package unpacked (``dpkg -x mininet_*.deb FOLDER``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from raftmon.adapters.systems import with_server

pytestmark = [pytest.mark.net, pytest.mark.servers]
SCRIPT = Path(__file__).with_name("mininet_router.py")


def environment() -> dict[str, str]:
    """Where the system's Python finds Mininet; skips the test where it does not."""
    found = dict(os.environ)
    if unpacked := found.get("RAFTMON_MININET"):
        found["PYTHONPATH"] = f"{unpacked}/usr/lib/python3/dist-packages"
        found["PATH"] = f"{unpacked}/usr/bin:{found['PATH']}"
    found["PATH"] += ":/usr/sbin:/sbin"
    asked = ["/usr/bin/python3", "-c", "import mininet.net"]
    if subprocess.run(asked, env=found, capture_output=True, check=False).returncode:
        pytest.skip("Mininet is not installed (Debian's package mininet, or RAFTMON_MININET)")
    return found


def test_a_router_of_mininet_decodes_and_delays_messages(tmp_path: Path) -> None:
    env = environment()
    server = str(with_server("etcd", None, {})["server"])
    command = ["/usr/bin/python3", str(SCRIPT), sys.executable, server, str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=90, check=False)
    log = tmp_path / "monitor.log"
    assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["delayed"] > 0
    assert len(said["links"]) >= 2
