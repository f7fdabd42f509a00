"""Rules on messages of pysyncobj, whose compressed frames are cut out of their stream and put back."""

import dataclasses
import pickle
import zlib

import pytest

from raftmon.monitor.message_rules.spliced import SplicedRules
from raftmon.monitor.packets.view import ACK, SYN
from raftmon.monitor.raft.codecs.nats import CODEC as NATS
from raftmon.monitor.raft.codecs.pysyncobj import CODEC
from raftmon.monitor.raft.codecs.zookeeper import QUORUM
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.monitor.splice.segment import Segment, build, parse
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link
from tests.monitor.splice.model import template

NAMES = ("n1", "n2", "n3")
MS = 1_000_000


def frame(kind="response_vote", **content):
    body = zlib.compress(pickle.dumps({"type": kind, "term": 3, **content}, 2))
    return len(body).to_bytes(4, "little") + body


VOTE, APPEND = frame(), frame("append_entries", commit_index=7)


class Bench:
    """n1 sends to n2 on one connection that n1 dialled; ``sent`` is what was put on the wire beside the packets."""

    def __init__(self, *rules, codec=CODEC):
        self.sent = []
        self.stage = SplicedRules(codec, present=lambda packet: packet, send=self.sent.append)
        self.engine = Engine([Link("n1", "n2"), Link("n2", "n1")], "seed", 0, message_stage=self.stage)
        self.now_ns, self.seq = MS, 101
        self.load(*rules)
        self.packet(0, 100, 0, flags=SYN)
        self.packet(1, 500, 101, flags=SYN | ACK)
        self.packet(0, 101, 501)

    def load(self, *rules):
        self.engine.load(ruleset_from_items(list(rules), NAMES), self.now_ns)

    def packet(self, link, seq, ack, data=b"", flags=ACK):
        heads = template("10.0.0.1", "10.0.0.2", 9, 4000), template("10.0.0.2", "10.0.0.1", 4000, 9)
        self.now_ns += MS
        verdict = self.engine.chain(link)(
            build(heads[link], Segment(seq, ack, flags, 60000, data, b"")), self.now_ns
        )  # fmt: skip
        return verdict, [parse(copy.data) if copy.data else None for copy in verdict.copies]

    def say(self, data):
        """n1's next bytes: the verdict, and what n2 gets, in order."""
        verdict, copies = self.packet(0, self.seq, 501, data)
        self.seq += len(data)
        segments = [(self.seq - len(data), data) if copy is None else (copy.seq, copy.payload) for copy in copies]
        beside = [parse(packet) for packet in verdict.inject if packet[12:16] == bytes((10, 0, 0, 1))]
        out = [payload for _, payload in sorted(segments + [(one.seq, one.payload) for one in beside])]
        return verdict, b"".join(out)

    def later(self, wait_ns=0):
        self.now_ns += wait_ns
        due = self.stage.due_ns
        if due is not None and due <= self.now_ns:
            self.stage.tick(self.now_ns)
        out, self.sent[:] = [parse(packet).payload for packet in self.sent], []
        return b"".join(out)


def test_a_vote_is_lost_and_what_surrounds_it_arrives():
    bench = Bench("n1->n2 MsgVoteResp drop")
    verdict, got = bench.say(APPEND + VOTE + APPEND)
    assert got == APPEND + APPEND
    assert verdict.comment == "drop MsgVoteResp term 3 index 0"
    assert bench.engine.stats()["r1"]["hits"] == 1


def test_a_rule_may_ask_for_the_raft_group():
    def request(group):
        line = b"RMSG $SYS $NRG.V.%s + _INBOX.a 32\r\n" % group
        return line + (1).to_bytes(8, "little") * 3 + b"12345678\r\n"

    bench = Bench('MsgVote group has "S-R3F" drop', codec=NATS)
    assert bench.say(request(b"_meta_") + request(b"S-R3F-abc") + request(b"C-R3F-abc"))[1] == (
        request(b"_meta_") + request(b"C-R3F-abc")
    )
    assert Bench('group has "S" drop').say(APPEND)[1] == APPEND  # a system with one group has no name for it


@pytest.mark.parametrize("cut", range(1, len(VOTE), 7))
def test_a_message_in_two_segments_is_lost_whole_or_passes_whole(cut):
    for rule, wanted in (("MsgVoteResp drop", b""), ("MsgVote drop", VOTE)):
        bench = Bench(rule)
        assert bench.say(VOTE[:cut])[1] == b""
        assert bench.say(VOTE[cut:])[1] == wanted
        assert bench.say(APPEND)[1] == APPEND


def test_a_delayed_message_goes_back_into_its_stream_when_due():
    bench = Bench("MsgVoteResp delay 300ms")
    assert bench.say(VOTE)[1] == b""
    assert bench.say(APPEND)[1] == APPEND
    assert bench.later() == b""
    assert bench.later(300 * MS) == VOTE
    assert bench.stage.stats()["undeliverable"] == 0


def test_held_messages_come_in_order_when_the_rule_is_removed():
    bench = Bench("MsgVoteResp hold")
    second = frame(term=4)
    bench.say(VOTE)
    bench.say(second)
    assert bench.stage.stats()["held"] == 2
    bench.load()
    assert bench.later() == VOTE + second


def test_a_message_comes_twice_at_once_or_after_a_gap():
    assert Bench("MsgVoteResp duplicate").say(VOTE)[1] == VOTE * 2
    bench = Bench("MsgVoteResp duplicate 2 gap 20ms")
    assert bench.say(VOTE)[1] == VOTE
    assert [bench.later(20 * MS), bench.later(20 * MS), bench.later(1000 * MS)][:2] == [VOTE, VOTE]


def test_after_bytes_that_are_no_message_everything_passes():
    bench = Bench("MsgVoteResp drop")
    assert bench.say(b"\xff" * 40)[1] == b"\xff" * 40
    assert bench.say(b"more of it")[1] == b"more of it"


def test_forging_is_refused_in_words():
    with pytest.raises(InputError, match="a MsgTimeoutNow of pysyncobj cannot be forged"):
        Bench("n1->n2 forge MsgTimeoutNow")


def test_a_message_is_released_while_its_rule_stays_and_replayed_when_its_trigger_fires():
    bench = Bench("MsgVoteResp hold", "MsgHeartbeat replay last 1 when MsgVoteResp")
    assert bench.say(APPEND)[1] == APPEND
    bench.say(VOTE)
    assert bench.later() == APPEND
    bench.stage.release("r1", 1)
    assert bench.later() == VOTE
    assert bench.say(VOTE)[1] == b""


def test_a_recorded_message_is_put_into_an_open_stream_of_its_link():
    from raftmon.monitor.message_rules.spliced_connection import UnitReader
    from raftmon.monitor.packets.tcp_table import Flow

    bench = Bench("MsgVote accept")
    bench.say(APPEND)
    reader = UnitReader(CODEC)
    flow = Flow("10.0.0.1", 4000, "10.0.0.2", 9, True, False)
    reader.taps_for(CODEC, flow, flow.reverse)[0].data(VOTE, 0)
    (message,) = reader.read
    message.source = "n1"
    bench.stage.deliver_again(message, "n2", bench.now_ns)
    assert bench.later() == VOTE
    with pytest.raises(InputError, match="no connection n1->n3"):
        bench.stage.deliver_again(message, "n3", bench.now_ns)


def test_triggers_are_fed_by_what_passes():
    from raftmon.monitor.message_rules.trigger_words import parse_trigger

    bench = Bench("MsgVote drop")
    one = bench.stage.arm(parse_trigger("when MsgVoteResp", NAMES), bench.now_ns)
    bench.load()  # no rule is left: the trigger alone has the messages read
    bench.say(APPEND)
    bench.say(VOTE)
    assert one.fired == 1


def test_a_forged_message_follows_the_first_that_passes():
    bench = Bench("n1->n2 forge MsgVoteResp term 9", "MsgVote accept")
    assert bench.say(APPEND)[1] == APPEND
    (body,) = [bench.later()]
    assert pickle.loads(zlib.decompress(body[4:])) == {"type": "response_vote", "term": 9}
    bench.say(APPEND)
    assert bench.later() == b""


IN_ORDER = dataclasses.replace(CODEC, in_order=True, instead_of=lambda unit: unit.upper() if len(unit) > 4 else None)


def test_where_units_keep_their_order_a_delayed_one_holds_back_those_behind():
    bench = Bench("MsgVoteResp delay 50ms", codec=IN_ORDER)
    assert bench.say(VOTE)[1] == b""
    assert bench.say(APPEND)[1] == b""
    assert bench.later() == b""
    assert bench.later(60 * MS) == VOTE + APPEND
    assert bench.say(APPEND)[1] == APPEND


def test_where_units_keep_their_order_a_held_one_holds_back_those_behind_until_it_is_released():
    bench = Bench("MsgVoteResp hold", codec=IN_ORDER)
    bench.say(VOTE + APPEND)
    bench.say(VOTE)
    assert bench.later(60 * MS) == b""
    bench.stage.release("r1", 1)
    assert bench.later() == VOTE + APPEND
    bench.load()
    assert bench.later() == VOTE
    assert bench.say(APPEND)[1] == APPEND


def test_where_a_lost_unit_needs_something_in_its_place_the_receiver_gets_that():
    bench = Bench("MsgVoteResp drop", codec=IN_ORDER)
    assert bench.say(APPEND + VOTE + APPEND)[1] == APPEND + VOTE.upper() + APPEND


def test_what_a_protocol_does_not_allow_is_refused_with_its_reason():
    with pytest.raises(InputError, match="drop is impossible with zookeeper: Zab relies on FIFO channels"):
        Bench("MsgApp drop", codec=QUORUM)
    with pytest.raises(InputError, match="not corrupt"):
        Bench("MsgApp corrupt")
