"""Mutated packets through streams, codecs, invariants, conformance and the record: nothing raises, memory is bounded.

``python -m tests.fuzz_raft --count 1000000`` from the root; ``tests/monitor/raft/test_fuzz.py`` runs fewer.
"""

from __future__ import annotations

import argparse
import random
import resource
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from raftmon.monitor.message_rules.scanner import MessageHead
from raftmon.monitor.message_rules.stream_editor import StreamEditor
from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.packets.tcp_stream import read_segment
from raftmon.monitor.raft.message import RaftMessage
from raftmon.monitor.recorder.message_sink import MessageRecord

_DATA = Path(__file__).parent / "monitor" / "raft" / "data"
_MAX_BYTES = 64 << 20


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _scribble(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(20, len(data))
    for offset in range(place, min(len(data), place + rng.randrange(1, 9))):
        data[offset] = rng.choice((0, 0xFF, 0x7F, 0x80, 0x0D, 0x0A, rng.randrange(256)))


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(1, len(data)) :]


def _grow(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data))
    data[place:place] = rng.randbytes(rng.randrange(1, 64))


def _move(data: bytearray, rng: random.Random) -> None:
    """Another sequence number, sometimes far away."""
    if len(data) >= 40:
        seq = struct.unpack_from(">I", data, 24)[0]
        struct.pack_into(">I", data, 24, (seq + rng.choice((1, -1, 100, -100, 70_000, 1 << 31))) & 0xFFFFFFFF)


def _swap(data: bytearray, rng: random.Random) -> None:
    if len(data) > 60:
        a, b = rng.randrange(40, len(data)), rng.randrange(40, len(data))
        data[a : a + 8], data[b : b + 8] = data[b : b + 8], data[a : a + 8]


_MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _scribble, _cut, _grow, _move, _swap)


def _edit(editors: dict[bytes, StreamEditor], data: bytes, number: int, rng: random.Random) -> None:
    """The same packet through an editor that loses some of the messages it finds."""
    segment = read_segment(data)
    if segment is None or not segment.payload:
        return
    if segment.key not in editors:

        def decide(frame: MessageHead) -> bool:
            frame.wanted = rng.random() < 0.2
            return rng.random() < 0.3

        editors[segment.key] = StreamEditor(decide, lambda frame: None, joined=True)
    edited = editors[segment.key].segment(segment.seq, segment.payload, number * 10_000_000, None)
    assert edited.payload is None or len(edited.payload) == len(segment.payload)


def packets(system: str = "") -> list[bytes]:
    """The packets of all golden captures of a system, in their order, one capture after the other."""
    return [packet.data for path in sorted(_DATA.glob(f"{system}*.gz")) for packet in read_capture(path)]


def fuzz(count: int, seed: int, system: str = "") -> dict[str, int]:
    """Feed packets until ``count`` mutated ones have gone in; counters of what came of it. Raises what was raised."""
    rng = random.Random(seed)
    source = packets(system)
    totals = {"packets": 0, "mutated": 0, "messages": 0, "unparsed": 0, "held_max": 0, "early_kb": 0}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        while totals["mutated"] < count:
            path = Path(folder) / "messages.sqlite"
            path.unlink(missing_ok=True)
            _once(_Record(path, live=False), source, rng, totals)
            if not totals["early_kb"] and totals["mutated"] > count // 10:
                totals["early_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return dict(totals)


class _Record(MessageRecord):
    def _take(self, message: RaftMessage, comment: str | None, delivered: bool | None) -> None:
        for entry in message.entries:
            _ = entry.operations
        message.sentence()
        super()._take(message, comment, delivered)


def _once(record: MessageRecord, source: list[bytes], rng: random.Random, totals: dict[str, int]) -> None:
    """All packets once through one record, some of them mutated."""
    decoder = record.decoder
    begin = rng.choice((0, rng.randrange(len(source))))
    share = rng.choice((0.01, 0.1, 0.5))  # few broken packets reach deeper than many
    editors: dict[bytes, StreamEditor] = {}
    for offset in range(len(source)):
        data = source[(begin + offset) % len(source)]
        if data and rng.random() < share:
            changed = bytearray(data)
            rng.choice(_MUTATIONS)(changed, rng)
            data = bytes(changed)
            totals["mutated"] += 1
        totals["messages"] += record.packet(offset, offset, data, None, None)
        if record.store.waiting >= 2000:
            record.flush()
        _edit(editors, data, offset, rng)
        held = decoder.streams.budget.used + decoder.buffers.used
        totals["held_max"] = max(totals["held_max"], held)
        assert 0 <= held <= 2 * _MAX_BYTES + (1 << 20), f"{held} bytes are held"
        assert not decoder.codec_failures, decoder.codec_failure
        totals["packets"] += 1
    record.finish()
    assert decoder.streams.budget.used == 0
    totals["unparsed"] += decoder.taps.unparsed


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--system", default="", help="only captures whose name begins so: etcd, nats, ovsdb, ...")
    parser.add_argument("--each", action="store_true", help="so many through each system's codec")
    arguments = parser.parse_args()
    for system in sorted({path.name.split("-")[0] for path in _DATA.glob("*.gz")}) if arguments.each else [""]:
        begin = time.perf_counter()
        totals = fuzz(arguments.count, arguments.seed, system or arguments.system)
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{system} {totals}, {time.perf_counter() - begin:.1f} s, peak memory {peak_mib:.0f} MiB".lstrip(),
            flush=True,
        )


if __name__ == "__main__":
    main()
