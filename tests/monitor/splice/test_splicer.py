"""A spliced connection: both ends get exactly the edited streams, whatever the network does."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.monitor.packets.view import ACK, FIN, RST
from raftmon.monitor.splice.edits import EditMap
from raftmon.monitor.splice.policy import Keep, Remove
from raftmon.monitor.splice.segment import Segment, build, parse
from raftmon.monitor.splice.splicer import Splicer
from tests.fuzz_splice import fuzz
from tests.monitor.splice.model import Pass, RandomEdits, run, template


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3])
@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32), sizes=st.tuples(st.integers(0, 2000), st.integers(0, 2000)))
def test_both_ends_get_the_edited_streams_whatever_the_network_does(seed, sizes, loss):
    rng = random.Random(seed)
    splicer = run(seed, sizes, (RandomEdits(rng), RandomEdits(rng)), loss=loss)
    assert splicer.refused == 0


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32))
def test_a_connection_without_edits_is_left_alone(seed):
    splicer = run(seed, (500, 500), (Pass(), Pass()), loss=0.1)
    assert not splicer.edited


class _Script(Pass):
    """An edit policy that answers from a list, in order; then it keeps."""

    def __init__(self, *answers):
        super().__init__()
        self._answers = list(answers)

    def feed(self, data):
        return self._answers.pop(0) if self._answers else super().feed(data)


class _Talk:
    """Two ends in the middle of a connection; ``say`` gives the segments that come out."""

    def __init__(self, *answers):
        self.splicer = Splicer(_Script(*answers), Pass())
        self.heads = template("10.0.0.2", "10.0.0.1", 2, 1), template("10.0.0.1", "10.0.0.2", 1, 2)
        self.say(True, 1000, 5000)
        self.say(False, 5000, 1000)

    def packet(self, forth, seq, ack, data=b"", flags=ACK, window=1000):
        return build(self.heads[forth], Segment(seq, ack, flags, window, data, b""))

    def say(self, forth, seq, ack, data=b"", flags=ACK, window=1000, now_ns=0):
        outcome = self.splicer.packet(forth, self.packet(forth, seq, ack, data, flags, window), now_ns)
        out = [*([outcome.packet] if outcome.packet else []), *outcome.extra]
        return [(packet[21] == 1, parse(packet)) for packet in out]


def _shape(segments):
    return [(forth, one.seq, one.ack, one.payload) for forth, one in segments]


def test_what_is_taken_out_is_acknowledged_to_its_sender_and_what_follows_moves_up():
    talk = _Talk([Remove(4)], [Keep(3)])
    assert _shape(talk.say(True, 1000, 5000, b"lost")) == [(True, 1000, 5000, b""), (False, 5000, 1004, b"")]
    assert _shape(talk.say(True, 1004, 5000, b"abc")) == [(True, 1000, 5000, b"abc")]
    assert _shape(talk.say(False, 5000, 1003)) == [(False, 5000, 1007, b"")]
    assert _shape(talk.say(True, 1000, 5000, b"lost")) == [(True, 1003, 5000, b""), (False, 5000, 1007, b"")]


def test_what_is_put_in_is_sent_again_until_acknowledged_and_its_acknowledgement_stays_here():
    talk = _Talk()
    (first,) = talk.splicer.insert(True, b"new", 0)
    assert (parse(first).seq, parse(first).payload) == (1000, b"new")
    assert talk.splicer.tick(talk.splicer.due_ns) == [first]
    assert talk.say(False, 5000, 1003) == []
    assert (talk.splicer.owned, talk.splicer.due_ns) == (0, None)
    assert _shape(talk.say(True, 1000, 5000, b"old")) == [(True, 1003, 5000, b"old")]


def test_only_the_receivers_window_is_used_and_a_closed_one_is_probed_with_one_byte():
    talk = _Talk()
    talk.say(False, 5000, 1000, window=1000)
    (first, second) = talk.splicer.insert(True, b"x" * 1500, 0)
    assert len(parse(first).payload) + len(parse(second).payload) == 1000
    talk.say(False, 5000, 2000, window=0)
    (probe,) = talk.splicer.tick(10**12)
    assert (parse(probe).seq, parse(probe).payload) == (2000, b"x")


def test_a_reset_bears_the_number_that_the_receiver_expects_and_nothing_is_sent_after_it():
    talk = _Talk()
    talk.splicer.insert(True, b"new", 0)
    ((_, reset),) = talk.say(True, 1000, 5000, flags=RST | ACK)
    assert reset.seq == 1000
    assert talk.splicer.insert(True, b"more", 0) is None
    assert talk.splicer.tick(10**12) == []


def test_nothing_is_put_in_behind_a_fin_which_comes_after_what_was_put_in():
    talk = _Talk()
    talk.splicer.insert(True, b"new", 0)
    ((_, fin),) = talk.say(True, 1000, 5000, flags=FIN | ACK)
    assert (fin.seq, fin.flags & FIN) == (1003, FIN)
    assert talk.splicer.insert(True, b"late", 0) is None
    assert _shape(talk.say(False, 5000, 1004)) == [(False, 5000, 1001, b"")]


def test_more_than_the_bound_is_refused_and_counted():
    talk = _Talk()
    assert talk.splicer.insert(True, bytes((8 << 20) + 1), 0) is None
    assert talk.splicer.refused == 1


def test_acknowledgements_of_bytes_from_before_it_joined_pass_as_they_are():
    talk = _Talk.__new__(_Talk)
    talk.splicer = Splicer(_Script([Remove(4)]), Pass())
    talk.heads = template("10.0.0.2", "10.0.0.1", 2, 1), template("10.0.0.1", "10.0.0.2", 1, 2)
    talk.say(True, 1000, 5000, b"lost")
    assert _shape(talk.say(False, 5000, 900)) == [(False, 5000, 900, b"")]
    assert _shape(talk.say(False, 5000, 1000)) == [(False, 5000, 1004, b"")]


@given(st.lists(st.tuples(st.sampled_from("kri"), st.integers(1, 20)), max_size=20), st.data())
def test_places_of_both_streams_agree(operations, data):
    edits, original, edited, n = EditMap(), [], [], 0
    for what, size in operations:
        fresh = list(range(n, n + size))
        n += size
        if what == "i":
            edits.insert(bytes(size))
            edited += [None] * size
            continue
        original += fresh
        edited += fresh if what == "k" else []
        (edits.keep if what == "k" else edits.remove)(size)
    acknowledged = data.draw(st.integers(0, len(edited)))
    edits.acknowledge(acknowledged)
    for place, byte in enumerate(original[edits.base :], edits.base):
        if byte in edited:
            at = edited.index(byte)
            assert edits.to_edited(place) == at
            assert edits.to_original(at, least=True) <= place <= edits.to_original(at)
            assert edits.to_original(at + 1, least=True) == place + 1
    passed = [
        (place, at + place - first)
        for first, last, at in edits.pieces(0, len(original))
        for place in range(first, last)
    ]
    wanted = [(place, edited.index(byte)) for place, byte in enumerate(original) if byte in edited]
    assert passed == [pair for pair in wanted if pair[0] >= edits.base]


def test_hostile_packets_harm_nothing():
    totals = fuzz(8_000, seed=3)
    assert min(totals["malformed"], totals["sent"], totals["edited"]) > 0
