import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftmon.monitor.recorder.pipe import LATE_NS, NO_LINK, Backlog, Batch, FrameDecoder, PipeFrame, encode, open_pipe

frames = st.builds(
    PipeFrame,
    st.integers(0, 2**64 - 1),
    st.integers(0, NO_LINK),
    st.binary(max_size=100),
    st.text(max_size=20),
    st.booleans(),
    st.none() | st.binary(max_size=50),
)


@given(st.lists(frames, max_size=20), st.integers(1, 50))
def test_frames_come_out_as_they_went_in_whatever_the_pieces(sent, piece):
    data = encode(sent)
    decoder = FrameDecoder()
    got = [frame for at in range(0, len(data), piece) for frame in decoder.feed(data[at : at + piece])]
    assert got == sent
    assert decoder.pending_bytes == 0


def test_a_bare_triple_is_a_packet_accepted_as_it_came():
    assert list(FrameDecoder().feed(encode([(5, 2, b"abc")]))) == [PipeFrame(5, 2, b"abc", "", True, None)]


def read_all(descriptor):
    os.set_blocking(descriptor, False)
    data = b""
    try:
        while piece := os.read(descriptor, 1 << 20):
            data += piece
    except BlockingIOError:
        pass
    return data


def test_a_full_pipe_is_not_waited_for_and_everything_within_the_bound_arrives_later():
    reader, writer = open_pipe()
    backlog = Backlog(writer, 8 << 20)
    batch = [(1, 1, bytes(4000))] * 256
    for _ in range(4):
        backlog.put(Batch.of(batch))
    assert backlog.waiting_bytes > 0
    decoder = FrameDecoder()
    count = 0
    while backlog.waiting_bytes or count < 1024:
        count += len(list(decoder.feed(read_all(reader))))
        backlog.push()
    assert count == 1024
    assert (backlog.lost_packets, backlog.lost_bytes) == (0, 0)


def test_it_says_once_that_the_pipe_is_full_and_again_only_after_there_was_room():
    reader, writer = open_pipe()
    said = []
    backlog = Backlog(writer, 64 << 20, lambda: said.append(backlog.waiting_bytes))
    batch = [(1, 1, bytes(4000))] * 256
    backlog.put(Batch.of(batch[:1]))
    assert said == []
    for _ in range(4):
        backlog.put(Batch.of(batch))
    assert len(said) == 1
    assert said[0] > 0
    while backlog.waiting_bytes:
        read_all(reader)
        backlog.push()
    read_all(reader)
    for _ in range(4):
        backlog.put(Batch.of(batch))
    assert len(said) == 2


def test_what_does_not_fit_is_counted_in_packets_and_bytes_and_later_batches_go_on():
    reader, writer = open_pipe()
    backlog = Backlog(writer, 1_000)
    big = [(1, 1, bytes(4000))] * 1000
    backlog.put(Batch.of(big))
    assert backlog.lost_packets == 1000
    assert backlog.lost_bytes == len(encode(big))
    backlog.put(Batch.of([(2, 1, b"small")]))
    assert list(FrameDecoder().feed(read_all(reader))) == [PipeFrame(2, 1, b"small")]


def test_a_reader_that_is_gone_makes_everything_lost_but_raises_nothing():
    reader, writer = open_pipe()
    os.close(reader)
    backlog = Backlog(writer, 1_000_000)
    backlog.put(Batch.of([(1, 1, b"a")]))
    backlog.put(Batch.of([(1, 1, b"b")]))
    assert backlog.closed
    assert backlog.lost_packets >= 1
    assert backlog.waiting_bytes == 0


def test_it_says_once_that_the_reader_leaves_lying_what_came_long_ago_and_again_when_that_goes_on():
    reader, writer = open_pipe()
    said = []
    backlog = Backlog(writer, 1_000_000, lambda: said.append(1))
    times = [0, LATE_NS // 2, LATE_NS + 1, LATE_NS + 2, 2 * LATE_NS + 2]
    heard = []
    for time_ns in times:
        backlog.put(Batch.of([(time_ns, 1, b"abc")]))
        heard.append(len(said))
    assert heard == [0, 0, 1, 1, 2]
    os.close(reader)
    os.close(writer)


def test_a_reader_that_takes_what_comes_is_never_late():
    reader, writer = open_pipe()
    said = []
    backlog = Backlog(writer, 1_000_000, lambda: said.append(1))
    for number in range(10):
        backlog.put(Batch.of([(number * LATE_NS * 2, 1, bytes(1000))]))
        assert len(read_all(reader)) > 1000
    assert said == []
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("layout", [">QHHHHB", "<QHHHHH"])
@pytest.mark.parametrize("module", ["raftmon.monitor.queue._fast_path", "raftmon.monitor.recorder._frame_reader"])
def test_a_compiled_module_with_another_layout_of_frames_is_not_used(layout, module):
    pytest.importorskip(module)
    script = f"""
import struct, types
from raftmon.monitor.recorder import pipe
pipe.FRAME_HEAD = types.SimpleNamespace(pack=struct.Struct({layout!r}).pack)
try:
    import {module}
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert "laid out differently here than in raftmon.monitor.recorder.pipe" in done.stdout, done.stderr
