"""A codec of one's own: a Raft whose nodes send a 4-byte length and a JSON object.

    raftmon decode capture.pcap --codec examples/codecs/my_codec.py
    raftmon test codec examples/codecs/my_codec.py capture.pcap
    raftmon run --system examples/systems/toy_system.py --codec examples/codecs/my_codec.py

Messages: {"type": "hello", "address": "10.0.0.1:7000"} once a connection, then "vote", "voted", "append", "appended".
"""

import json

from raftmon.codecs import Codec, Entry, LengthPrefixedTap, LoggedOperation, Malformed, taps_of, unit_of


def operations(kind, data):
    """What an entry does: its data are the JSON of {"key", "value"}."""
    try:
        command = json.loads(data)
        return (LoggedOperation("set", str(command["key"]).encode(), json.dumps(command["value"]).encode()),)
    except (ValueError, KeyError, TypeError):
        return (LoggedOperation("opaque", value=data),)


class MyTap(LengthPrefixedTap):
    codec = "my-raft"

    def read(self, content, raw, first, mark):
        kind, term = content["type"], content.get("term", 0)
        if kind == "hello":
            self.speaks(content["address"])
        elif kind == "vote":
            self.emit("MsgVote", raw, first, mark, term=term, index=content["last"], log_term=content["last_term"])
        elif kind == "voted":
            self.emit("MsgVoteResp", raw, first, mark, term=term, reject=not content["granted"])
        elif kind == "append":
            entries = [
                Entry(one["term"], place, json.dumps(one["command"]).encode(), 0, operations)
                for place, one in enumerate(content["entries"], start=content["previous"] + 1)
            ]
            self.emit(
                "MsgApp" if entries else "MsgHeartbeat", raw, first, mark, term=term, index=content["previous"],
                log_term=content["previous_term"], commit=content["commit"], entries=entries,
            )  # fmt: skip
        elif kind == "appended":
            self.emit("MsgAppResp", raw, first, mark, term=term, index=content["match"], reject=not content["ok"])
        else:
            raise Malformed(f"an unknown type {kind}")


def begins(start, from_start):
    """A length below 16 MB, then the beginning of a JSON object with a type."""
    if len(start) < 14:
        return None
    return start[0] == 0 and start[4:13] == b'{"type": '


CODEC = Codec(
    name="my-raft",
    summary="an example: length-prefixed JSON",
    begins=begins,
    taps=taps_of(MyTap),
    systems=("my-raft",),
    why_not="its messages are cut out of their streams, not changed in place",
    unit=unit_of(MyTap),  # rules act on its messages
    ordered=frozenset({"peer"}),
)
