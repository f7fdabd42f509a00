"""Hostile files through the readers of histories and captures: ``python -m tests.fuzz_histories --count 1000000``.

Whatever is read, nothing but InputError may be raised; what was read is paired. Memory is measured at a tenth and at
the end: it must be flat. A failure prints the seed and the number of the input.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import struct
import tempfile
import time
from pathlib import Path

from raftmon.driver.histories.formats import FORMATS, detect
from raftmon.driver.histories.model import Meta
from raftmon.driver.histories.pairing import pair
from raftmon.monitor.packets.capture_reader import CaptureNotes, read_capture
from raftmon.setup.errors import InputError

_FUNCTIONS = ("read", "write", "cas", "txn", "add", "enqueue", "drain", "odd")
_KINDS = ("invoke", "ok", "fail", "info")
_JSON_VALUES = (
    *("null", "1", "-7", "true", "1.5", '"a"', '"b c"', '"\\u00e9"', '"é"', "[1,2]", "[[1,2],[3]]", '{"a":[1]}', "[]"),
    *('[["r","x",null],["w","y",2]]', '[["append",1,2]]', "123456789012345678901", "-0", "01", "1e999", '"\\ud800"'),
)
_EDN_VALUES = (
    *(
        "nil",
        "1",
        "-7",
        "true",
        "1.5M",
        '"a"',
        ":key",
        '"q\\"uote"',
        "[1 2]",
        "[[1 2] [3]]",
        "{:a [1]}",
        "[]",
        "#{1 2}",
    ),
    *("[[:r :x nil] [:w :y 2]]", "(1 2)", "123456789012345678901N", "1/2", "\\a", "#_ 1 2", '#inst "2024"', "[1\n 2]"),
)
_NOISE = (b"{", b"}", b"[", b"]", b'"', b"\n", b"\\", b",", b":", b"\x00", b"\xff", b"\xef\xbb\xbf", b"nil", b"#", b";")


def _event(rng: random.Random, edn: bool) -> str:
    def text(word: str) -> str:
        return f":{word}" if edn else f'"{word}"'

    fields = [
        ("type", text(rng.choice(_KINDS))),
        ("process", text("nemesis") if rng.random() < 0.05 else str(rng.randrange(4))),
        ("f", text(rng.choice(_FUNCTIONS))),
        ("value", rng.choice(_EDN_VALUES if edn else _JSON_VALUES)),
        ("time" if edn or rng.random() < 0.2 else "time_ns", str(rng.randrange(1000))),
    ]
    for name in ("index", "key", "node", "host", "error", "seen", "due_ns"):
        if rng.random() < 0.2:
            fields.append((name, rng.choice(_EDN_VALUES if edn else _JSON_VALUES)))
    if rng.random() < 0.3:
        rng.shuffle(fields)
    if rng.random() < 0.1:
        fields.pop(rng.randrange(len(fields)))
    if edn:
        return "{" + ", ".join(f":{name} {value}" for name, value in fields) + "}"
    colon = rng.choice((":", ": "))
    return "{" + ",".join(f'"{name}"{colon}{value}' for name, value in fields) + "}"


def _logged(rng: random.Random) -> str:
    value = rng.choice(_EDN_VALUES)
    return f"INFO  jepsen.util - {rng.randrange(4)}\t:{rng.choice(_KINDS)}\t:{rng.choice(_FUNCTIONS)}\t{value}"


def hostile_text(rng: random.Random, format: str) -> bytes:
    """A small history of this format, most often with something wrong in it."""
    make = _logged if format == "jepsen-log" else lambda rng: _event(rng, format != "jsonl" and format != "json")
    events = [make(rng) for _ in range(rng.randrange(8))]
    if format == "json":
        text = "[" + ",".join(events) + "]"
    elif format == "edn" and rng.random() < 0.3:
        text = "[" + rng.choice(("\n", " ")).join(events) + "]"
    else:
        text = "\n".join(events) + "\n" * rng.randrange(3)
    data = bytearray(text.encode())
    for _ in range(rng.choice((0, 0, 1, 1, 2, 6))):
        at = rng.randrange(len(data) + 1)
        way = rng.randrange(4)
        if way == 0:
            data[at:at] = rng.choice(_NOISE)
        elif way == 1:
            del data[at : at + rng.randrange(1, 10)]
        elif way == 2:
            del data[at:]
        elif data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
    return bytes(data)


def hostile_capture(rng: random.Random) -> bytes:
    """A pcap or pcapng file with a few packets, most often with something wrong in it."""
    order = rng.choice("<>")
    link_type = rng.choice((1, 101, 113, 228, 239, 276, 0, 9, 147))
    packet = rng.choice((b"\x45", b"\x60", b"\x00\x00")) + rng.randbytes(rng.randrange(80))
    if rng.random() < 0.5:
        data = bytearray(struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type))
        for number in range(rng.randrange(4)):
            data += struct.pack(order + "IIII", number, 0, len(packet), len(packet) + rng.choice((0, 0, 9))) + packet
    else:
        data = bytearray()
        blocks = [(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
        blocks += [(1, struct.pack(order + "HHI", link_type, 0, 0))] * rng.randrange(3)
        padded = packet + bytes(-len(packet) % 4)
        for _ in range(rng.randrange(4)):
            kind = rng.choice((6, 6, 3, 2, 5))
            head = struct.pack(order + "IIIII", rng.randrange(2), 0, 5, len(packet), len(packet))
            blocks.append((kind, head + padded if kind != 3 else struct.pack(order + "I", len(packet)) + padded))
        for kind, body in blocks:
            size = struct.pack(order + "I", len(body) + 12)
            data += struct.pack(order + "I", kind) + size + body + size
    for _ in range(rng.choice((0, 1, 1, 3))):
        if data:
            at = rng.randrange(len(data))
            if rng.random() < 0.5:
                data[at] = rng.choice((0, 1, 4, 12, 0x7F, 0xFF))
            else:
                del data[at : at + rng.choice((1, 4, 10_000))]
    return bytes(data)


def _read_text(rng: random.Random, format: str) -> str:
    data = hostile_text(rng, format)
    try:
        if rng.random() < 0.3:
            format = detect(data[:65536])
        events = FORMATS[format].read(io.BytesIO(data))
        history = pair(events, Meta(format=format))
        assert all(one.call_ns is not None for one in history.operations)
    except InputError:
        return "refused"
    return "problems" if history.problems else "clean"


def _read_capture(rng: random.Random, path: Path) -> str:
    path.write_bytes(hostile_capture(rng))
    notes = CaptureNotes()
    try:
        for packet in read_capture(path, notes):
            assert isinstance(packet.data, bytes)
        assert all(notes.sentences())
    except InputError:
        return "refused"
    return "problems" if notes.broken else "clean"


def fuzz(count: int, seed: int) -> dict[str, int]:
    """Read ``count`` inputs; returns how many were clean, had problems or were refused, and peak memory in KB."""
    totals = {"clean": 0, "problems": 0, "refused": 0, "early_kb": 0, "peak_kb": 0}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        path = Path(folder) / "capture"
        for number in range(count):
            rng = random.Random(f"{seed} {number}")
            kind = rng.choice((*FORMATS, "capture"))
            try:
                totals[_read_capture(rng, path) if kind == "capture" else _read_text(rng, kind)] += 1
            except BaseException as error:
                raise AssertionError(
                    f"seed {seed}, input {number} ({kind}): {type(error).__name__}: {error}"
                ) from error
            if number == count // 10:
                totals["early_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    totals["peak_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return totals


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="hostile files through the readers of histories and captures")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    print(fuzz(arguments.count, arguments.seed), f"{time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
