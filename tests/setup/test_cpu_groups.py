"""A quota of the processor: where a group may be made, and that it is gone afterwards."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raftmon.setup import cpu_groups
from raftmon.setup.cpu_groups import CpuGroup, CpuParent, cpu_parent

V1 = ("5:memory:/a\n1:cpu,cpuacct:/b/c\n0::/\n", "cgroup /sys/fs/cgroup/cpu cgroup rw,cpuacct,cpu 0 0\n")


def test_the_hierarchy_of_cpu_is_found_in_version_1():
    found = cpu_parent(*V1, writable=True)
    assert found == CpuParent(Path("/sys/fs/cgroup/cpu/b/c"), 1, Path("/sys/fs/cgroup/cpu/b/c"))
    assert cpu_parent(*V1, writable=False) is None
    assert cpu_parent("5:memory:/a\n", V1[1], writable=True) is None


def test_the_nearest_ancestor_that_hands_out_cpu_is_found_in_version_2(tmp_path):
    own = tmp_path / "user.slice" / "user-1.slice" / "run.scope"
    own.mkdir(parents=True)
    for folder, controllers in ((own, ""), (own.parent, "cpu memory"), (own.parent.parent, "cpu memory io")):
        (folder / "cgroup.subtree_control").write_text(controllers + "\n")
    mounts = f"cgroup2 {tmp_path} cgroup2 rw 0 0\n"
    found = cpu_parent("0::/user.slice/user-1.slice/run.scope\n", mounts, writable=True)
    assert found == CpuParent(own.parent, 2, own)
    (own.parent / "cgroup.subtree_control").write_text("memory\n")
    (own.parent.parent / "cgroup.subtree_control").write_text("memory\n")
    assert cpu_parent("0::/user.slice/user-1.slice/run.scope\n", mounts, writable=True) is None


def test_a_process_is_held_back_and_the_group_leaves_nothing(monkeypatch):
    parent = cpu_parent()
    if parent is None:
        pytest.skip("no control group with a processor quota can be made here")
    stale = parent.folder / "raftmon-999999999-old"
    stale.mkdir()
    other = CpuGroup(parent, "test")  # another run's of the same name, in a sandbox with the same pids
    assert stale.exists(), "it is young: somebody may be about to use it"
    monkeypatch.setattr(cpu_groups, "_OLD_S", -1.0)
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        group = CpuGroup(parent, "test")
        assert not stale.exists()
        assert group.folder != other.folder
        group.limit(0.2, 1)
        group.take([busy.pid, 999_999_999])
        assert group.pids() == [busy.pid]
        deadline = time.monotonic() + 20
        while group.throttled()[0] < 3 and time.monotonic() < deadline:
            os.sched_yield()
        assert group.throttled()[0] >= 3
        assert group.throttled()[1] > 0
        group.close()
        assert not group.folder.exists()
        assert busy.poll() is None
        group.close()
        other.close()
    finally:
        busy.kill()
        busy.wait()
