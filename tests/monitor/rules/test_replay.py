"""Rules can be tried on lines of text."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftmon.monitor.packets.view import PSH, PacketView
from raftmon.monitor.rules.replay import Sample, craft, parse_packet, replay
from raftmon.monitor.rules.rule import RuleSet
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Link


def test_lines_are_judged_one_after_the_other() -> None:
    outcomes = replay(
        ["a: n1->n2 port 2380 delay 5ms every 2", "b: udp reject"],
        ["n1->n2 syn", '1ms n1->n2 tcp 40000->2380 psh ack "hi"', "n2->n1 udp 1->2 bytes 100"],
    )
    assert [str(outcome) for outcome in outcomes] == [
        "0.000ms n1->n2 40 B: accept",
        "1.000ms n1->n2 42 B: delay 5.000 ms (a)",
        "1.000ms n2->n1 128 B: reject (b)",
    ]
    assert [outcome.dropped for outcome in outcomes] == [False, False, True]
    assert outcomes[1].delays_ms == (5,)
    assert outcomes[0].data == (outcomes[0].sample.data,)


def test_one_line_a_set_and_own_bytes_do_too() -> None:
    sample = Sample(Link("n1", "n2"), 5, craft(Link("n1", "n2"), payload=b"x"))
    assert replay("drop", [sample])[0].dropped
    assert not replay(RuleSet(), [sample])[0].dropped


def test_a_packet_line_says_everything() -> None:
    sample = parse_packet(r'2s n3->n1 tcp 5->6 psh "a\x00"')
    view = PacketView(sample.data)
    assert (str(sample.link), sample.time_ns) == ("n3->n1", 2_000_000_000)
    assert (view.source_port, view.target_port, view.flags, view.payload) == (5, 6, PSH, b"a\0")
    assert (view.source_address, view.target_address) == ("10.77.3.2", "10.78.1.2")


@pytest.mark.parametrize("line", ["n1", "*->n2", "n1,n2->n3", "n1->n2 what", "n1->n2 bytes", "n1->n2 5"])
def test_a_wrong_packet_line_is_refused(line: str) -> None:
    with pytest.raises(InputError, match="column"):
        parse_packet(line)


def test_a_rules_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from raftmon.monitor.rules.api import drop\ndef packet(view):\n    return drop() if view.syn else None\n"
    )
    assert [str(outcome) for outcome in replay(path, ["n1->n2 syn", "n1->n2"])] == [
        "0.000ms n1->n2 40 B: drop (mine)",
        "0.000ms n1->n2 40 B: accept",
    ]
