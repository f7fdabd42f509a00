"""Files that are huge, absurd or hostile end in a sentence, and in bounded memory."""

import gzip
import json

import lz4.frame
import pytest
import zstandard

from raftmon.driver.checkers import check_safely, checkers_for_history, combine
from raftmon.driver.cli import main
from raftmon.driver.histories import encodings
from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.model import READABLE
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


@pytest.mark.parametrize("value", ["{:a 1}", "[1]", "nil", "5"])
def test_a_function_that_is_no_name_is_told(value, tmp_path):
    path = tmp_path / "h.edn"
    path.write_text(f"{{:type :ok, :process 0, :f :read, :value 1}}\n{{:type :ok, :process 0, :f {value}, :value 1}}\n")
    assert [problem.line for problem in read_history(path).problems if problem.breaks == READABLE] == [2]


@pytest.mark.parametrize("pack", [gzip.compress, lz4.frame.compress, zstandard.compress])
def test_a_packed_history_is_read_and_a_damaged_one_up_to_there(pack, tmp_path):
    event = '{"process":0,"type":"%s","f":"write","key":"k","value":1,"time_ns":1}\n'
    path = tmp_path / "h.jsonl.packed"
    data = pack((event % "invoke" + event % "ok").encode())
    path.write_bytes(data)
    assert len(read_history(path)) == 1
    path.write_bytes(data[: len(data) - 3])
    damaged = read_history(path)
    assert len(damaged) <= 1


@pytest.mark.parametrize("magic", [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"])
@pytest.mark.parametrize("command", ["check", "messages", "decode"])
def test_what_only_begins_like_a_packed_file_is_refused_in_words(command, magic, tmp_path, capsys):
    path = tmp_path / "bad"
    path.write_bytes(magic + b"garbage that is no packed file")
    assert main([command, str(path)]) in (2, 64)
    assert "Traceback" not in capsys.readouterr().err
