"""The compiled scanner and the readers in Python make the same of every file."""

import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftmon.driver.histories import jepsen, jsonl, scanning
from raftmon.driver.histories.events import Events
from raftmon.driver.histories.jsonl import read_jsonl
from raftmon.driver.histories.scanning import EDN, JSON, Scanner, ScannerInPython
from tests.fuzz_histories import hostile_text

pytestmark = pytest.mark.skipif(Scanner is ScannerInPython, reason="the scanner was not compiled")


def rows(events):
    """All that a reader found, with codes resolved (the order in which codes are given is its own affair)."""
    return {
        "rows": [
            (
                events.line[i],
                events.time[i],
                events.process[i],
                events.type[i],
                events.f_names.objects[events.f[i]],
                repr(events.keys.objects[events.key[i]]),
                repr(events.value[i]),
                events.shape[i],
                events.index[i],
                events.places.objects[events.place[i]],
                repr(sorted(events.rare.get(i, {}).items(), key=repr)),
            )
            for i in range(len(events))
        ],
        "problems": events.problems,
        "lines": events.lines,
        "others": events.others,
        "rare": sorted(events.rare),
    }


def both(read, data):
    compiled = rows(read(data))
    for module in (jsonl, jepsen):
        module.Scanner = ScannerInPython
    try:
        return compiled, rows(read(data))
    finally:
        for module in (jsonl, jepsen):
            module.Scanner = scanning.Scanner


def of_jsonl(data):
    return read_jsonl(io.BytesIO(data))


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32))
def test_json_lines_are_read_alike(seed):
    compiled, plain = both(of_jsonl, hostile_text(random.Random(seed), "jsonl"))
    assert compiled == plain


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32))
def test_edn_is_read_alike(seed):
    compiled, plain = both(jepsen.read_edn, hostile_text(random.Random(seed), "edn"))
    assert compiled == plain


@pytest.mark.parametrize(
    "line",
    [
        '{"type":"invoke","process":0,"f":"read","time_ns":1700000000000000000}',
        '{"type":"invoke","process":0,"f":"read","time_ns":4611686018427387904}',
        '{"type":"invoke","process":9223372036854775808,"f":"read"}',
        '{"type":"invoke","process":0,"f":"write","value":-0}',
        '{"type":"invoke","process":0,"f":"write","value":01}',
        '{"type":"invoke","process":0,"f":"write","value":1e400}',
        '{"type":"invoke","process":0,"f":"write","value":NaN}',
        '{"type":"invoke","process":0,"f":"write","value":"\\ud800"}',
        '{"type":"invoke","process":0,"f":"write","value":"a\\"b","key":"k\\u0041"}',
        '{"type":"invoke","process":0,"f":"read","time":5,"time_ns":null,"index":null}',
        '{"type":"ok","process":0,"f":"write","value":[["r",1,2],["w",1,3]]}',
        '{"type":"ok","process":0,"f":"read","value":[[1,2],[3,4]],"seen":null,"error":null,"extra":{"a":[1.5]}}',
        '{"type":"ok","process":0,"f":"read","node":1,"host":"c"}',
        '{"type":"ok","process":true,"f":"read"}',
        '{"type":"ok","process":0,"f":null}',
        '{"type":"ok","process":0,"f":"read","key":1.0} {"type":"ok"}',
        '{"type":"ok","process":0,"f":"read","type":"fail","key":true,"key":false}',
        '{"type":"ok","process":"nemesis","f":"kill"}',
        "{}",
        '[{"type":"ok","process":0,"f":"read"}]',
        '{"type":"ok","process":0,"f":"read","value":' + "[" * 120 + "]" * 120 + "}",
        '{"type":"ok","process":0,"f":"read","value":' + "[" * 80 + "]" * 80 + "}",
        '{"type":"ok","process":0,"f":"read","value":"' + "x" * 3000 + '"}',
    ],
)
def test_json_at_the_edge_is_read_alike(line):
    text = f'{{"type":"invoke","process":0,"f":"read"}}\n  {line}\t\r\n\n{line}'
    compiled, plain = both(of_jsonl, text.encode())
    assert compiled == plain


def test_bytes_that_are_no_utf8_are_read_alike():
    line = b'{"type":"ok","process":0,"f":"read","key":"\xff","value":"\xed\xa0\x80"}\n'
    compiled, plain = both(of_jsonl, line * 2)
    assert compiled == plain
    assert len(compiled["problems"]) == 2
    compiled, plain = both(jepsen.read_edn, b'{:type :ok, :process 0, :f :read, :key "\xff", :value "\xed\xa0\x80"}\n')
    assert compiled == plain


@pytest.mark.parametrize(
    "value",
    [
        *("nil", "true", ":a/b", ":", "+5", "007", "5N", "1.5", "1/2", "\\newline", '"a\\nb"', '"é"', "é", ":é", "[]"),
        *("()", "#{1 #{2}}", "{:a 1, 2 :b}", "{:a}", "#_1 2", "#inst 5", "[1 ; remark\n2]", "[[1 2] [3 4]]"),
        *("[[:r 1 nil] [:w 2 3]]", "99999999999999999999", '"' + "x" * 400 + '"', "[" * 120 + "]" * 120, '["a""b"]'),
    ],
)
def test_edn_at_the_edge_is_read_alike(value):
    event = f"{{:type :ok, :process 0, :f :read, :key :k, :value {value}, :time 5}}"
    for text in (
        f"{event}\n{event}",
        f"[{event}\n{event}]",
        f"({event} #jepsen.history.Op{event})\n",
        f"{event} {event}",
    ):
        compiled, plain = both(jepsen.read_edn, text.encode())
        assert compiled == plain


def test_plain_lines_are_all_taken_by_the_scanner():
    for syntax, line in (
        (JSON, b'{"index":0,"process":3,"f":"cas","key":"k0","type":"ok","value":[null,1],"time_ns":5,"due_ns":4}\n'),
        (EDN, b'{:index 0, :process 3, :f :cas, :key "k0", :type :ok, :value [nil 1], :time 5, :error :timeout}\n'),
    ):
        events = Events()
        assert Scanner(events, syntax).scan(line * 1000, 0, 1) == (1000 * len(line), 1001)
        assert len(events) == 1000


def test_a_scanner_that_stops_at_every_second_line_goes_on_behind_it():
    good = b'{"type":"invoke","process":0,"f":"read","key":"k"}\n'
    events = of_jsonl((good + b"no event\n") * 500)
    assert len(events) == 500
    assert [problem.line for problem in events.problems] == list(range(2, 1001, 2))


def test_many_different_texts_do_not_fill_the_scanners_tables():
    lines = [f'{{"type":"ok","process":0,"f":"read","key":"k{n % 20000}","value":"v{n}"}}\n' for n in range(90_000)]
    events = of_jsonl("".join(lines).encode())
    assert [events.value[n] for n in (0, 65_536, 89_999)] == ["v0", "v65536", "v89999"]
    assert events.keys.objects[events.key[89_999]] == "k9999"
    assert len(events.keys) == 20_001
