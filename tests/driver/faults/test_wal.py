from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from raftmon.driver.faults import wal
from raftmon.driver.faults.base import Unavailable
from raftmon.driver.faults.faults import make_fault
from raftmon.driver.faults.receipts import receipt_of
from raftmon.setup.errors import InputError, RaftmonError
from tests.driver.faults.fake_target import FakeTarget

NODES = ("n1", "n2", "n3")
WRITTEN = 5000
PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("raftmon.driver.faults.wal.REFUSAL_S", 0.0)


def log_of(target: FakeTarget, node: str) -> Path:
    return target.log_folder(node) / "0.wal"


class Refusing(FakeTarget):
    """Its nodes do not start on a log that is not as it was."""

    def start(self, node: str) -> None:
        super().start(node)
        if log_of(self, node).read_bytes() != self.good:
            self.dead.add(node)


@pytest.mark.parametrize("size", [0, 1, 4096, (1 << 20) + 1, 3 << 20])
@pytest.mark.parametrize("written", [0, 1, 4095, (1 << 20) - 1, 1 << 20])
def test_the_written_part_ends_at_the_last_byte_that_is_not_zero(tmp_path: Path, size: int, written: int):
    path = tmp_path / "0.wal"
    path.write_bytes(b"x" * min(written, size) + bytes(max(0, size - written)))
    assert wal.written_bytes(path) == min(written, size)


def test_truncate_cuts_the_tail_of_what_was_written_and_starts_the_node(tmp_path: Path):
    target = FakeTarget()
    target.with_system(tmp_path)
    before = log_of(target, "n2").read_bytes()
    effect = make_fault("wal-truncate", {"node": "n2", "bytes": "100"}, NODES).start(target, Random(1))
    assert log_of(target, "n2").read_bytes() == before[: WRITTEN - 100]
    assert target.log == ["kill n2", "start n2"]
    assert "the last 100 bytes of 0.wal cut off; it came up on that" in effect.sentence


def test_flip_inverts_one_bit_of_the_tail(tmp_path: Path):
    target = FakeTarget()
    target.with_system(tmp_path)
    before = log_of(target, "n2").read_bytes()
    make_fault("wal-flip", {"node": "n2", "bytes": "10"}, NODES).start(target, Random(1))
    after = log_of(target, "n2").read_bytes()
    different = [place for place, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert len(different) == 1
    assert WRITTEN - 10 <= different[0] < WRITTEN
    assert (before[different[0]] ^ after[different[0]]).bit_count() == 1


@pytest.mark.parametrize("name", ["wal-truncate", "wal-flip"])
def test_a_node_that_refuses_its_log_gets_the_undamaged_one_back(tmp_path: Path, name: str):
    target = Refusing()
    target.with_system(tmp_path)
    target.good = log_of(target, "n2").read_bytes()
    fault = make_fault(name, {"node": "n2"}, NODES)
    assert "it died on that" in fault.start(target, Random(1)).sentence
    assert target.dead == {"n2"}
    (target.log_folder("n2") / "0.wal.broken").write_bytes(b"put aside by the system")
    fault.stop(target)
    assert target.dead == set()
    assert [path.name for path in target.log_folder("n2").iterdir()] == ["0.wal"]


def test_a_node_that_came_up_keeps_the_log_it_has(tmp_path: Path):
    target = FakeTarget()
    target.with_system(tmp_path)
    fault = make_fault("wal-truncate", {"node": "n2"}, NODES)
    fault.start(target, Random(1))
    log_of(target, "n2").write_bytes(b"went on")
    fault.stop(target)
    assert log_of(target, "n2").read_bytes() == b"went on"


def test_a_node_that_refuses_the_undamaged_log_too_is_told(tmp_path: Path):
    target = Refusing()
    target.with_system(tmp_path)
    target.good = b"nothing is good"
    fault = make_fault("wal-flip", {"node": "n2"}, NODES)
    fault.start(target, Random(1))
    with pytest.raises(RaftmonError, match="undamaged log either"):
        fault.stop(target)


def test_a_log_without_a_byte_cannot_be_damaged(tmp_path: Path):
    target = FakeTarget()
    target.with_system(tmp_path)
    log_of(target, "n2").write_bytes(bytes(100))
    fault = make_fault("wal-truncate", {"node": "n2"}, NODES)
    with pytest.raises(Unavailable, match="written nothing"):
        fault.start(target, Random(1))
    fault.stop(target)
    assert target.dead == set()


def cachestat_works(folder: Path) -> bool:
    probe = folder / "probe"
    probe.write_bytes(b"x")
    try:
        return wal.dirty_from(probe, 1) == 0
    except OSError:
        return False


def test_what_was_not_synced_is_cut_behind_its_first_page(tmp_path: Path):
    if not cachestat_works(tmp_path) or wal._file_system(tmp_path) == wal._TMPFS:
        pytest.skip("this kernel or file system does not say what is synced")
    path = tmp_path / "0.wal"
    with path.open("wb") as file:
        file.write(b"a" * 3 * PAGE)
        file.flush()
        os.fsync(file.fileno())
    assert wal.dirty_from(path, 3 * PAGE) is None
    with path.open("r+b") as file:
        file.seek(2 * PAGE + 100)
        file.write(b"b" * 4 * PAGE)
    end = wal.written_bytes(path)
    assert end == 6 * PAGE + 100
    assert wal.dirty_from(path, end) == 2 * PAGE
    words = wal._drop_unsynced(path, end, Random(1), 0)
    assert path.stat().st_size == 3 * PAGE
    assert path.read_bytes()[: 2 * PAGE + 100] == b"a" * (2 * PAGE + 100)
    assert f"{3 * PAGE + 100} bytes" in words


def test_a_system_that_does_not_tell_where_its_log_is_has_no_such_fault():
    reason = make_fault("wal-flip", {}, NODES).available(FakeTarget())
    assert reason == "this system does not say where its log lies"


def test_bytes_must_be_a_number():
    with pytest.raises(InputError, match="bytes=many is not a whole number"):
        make_fault("wal-truncate", {"bytes": "many"}, NODES)
    with pytest.raises(InputError, match="at least 1"):
        make_fault("wal-truncate", {"bytes": "0"}, NODES)


@pytest.mark.parametrize("name", ["wal-truncate", "wal-flip"])
def test_a_damaged_log_is_confirmed_by_what_is_in_the_file(tmp_path: Path, name: str, monkeypatch):
    target = FakeTarget()
    target.with_system(tmp_path)
    fault = make_fault(name, {"node": "n2"}, NODES)
    assert receipt_of(fault, target).verdict == "inconclusive"
    fault.start(target, Random(1))
    assert receipt_of(fault, target).verdict == "confirmed"
    idle = make_fault(name, {"node": "n2"}, NODES)
    monkeypatch.setattr(idle, "_damage", lambda *_: "nothing done")
    idle.start(target, Random(1))
    assert receipt_of(idle, target) == ("mismatch", "nothing done")
