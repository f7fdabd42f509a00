"""A disk on a real mount, in a sandbox of its own."""

import os

import pytest

from raftmon.setup.disks.behaviour import Behaviour
from raftmon.setup.disks.disk import NodeDisk

pytestmark = pytest.mark.net


def _write(path, data, sync=False, mode="wb"):
    with path.open(mode) as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def test_a_power_cut_on_a_real_mount_takes_what_was_not_synced(tmp_path):
    disk = NodeDisk(tmp_path / "n1", "seed")
    disk.open()
    try:
        _write(disk.mount / "kept", b"1" * 5000, sync=True)
        _write(disk.mount / "kept", b"2" * 5000, mode="r+b")
        _write(disk.mount / "gone", b"3")
        receipt = disk.cut()
        assert (disk.mount / "kept").read_bytes() == b"1" * 5000
        assert os.listdir(disk.mount) == ["kept"]
        assert [(one["name"], one["lost_bytes"]) for one in receipt["files"]] == [("kept", 5000), ("gone", 1)]
        assert receipt["entries"] == ["gone created"]
    finally:
        disk.close()
    assert (tmp_path / "n1" / "kept").read_bytes() == b"1" * 5000
    assert os.listdir(tmp_path) == ["n1"]


def test_a_disk_misbehaves_from_the_answer_on_and_recovers(tmp_path):
    disk = NodeDisk(tmp_path / "n1", "seed")
    disk.open()
    try:
        disk.behave(Behaviour(fail=("write",)))
        with pytest.raises(OSError, match="Input/output"):
            _write(disk.mount / "a", b"1")
        disk.behave(Behaviour())
        _write(disk.mount / "a", b"1", sync=True)
        assert disk.usage()["failed"] >= 1
    finally:
        disk.close()
