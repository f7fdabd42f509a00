"""A Raft over JSON in HTTP/1 bodies: read whole, cut anywhere, with holes, damaged, and joined in the middle."""

from __future__ import annotations

import json
from pathlib import Path

from raftmon.codecs import Channel, Codec, HttpCalls, Malformed, Request, Response, http_taps_of
from tests.monitor.raft.codecs.talks import LOOK, Talk, broken_promises, decoded, looks


class JsonCalls(HttpCalls):
    codec = "http-raft"
    max_message = 1 << 16

    def read(self, head: Request | Response, body: bytes, channel: Channel, first: int, mark: int) -> None:
        request = head if isinstance(head, Request) else head.request
        if request is None or not request.path.startswith("/raft/"):
            return
        content = json.loads(body)
        kind = {"vote": "MsgVote", "append": "MsgApp"}.get(request.path.split("/")[2])
        if kind is None:
            raise Malformed("no such call")
        if isinstance(head, Request):
            if head.headers.get("x-address"):
                self.speaks(head.headers["x-address"])
            self.emit(channel, kind, body, first, mark, term=content["term"])
        else:
            self.emit(channel, f"{kind}Resp", body, first, mark, term=content["term"], reject=not content["ok"])


CODEC = Codec(
    "http-raft", "JSON in HTTP bodies", lambda start, _: start[:5] in (b"POST ", b"HTTP/", b"GET /"),
    http_taps_of(JsonCalls), systems=("http-raft",), why_not="nobody can",
)  # fmt: skip


def request(path: str, content: object, *, chunked: bool = False) -> bytes:
    body = json.dumps(content).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: n1\r\nX-Address: 10.77.2.2:7000\r\n"
    if chunked:
        half = len(body) // 2
        parts = b"".join(b"%x\r\n" % len(part) + part + b"\r\n" for part in (body[:half], body[half:]))
        return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + parts + b"0\r\n\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def response(content: object, status: str = "200 OK") -> bytes:
    body = json.dumps(content).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


TALK: Talk = [
    ("client", request("/raft/vote", {"term": 2})),
    ("server", response({"term": 2, "ok": True})),
    *(
        pair
        for n in range(12)
        for pair in (
            ("client", request("/raft/append", {"term": 2, "pad": "x" * n * 50}, chunked=n % 2 == 1)),
            ("server", response({"term": 2, "ok": n % 3 > 0})),
        )
    ),
    ("client", request("/metrics", {})),
    ("server", response({}, "404 Not Found")),
]


def test_requests_and_responses_are_read_with_their_bodies() -> None:
    decoder, messages = decoded(CODEC, TALK)
    assert looks(messages)[:3] == LOOK
    assert len(messages) == 26
    assert decoder.taps.unparsed == decoder.taps.skipped == 0
    assert decoder.buffers.used == 0


def test_what_is_not_understood_is_counted() -> None:
    bad = request("/raft/vote", {"no": "term"})
    decoder, messages = decoded(CODEC, [("client", bad), ("server", response({"term": 1, "ok": True})), *TALK])
    assert len(messages) == 27
    assert decoder.taps.unparsed == len(json.dumps({"no": "term"}))
    big = request("/raft/vote", {"term": 2, "pad": "y" * (1 << 17)})
    decoder, messages = decoded(CODEC, [("client", big[n : n + 1400]) for n in range(0, len(big), 1400)])
    assert messages == []
    assert decoder.buffers.used == 0
    assert decoder.taps.unparsed + decoder.taps.skipped > 1 << 16


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    assert broken_promises(CODEC, TALK, tmp_path) == []
