"""A codec that raises costs its connection, never the record."""

import orjson

from raftmon.monitor.raft.codecs import hashicorp
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.recorder.message_sink import decode_capture
from tests.fuzz_raft import _DATA, packets


def _failing(monkeypatch, at):
    """hashicorp/raft's codec, whose ``at``-th request raises what no codec should."""
    real, calls = hashicorp._append, []

    def append(message, content):
        calls.append(1)
        if len(calls) == at:
            raise ZeroDivisionError("planted")
        real(message, content)

    monkeypatch.setattr(hashicorp, "_REQUESTS", (append, *hashicorp._REQUESTS[1:]))


def test_the_other_connections_go_on_and_the_failure_is_counted_with_its_place(monkeypatch):
    whole = Decoder()
    expected = sum(len(whole.packet(n, n, data)) for n, data in enumerate(packets()))
    _failing(monkeypatch, 40)
    decoder = Decoder(forgiving=True)
    found = sum(len(decoder.packet(n, n, data)) for n, data in enumerate(packets()))
    decoder.finish()
    counters = decoder.counters()
    assert counters["codec_failures"] == 1
    assert counters["codec_failure"].startswith("ZeroDivisionError: planted (test_codec_failure.py:")
    assert counters["unparsed_bytes"] > 0
    assert expected // 2 < found < expected
    assert decoder.buffers.used == 0
    assert orjson.dumps(counters)


def test_decoding_a_capture_says_so(monkeypatch, tmp_path):
    (capture,) = [path for path in _DATA.glob("*.gz") if "hashicorp" in path.name][:1]
    _failing(monkeypatch, 3)
    summary = decode_capture(capture, tmp_path / "out.sqlite")
    assert any("a decoder failed on one connection" in note and "planted" in note for note in summary["notes"])
