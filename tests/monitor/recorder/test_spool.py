"""What waits to be decoded: a queue of bytes that loses none, in memory and in a file, also on a full disk."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.monitor.recorder import spool as spool_module
from raftmon.monitor.recorder.spool import Spool

steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 300)),
        st.tuples(st.just("take"), st.integers(1, 300)),
        st.tuples(st.just("disk"), st.integers(0, 1)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(steps)
def test_bytes_come_out_in_order_whatever_the_disk_does(tmp_path_factory: pytest.TempPathFactory, plan: list) -> None:  # type: ignore[type-arg]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool_module, "_MEMORY_BYTES", 500)
        patch.setattr(spool_module, "_READ_BYTES", 200)
        write = os.pwrite
        full = [False]

        def pwrite(file: int, data: bytes, place: int) -> int:
            if full[0]:
                raise OSError(28, "no space left on device")
            return write(file, data[: max(1, len(data) // 2)], place)

        patch.setattr(os, "pwrite", pwrite)
        folder = tmp_path_factory.mktemp("spool")
        queue, model, counter = Spool(folder, 1000), b"", 0
        for what, size in plan:
            if what == "put":
                data = bytes((counter + i) % 251 for i in range(size))
                counter += size
                queue.put(data)
                model += data
            elif what == "take":
                piece = queue.take(size)
                assert piece == model[: len(piece)]
                assert len(piece) <= size
                assert piece or not model
                model = model[len(piece) :]
            else:
                full[0] = bool(size)
            assert queue.size == len(model)
            assert queue.full == (len(model) > 1000)
        while piece := queue.take(1 << 20):
            assert piece == model[: len(piece)]
            model = model[len(piece) :]
        assert not model
        queue.close()
        assert list(folder.iterdir()) == []


def test_little_is_never_written_to_the_disk(tmp_path: Path) -> None:
    queue = Spool(tmp_path / "there is no such folder")
    queue.put(b"abc")
    assert queue.take(2) + queue.take(2) == b"abc"
    queue.put(bytes(8 << 20))  # no folder, so no file: it stays in memory
    assert queue.size == 8 << 20
