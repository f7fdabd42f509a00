"""The compiled and the interpreted fast path do the same with every packet, and keep the same."""

import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.queue.fast_path import FastPath, InterpretedFastPath
from raftmon.monitor.recorder.pipe import BATCH_NS, BATCH_PACKETS, NO_LINK, FrameDecoder, PipeFrame

PATHS = sorted({InterpretedFastPath, FastPath}, key=repr)
PAIRS = [bytes([10, 77, number, 2, 10, 78, other, 2]) for number, other in ((1, 2), (2, 1), (1, 3))]
NEW = bytes(range(100, 108))


def packet_of(pair, payload=b"", first=0x45, wrong=0):
    total = 20 + len(payload) + wrong
    return bytes([first, 0, *total.to_bytes(2, "big")]) + bytes(8) + pair + payload


class Packet:
    def __init__(self, number, data):
        self.id = number
        self.data = data
        self.done = []

    def get_payload(self):
        return self.data

    def set_payload(self, payload):
        self.done.append(payload)

    def accept(self):
        self.done.append("accept")


class Stand:
    """A path between a full path that drops everything, a clock that is told the time, and a recorder."""

    def __init__(self, kind):
        self.now_ns = 0
        self.said = []
        self.batches = []
        self.next_due_ns = None
        self.posted = []
        self.path = kind(self._full_path, lambda ns: self.said.append(("slow", ns)), self._clock)
        self.handle = self.path.callback(
            self._flush, lambda ns: self.said.append(("periodic_work", ns)), self.posted, self
        )
        self.takes_ns = 0

    def _clock(self):
        self.now_ns += self.takes_ns
        return self.now_ns

    def _full_path(self, packet, data, now_ns):
        self.said.append(("full_path", data, now_ns))
        if data:
            self.path.frames.append(PipeFrame(now_ns, NO_LINK, data, "dropped", False))
        if len(data) > 1:
            self.path.frames.append((now_ns, 7, data))

    def _flush(self):
        self.batches.append(self.path.take())

    def all(self):
        self.batches.append(self.path.take())
        return {
            "said": self.said,
            "batches": [batch and (*batch[:3], dict(batch[3]), batch[4]) for batch in self.batches],
            "own time": list(self.path.take_own_time()),
            "gaps": self.path.id_gaps,
            "waiting": self.path.waiting,
        }


packets = st.one_of(
    st.binary(max_size=40),
    st.builds(
        packet_of, st.sampled_from(PAIRS), st.binary(max_size=30), st.sampled_from([0x45, 0x45, 0x45, 0x46, 0x65]),
        st.sampled_from([0, 0, 0, 1, -1]),
    ),
)  # fmt: skip
tables = st.dictionaries(st.sampled_from(PAIRS), st.tuples(st.none() | st.just(NEW), st.integers(0, 5)))
packet = st.tuples(st.just("packet"), packets, st.integers(1, 2**32 - 1), st.integers(0, 2_000_000))
events = st.one_of(
    packet,
    packet,
    packet,
    st.tuples(st.just("routes"), tables),
    st.tuples(st.just("due"), st.none() | st.integers(-BATCH_NS, 2 * BATCH_NS)),
    st.tuples(st.just("time"), st.integers(0, BATCH_NS)),
    st.tuples(st.just("posted"), st.booleans()),
    st.tuples(st.just("take")),
)


@pytest.mark.skipif(not COMPILED, reason="the fast path was not compiled here")
@settings(max_examples=300)
@given(tables, st.lists(events, min_size=10, max_size=60))
def test_both_fast_paths_do_the_same(first, story):
    seen = []
    for kind in PATHS:
        stand, done = Stand(kind), []
        stand.path.set_routes(first)
        for what, *values in story:
            if what == "packet":
                data, number, stand.takes_ns = values
                packet = Packet(number, data)
                stand.handle(packet)
                done.append(packet.done)
            elif what == "routes":
                stand.path.set_routes(values[0])
            elif what == "due":
                stand.next_due_ns = None if values[0] is None else stand.now_ns + values[0]
            elif what == "time":
                stand.now_ns += values[0]
            elif what == "posted":
                stand.posted[:] = [None] * values[0]
            else:
                stand.batches.append(stand.path.take())
        seen.append((done, stand.all()))
    assert seen[0] == seen[1]


def test_what_was_installed_is_compiled():
    if os.environ.get("RAFTMON_INTERPRETED"):
        pytest.skip("RAFTMON_INTERPRETED asks for Python")
    assert COMPILED
    assert FastPath is not InterpretedFastPath


@pytest.mark.parametrize("kind", PATHS)
def test_a_plain_packet_is_counted_on_its_link_and_lies_in_the_batch(kind):
    stand = Stand(kind)
    stand.path.set_routes({PAIRS[0]: (NEW, 3), PAIRS[1]: (None, 4)})
    moved, still = packet_of(PAIRS[0], b"abc"), packet_of(PAIRS[1])
    first, second = Packet(1, moved), Packet(2, still)
    stand.handle(first)
    stand.handle(second)
    assert first.done == [moved[:12] + NEW + b"abc", "accept"]
    assert second.done == ["accept"]
    batch = stand.path.take()
    assert (batch.packets, batch.size, dict(batch.links)) == (2, 43, {3: 1, 4: 1})
    assert [frame[2] for frame in FrameDecoder().feed(batch.chunk)] == [moved, still]
    assert stand.path.take() is None


@pytest.mark.parametrize("kind", PATHS)
def test_large_packets_fit_and_a_full_batch_is_flushed(kind):
    stand = Stand(kind)
    stand.path.set_routes({PAIRS[0]: (NEW, 0)})
    data = packet_of(PAIRS[0], bytes(65_515))
    for number in range(2 * BATCH_PACKETS + 1):
        stand.handle(Packet(number + 1, data))
    assert [batch.packets for batch in stand.batches] == [BATCH_PACKETS] * 2
    assert stand.batches[0].chunk.endswith(data)
    assert stand.path.waiting


@pytest.mark.parametrize("kind", PATHS)
def test_times_are_those_of_the_monotonic_clock(kind):
    path = kind(lambda *_: None, lambda _: None, time.monotonic_ns)
    path.set_routes({PAIRS[0]: (None, 0)})
    before = time.monotonic_ns()
    path.callback(lambda: None, lambda _: None, (), Stand(kind))(Packet(1, packet_of(PAIRS[0])))
    assert before <= path.take().last_ns <= time.monotonic_ns()


@pytest.mark.parametrize("kind", PATHS)
def test_what_the_judge_raises_comes_out(kind):
    def broken(packet, data, now_ns):
        raise KeyError("mine")

    path = kind(broken, lambda _: None, time.monotonic_ns)
    with pytest.raises(KeyError, match="mine"):
        path.callback(lambda: None, lambda _: None, (), Stand(kind))(Packet(1, b"x"))
