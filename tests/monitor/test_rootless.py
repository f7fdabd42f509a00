"""The monitor of a user without privilege, in a real queue: the kernel's table is closed, the socket is asked."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import orjson
import pytest

from raftmon.setup import sandbox
from tests.monitor.rootless_queue import BURST

ROOT = Path(__file__).parents[2]
NOBODY = 65_534


def as_nobody(*command):
    """Run a command without privilege; where this user is root, as another."""
    prefix = []
    if os.geteuid() == 0:
        prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all"]
    return subprocess.run([*prefix, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def folder():
    """A folder that this other user may write: pytest's own are closed to it."""
    path = Path(tempfile.mkdtemp(prefix="raftmon-rootless-"))
    try:
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
        yield path
    finally:
        shutil.rmtree(path)


@pytest.mark.skipif(sandbox.inside(), reason="makes a sandbox of its own")
def test_without_privilege_lost_packets_are_counted_by_the_socket_they_found_no_room_in(folder):
    if as_nobody(sys.executable, "-c", "import monitor").returncode:
        pytest.skip("another user may not read this checkout")
    command = sandbox.sandboxed([sys.executable, "-m", "tests.monitor.rootless_queue", str(folder)])
    done = as_nobody(*command)
    assert done.returncode == 0, done.stderr
    found = orjson.loads(done.stdout.splitlines()[-1])
    quiet, overrun = found["quiet"], found["overrun"]
    for counters in (quiet, overrun):
        assert counters["drop_source"] == "socket"
        assert counters["queue_kernel_dropped"] is None
    assert quiet["packets"] > 0
    assert (quiet["queue_user_dropped"], quiet["queue_id_gaps"], quiet["disturbed"]) == (0, 0, [])
    assert overrun["queue_user_dropped"] > 0
    assert overrun["links"]["n1->n2"] + overrun["queue_user_dropped"] == BURST + 2
    assert overrun["queue_id_gaps"] == overrun["queue_user_dropped"]
    assert any("lost between" in reason for reason in overrun["disturbed"])
