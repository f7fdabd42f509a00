"""For tests of rules on messages: an engine, one stream that it edits, an agent that notes what it shall send."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from raftmon.monitor.message_rules.stage import MessageRules
from raftmon.monitor.raft.codecs.etcd.raftpb import read_message
from raftmon.monitor.raft.codecs.table import codec_of
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.rule import RuleSet
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.monitor.rules.verdict import Verdict
from raftmon.setup.topology import Link
from tests.monitor.raft.wire import STREAM_ANSWER, A, B, Wire

NAMES = ("n1", "n2", "n3")
LINKS = [Link("n1", "n2"), Link("n2", "n1")]
S = 1_000_000_000


class Agent:
    """Notes what it is asked to deliver."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, bytes, int]] = []

    def post(self, target: str, make: bytes | Callable[[Mapping[str, int]], bytes | None], due_ns: int = 0) -> None:
        body = make if isinstance(make, bytes) else make({"n1": A, "n2": B})
        assert body is not None
        self.posted.append((target, body, due_ns))


class Bench:
    """An engine with message rules, and one connection n1 (server) to n2 whose stream it edits.

    ``shown`` are the errors of user code.
    """

    def __init__(
        self, *rules: str, system: str | None = "etcd", ruleset: RuleSet | None = None, strict: bool = False
    ) -> None:
        self.shown: list[tuple[str, str]] = []
        self.agent = Agent()
        self.stage = MessageRules(codec_of(system), self.agent)
        self.engine = Engine(
            LINKS,
            "seed",
            0,
            message_stage=self.stage,
            strict=strict,
            on_error=lambda name, text: self.shown.append((name, text)),
        )
        if ruleset is None:
            self.load(*rules)
        else:
            self.engine.load(ruleset, 0)
        self.wire = Wire()  # used for its packets only
        self.now_ns = S
        self.after: list[bytes] = []

    def load(self, *rules: str) -> None:
        self.engine.load(ruleset_from_items(list(rules), NAMES), 0)

    def send(self, payload: bytes, flags: int = 16) -> Verdict:
        self.now_ns += 1_000_000
        data = self.wire.packet("server", payload, flags)
        self.wire.seq["server"] += len(payload) + (flags & 2) // 2
        chain = self.engine.chain(0)
        assert chain is not None
        return chain(data, self.now_ns)

    def stream(self) -> Bench:
        self.wire.seq["server"] -= 1
        self.send(b"", 2)
        self.send(STREAM_ANSWER)
        return self

    @staticmethod
    def kind(verdict: Verdict, kind: str = "message") -> str:
        """What the receiver reads: the kind of the only message, ``as it came`` where the packet was not touched."""
        (copy,) = verdict.copies
        if copy.data is None:
            return "as it came"
        offset = 8 if kind == "message" else 9
        payload = copy.data[40:]
        body = payload[payload.index(b"\r\n") + 2 : -2]
        return str(read_message(body, offset, len(body)).type)
