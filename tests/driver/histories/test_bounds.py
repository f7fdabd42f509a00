"""Files that are huge, absurd or hostile end in a sentence, and in bounded memory."""

import gzip
import json

import pytest

from raftmon.driver.checkers import check_safely, checkers_for_history, combine
from raftmon.driver.cli import main
from raftmon.driver.histories import encodings, read_history
from raftmon.setup.errors import InputError


def test_a_gz_bomb_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(encodings, "MOST_UNPACKED_BYTES", 4 << 20)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * (64 << 20)))
    with pytest.raises(InputError, match="unpacks to more than"):
        read_history(path)


@pytest.mark.parametrize("digits", [5_000, 100_000])
def test_a_number_of_very_many_digits_is_text(digits, tmp_path, capsys):
    path = tmp_path / "h.edn"
    path.write_text(f"{{:type :invoke, :process 0, :f :write, :value {'9' * digits}}}\n")
    history = read_history(path)
    assert history.operations[0].value == "9" * digits
    assert main(["check", str(path), "--json", "--html", str(tmp_path / "h.html")]) in (0, 2)
    assert main(["convert", str(path), str(tmp_path / "h.jsonl")]) == 0


def test_lone_surrogates_go_through_html_and_convert(tmp_path, capsys):
    path = tmp_path / "h.edn"
    rest = ', :process 0, :f :write, :value "\\ud800"}\n'
    events = ("{:type :" + kind + rest for kind in ("invoke", "ok"))
    path.write_text("".join(events))
    assert main(["check", str(path), "--html", str(tmp_path / "h.html")]) == 0
    for ending in ("jsonl", "edn", "log"):
        assert main(["convert", str(path), str(tmp_path / f"h.{ending}")]) == 0
        assert [one.value for one in read_history(tmp_path / f"h.{ending}")] == ["\ufffd"]


def test_lines_that_only_together_make_an_event_are_none(tmp_path):
    path = tmp_path / "h.jsonl"
    whole = {"process": 0, "type": "invoke", "f": "write", "key": "k", "value": 1, "time_ns": 1}
    path.write_text(
        json.dumps(whole)
        + '\n{"process":0,"type":"ok","f":"write","key":"k","value":[{}\n{}],"time_ns":2}\n'
        + '{"process":1,"type":"invoke","f":"read","key":"k","value":null,"time_ns":3},{"process":1}\n'
    )
    history = read_history(path)
    assert [problem.line for problem in history.problems] == [2, 3, 4]
    assert combine(check_safely(one, history) for one in checkers_for_history(history)).value == "unknown"


def test_a_line_of_many_megabytes_is_read_in_linear_time(tmp_path):
    path = tmp_path / "h.jsonl"
    value = "x" * (32 << 20)
    path.write_text(json.dumps({"process": 0, "type": "ok", "f": "read", "value": value, "time_ns": 1}) + "\n")
    assert read_history(path).operations[0].value == value
