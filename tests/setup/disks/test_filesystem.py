"""A power cut gives back exactly what was synced: the record against a model that remembers whole trees."""

import contextlib
import os
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.setup.disks.behaviour import Behaviour, Injector
from raftmon.setup.disks.entries import GRAVEYARD
from raftmon.setup.disks.filesystem import DiskFilesystem
from raftmon.setup.disks.pages import Cut, DirtyFile

NAMES = ["/a", "/b", "/c", "/d/a", "/d/b"]
_PATHS = st.sampled_from(NAMES)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), _PATHS, st.integers(0, 9000), st.integers(1, 6000)),
        st.tuples(st.just("truncate"), _PATHS, st.integers(0, 9000)),
        st.tuples(st.just("fsync"), _PATHS),
        st.tuples(st.just("fsyncdir")),
        st.tuples(st.just("rename"), _PATHS, _PATHS),
        st.tuples(st.just("unlink"), _PATHS),
    ),
    max_size=25,
)


class Model:
    """Files by identity; the tree as last committed, the contents as last synced."""

    def __init__(self, any_sync_commits):
        self.any = any_sync_commits
        self.now, self.tree, self.committed = {}, {}, {}
        self.durable, self.next = {}, 0

    def write(self, path, offset, data):
        if path not in self.tree:
            self.tree[path], self.now[self.next], self.durable[self.next] = self.next, b"", b""
            self.next += 1
        old = self.now[self.tree[path]].ljust(offset, b"\0")
        self.now[self.tree[path]] = old[:offset] + data + old[offset + len(data) :]

    def truncate(self, path, size):
        self.now[self.tree[path]] = self.now[self.tree[path]][:size].ljust(size, b"\0")

    def fsync(self, path):
        self.durable[self.tree[path]] = self.now[self.tree[path]]
        if self.any:
            self.commit()

    def commit(self):
        self.committed = dict(self.tree)

    def cut(self):
        self.tree = dict(self.committed)
        self.now = dict(self.durable)
        return {path: self.durable[one] for path, one in self.tree.items()}


def _contents(folder):
    return {
        "/" + str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and GRAVEYARD not in path.parts
    }


def _do(disk, model, step, number):
    kind, *rest = step
    path = rest[0] if rest else None
    if kind == "fsyncdir":
        disk.fsyncdir("/", 0, 0)
        model.commit()
    elif kind == "write":
        _, offset, count = rest
        data = bytes([1 + number % 255]) * count
        handle = disk.open(path, os.O_RDWR) if path in model.tree else disk.create(path, 0o600, os.O_RDWR)
        disk.write(path, data, offset, handle)
        disk.release(path, handle)
        model.write(path, offset, data)
    elif path not in model.tree:
        return
    elif kind == "truncate":
        disk.truncate(path, rest[1])
        model.truncate(path, rest[1])
    elif kind == "fsync":
        handle = disk.open(path, os.O_RDWR)
        disk.fsync(path, 0, handle)
        disk.release(path, handle)
        model.fsync(path)
    elif kind == "rename" and rest[1] != path:
        disk.rename(path, rest[1])
        model.tree[rest[1]] = model.tree.pop(path)
    elif kind == "unlink":
        disk.unlink(path)
        del model.tree[path]


@settings(max_examples=150, deadline=None)
@given(_STEPS, st.booleans(), st.integers(1, 3))
def test_a_cut_gives_back_what_was_synced_and_nothing_else(steps, any_sync_commits, rounds):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "d").mkdir()
        disk = DiskFilesystem(folder, Injector(Random(0)), any_sync_commits=any_sync_commits)
        model = Model(any_sync_commits)
        for _ in range(rounds):
            for number, step in enumerate(steps):
                _do(disk, model, step, number)
            assert _contents(folder) == {path: model.now[one] for path, one in model.tree.items()}
            disk.cut(Cut(), Random(1))
            assert _contents(folder) == model.cut()
        assert not list((folder / GRAVEYARD).iterdir())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20000), st.integers(1, 9000)), max_size=6), st.integers(0, 20000), st.data())
def test_each_sector_of_a_torn_file_is_the_old_or_the_new_one(writes, size, data):
    old = bytes(range(1, 256)) * 80
    old = old[:size]
    new, record = bytearray(old), DirtyFile(size)
    for number, (offset, count) in enumerate(writes):
        record.writing(offset, count, lambda at, length: bytes(new[at : at + length]))
        new.extend(bytes(max(0, offset + count - len(new))))
        new[offset : offset + count] = bytes([number]) * count
    seed = data.draw(st.integers(0, 1000))
    found = record.cut(len(new), lambda at, length: bytes(new[at : at + length]), Cut(0.5, 0.5), Random(seed))
    result = bytearray(new)
    for offset, content in found.writes:
        result[offset : offset + len(content)] = content
    result = result[: found.size].ljust(found.size, b"\0")
    assert len(old) <= len(result) <= max(len(old), len(new))
    for start in range(0, len(result), 512):
        sector = bytes(result[start : start + 512])
        wanted = [bytes(one[start : start + len(sector)]).ljust(len(sector), b"\0") for one in (old, new)]
        assert sector in wanted or sector[: max(0, size - start)] in (one[: max(0, size - start)] for one in wanted)


def _disk(folder, behaviour=None, sleep=lambda seconds: None):
    injector = Injector(Random(0))
    injector.set(behaviour or Behaviour())
    return DiskFilesystem(folder, injector, sleep=sleep), injector


def test_a_full_disk_refuses_what_does_not_fit(tmp_path):
    disk, injector = _disk(tmp_path, Behaviour(full_bytes=100))
    handle = disk.create("/a", 0o600, os.O_RDWR)
    assert disk.write("/a", b"x" * 100, 0, handle) == 100
    with pytest.raises(OSError, match="No space left"):
        disk.write("/a", b"x", 100, handle)
    assert disk.write("/a", b"y" * 100, 0, handle) == 100
    assert injector.refused == 1
    assert disk.statfs("/")["f_bavail"] == 0


def test_a_failing_disk_fails_so_many_calls_and_no_others(tmp_path):
    disk, injector = _disk(tmp_path, Behaviour(fail=("fsync",), fail_count=2))
    handle = disk.create("/a", 0o600, os.O_RDWR)
    disk.write("/a", b"x", 0, handle)
    failures = 0
    for _ in range(5):
        with contextlib.suppress(OSError):
            disk.fsync("/a", 0, handle)
            failures -= 1
        failures += 1
    assert failures == injector.failed == 2


def test_a_failed_sync_makes_nothing_durable(tmp_path):
    disk, _ = _disk(tmp_path, Behaviour(fail=("fsync",), fail_count=1))
    handle = disk.create("/a", 0o600, os.O_RDWR)
    disk.write("/a", b"x", 0, handle)
    with pytest.raises(OSError, match="Input/output"):
        disk.fsync("/a", 0, handle)
    disk.release("/a", handle)
    assert disk.cut(Cut(), Random(0))["entries"] == ["a created"]
    assert not (tmp_path / "a").exists()


def test_a_slow_disk_waits_before_each_call(tmp_path):
    waited = []
    disk, _ = _disk(tmp_path, Behaviour(write_ms=20, fsync_ms=50), waited.append)
    handle = disk.create("/a", 0o600, os.O_RDWR)
    disk.write("/a", b"x", 0, handle)
    disk.fsync("/a", 0, handle)
    assert waited == [0.02, 0.05]
