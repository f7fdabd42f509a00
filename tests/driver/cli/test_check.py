"""``raftmon check`` and ``raftmon convert`` as users call them."""

import json
from pathlib import Path

import pytest

from raftmon.driver.cli import main
from tests import shared

CORPUS = Path(__file__).parents[1] / "histories" / "corpus"
SHARED = shared.SHARED / "histories"


def test_a_file_gives_an_object_with_its_verdict(capsys):
    assert main(["check", str(CORPUS / "stale.jsonl"), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["valid"] == "invalid"
    assert said["seconds"] > 0
    assert said["checkers"]["assumptions"]["valid"] == "valid"
    found = said["checkers"]["register"]["counterexample"]
    assert [operation["f"] for operation in found["operations"]] == ["write", "read"]
    assert "saw what was there at first" in found["sentence"]


def test_a_folder_gives_one_verdict_a_file_and_passes_over_the_rest(tmp_path, capsys):
    for name in ("plain.jsonl", "stale.jsonl", "empty.jsonl", "jepsen.log"):
        (tmp_path / name).write_bytes((CORPUS / name).read_bytes())
    (tmp_path / "notes.txt").write_text("nothing of ours\n")
    assert main(["check", str(tmp_path), "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "empty.jsonl": "unknown",
        "jepsen.log": "valid",
        "plain.jsonl": "valid",
        "stale.jsonl": "invalid",
    }
    assert "notes.txt" in captured.err


def test_a_folder_without_histories_is_bad_input(tmp_path, capsys):
    assert main(["check", str(tmp_path)]) == 64
    assert "there is no history in" in capsys.readouterr().err


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared histories are not on this machine")
def test_all_shared_jepsen_histories_are_judged_rightly(capsys):
    folder = SHARED / "jepsen-etcd"
    assert main(["check", "--format", "jepsen-log", str(folder), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == json.loads((folder / "verdicts.json").read_text())


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared histories are not on this machine")
@pytest.mark.parametrize(("name", "status"), [("c01-bad", 1), ("c01-ok", 0), ("c10-bad", 1), ("c10-ok", 0)])
def test_all_shared_append_histories_are_judged_rightly(name, status, capsys):
    assert main(["check", str(SHARED / "append-kv" / f"{name}.txt")]) == status


def test_a_checker_can_be_chosen(capsys):
    assert main(["check", str(CORPUS / "plain.jsonl"), "--checker", "linearizable-cas-register", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["checkers"]) == {"assumptions", "linearizable-cas-register"}


def test_the_newest_run_is_judged_where_nothing_is_named(tmp_path, capsys, monkeypatch):
    run = tmp_path / "store" / "etcd" / "20260101T000000Z"
    run.mkdir(parents=True)
    (run / "history.jsonl").write_bytes((CORPUS / "plain.jsonl").read_bytes())
    (run / "config.json").write_text('{"config": {"workload": "register"}}')
    (tmp_path / "store" / "latest").symlink_to("etcd/20260101T000000Z")
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 0
    assert "verdict: valid" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["no/such.jsonl"], "there is no file or folder no/such.jsonl"),
        (["{}/plain.jsonl", "--format", "yaml"], "unknown format 'yaml'"),
        (["{}/plain.jsonl", "--checker", "nonsense"], "unknown checker 'nonsense'"),
        (["{}/plain.jsonl", "--timeout", "0"], "must be more than 0"),
        (["{}/expected.json"], "nothing in it is an event"),
        (["{}", "--html", "x.html"], "--html draws one history"),
    ],
)
def test_bad_input_is_one_sentence_and_64(words, sentence, capsys):
    assert main(["check", *(word.format(CORPUS) for word in words)]) == 64
    assert sentence in capsys.readouterr().err


def test_a_corrupt_line_is_told_with_its_number_and_leaves_the_verdict_unknown(capsys):
    assert main(["check", str(CORPUS / "corrupt-line.jsonl")]) == 2
    assert "line 3: no JSON" in capsys.readouterr().out


def test_a_page_is_drawn_where_it_is_asked_for(tmp_path, capsys):
    target = tmp_path / "page.html"
    assert main(["check", str(CORPUS / "stale.jsonl"), "--html", str(target)]) == 1
    assert "<html" in target.read_text()


def test_a_history_is_converted_and_judged_the_same(tmp_path, capsys):
    assert main(["convert", str(CORPUS / "stale.jsonl"), str(tmp_path / "h.edn.gz")]) == 0
    assert "2 operations" not in capsys.readouterr().out
    assert main(["check", str(tmp_path / "h.edn.gz")]) == 1
    assert main(["convert", str(tmp_path / "h.edn.gz"), str(tmp_path / "h.jsonl")]) == 0
    assert main(["check", str(tmp_path / "h.jsonl")]) == 1


def test_converting_tells_what_was_wrong(tmp_path, capsys):
    assert main(["convert", str(CORPUS / "corrupt-line.jsonl"), str(tmp_path / "h.jsonl")]) == 0
    assert "line 3" in capsys.readouterr().err
    assert main(["convert", str(CORPUS / "plain.jsonl"), str(tmp_path / "h.yaml")]) == 64


def test_a_runs_folder_without_a_history_is_bad_input(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "monitor.log").write_text("")
    assert main(["check", str(tmp_path)]) == 64
    assert "holds no history.jsonl" in capsys.readouterr().err
