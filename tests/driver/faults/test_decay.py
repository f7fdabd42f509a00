from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from raftmon.driver.faults import decay
from raftmon.driver.faults.base import Unavailable
from raftmon.driver.faults.faults import make_fault
from raftmon.driver.faults.receipts import receipt_of
from raftmon.setup.errors import InputError, RaftmonError
from tests.driver.faults.fake_target import FakeTarget

NODES = ("n1", "n2", "n3")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("raftmon.driver.faults.decay.REFUSAL_S", 0.0)


class Refusing(FakeTarget):
    """Its nodes do not start on a log that is not as it was."""

    good = b""

    def start(self, node: str) -> None:
        super().start(node)
        if (self.log_folder(node) / "0.wal").read_bytes() != self.good:
            self.dead.add(node)


def made(**options: str):
    return make_fault("bit-flip", {"node": "n2", **options}, NODES)


def cluster(tmp_path: Path, target: FakeTarget | None = None) -> FakeTarget:
    target = target or FakeTarget()
    target.with_system(tmp_path)
    return target


def test_one_bit_of_the_named_byte_is_inverted_while_the_node_is_down(tmp_path: Path):
    target = cluster(tmp_path)
    path = target.log_folder("n2") / "0.wal"
    before = path.read_bytes()
    fault = made(file="*.wal", byte="7")
    effect = fault.start(target, Random(1))
    after = path.read_bytes()
    assert [place for place, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] == [7]
    assert (before[7] ^ after[7]).bit_count() == 1
    assert target.log == ["kill n2", "start n2"]
    assert "of 0.wal inverted; it came up on that" in effect.sentence
    found = receipt_of(fault, target)
    assert found.verdict == "confirmed"
    assert f"{after[7]:#04x} and was {before[7]:#04x}" in found.sentence
    fault.stop(target)
    assert path.read_bytes() == after  # a node that lives keeps its file


def test_without_a_byte_only_what_was_written_is_hit(tmp_path: Path):
    target = cluster(tmp_path)
    before = (target.log_folder("n2") / "0.wal").read_bytes()
    for seed in range(20):
        path = target.log_folder("n2") / "0.wal"
        path.write_bytes(before)
        made().start(target, Random(seed))
        places = [place for place, (a, b) in enumerate(zip(before, path.read_bytes(), strict=True)) if a != b]
        assert len(places) == 1
        assert places[0] < 5000


def test_a_node_that_refuses_its_file_gets_the_good_bit_back(tmp_path: Path):
    target = Refusing()
    cluster(tmp_path, target)
    path = target.log_folder("n2") / "0.wal"
    target.good = path.read_bytes()
    fault = made(file="*.wal")
    assert "it died on that" in fault.start(target, Random(3)).sentence
    assert receipt_of(fault, target) == ("confirmed", "n2 refused 0.wal and stayed down")
    fault.stop(target)
    assert target.dead == set()
    assert path.read_bytes() == target.good


def test_a_byte_that_the_node_wrote_again_stays_its_own(tmp_path: Path):
    target = cluster(tmp_path)
    path = target.log_folder("n2") / "0.wal"
    fault = made(file="*.wal", byte="0")
    fault.start(target, Random(1))
    new = bytes([path.read_bytes()[0] ^ 0xFF])
    path.write_bytes(new + path.read_bytes()[1:])
    assert receipt_of(fault, target).verdict == "inconclusive"
    target.dead.add("n2")
    fault.stop(target)
    assert path.read_bytes()[:1] == new


def test_a_node_that_dies_of_its_good_file_too_is_a_failure_of_the_heal(tmp_path: Path):
    target = Refusing()
    cluster(tmp_path, target)
    fault = made()
    fault.start(target, Random(1))
    with pytest.raises(RaftmonError, match="does not start on its undamaged file either"):
        fault.stop(target)


@pytest.mark.parametrize(
    ("options", "why"),
    [({"file": "*.db"}, "no file that matches '\\*.db'"), ({"file": "0.wal", "byte": "5000"}, "no byte 5000")],
)
def test_what_is_not_there_is_unavailable_and_the_node_comes_back(tmp_path: Path, options, why):
    target = cluster(tmp_path)
    fault = made(**options)
    with pytest.raises(Unavailable, match=why):
        fault.start(target, Random(1))
    fault.stop(target)
    assert target.dead == set()


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../0.wal", "a/../../b", ""])
def test_files_outside_the_data_folder_are_refused(pattern):
    with pytest.raises(InputError, match="a file of the node's data folder"):
        made(file=pattern)


def test_a_path_is_matched_from_its_end_and_the_biggest_file_is_last(tmp_path: Path):
    (tmp_path / "member" / "snap").mkdir(parents=True)
    (tmp_path / "member" / "snap" / "db").write_bytes(b"x" * 50)
    (tmp_path / "db").write_bytes(b"x" * 9)
    (tmp_path / "empty.db").write_bytes(bytes(100))
    (tmp_path / "link").symlink_to(tmp_path / "db")
    assert decay.files_of(tmp_path, "snap/db") == [tmp_path / "member/snap/db"]
    assert decay.files_of(tmp_path, "*") == [tmp_path / "db", tmp_path / "member/snap/db"]
