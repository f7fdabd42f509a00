"""What readers decide once for a whole history, and text in whatever form it comes."""

import io

import pytest

from raftmon.driver.cli import main
from raftmon.driver.histories.formats import read_history
from raftmon.setup.errors import InputError


def _edn(tmp_path, text, name="h.edn"):
    (tmp_path / name).write_text(text)
    return read_history(tmp_path / name)


def _events(*rows):
    return "\n".join(f"{{:process {p}, :type :{kind}, :f :{f}, :value {value}}}" for p, kind, f, value in rows)


@pytest.mark.parametrize(
    ("f", "sent", "got"), [("enqueue", "[1 7]", "[1 7]"), ("delete", "[1 nil]", "[1 nil]"), ("inc", "[2 nil]", "[2 5]")]
)
def test_a_pair_is_taken_apart_whatever_the_function_is(tmp_path, f, sent, got):
    history = _edn(tmp_path, _events((0, "invoke", f, sent), (0, "ok", f, got)))
    assert [one.key for one in history] == [int(sent[1])]


def test_a_completed_history_s_reads_are_keyed_too(tmp_path):
    history = _edn(
        tmp_path,
        _events(
            (0, "invoke", "write", "[1 7]"),
            (0, "ok", "write", "[1 7]"),
            (1, "invoke", "read", "[1 7]"),
            (1, "ok", "read", "[1 7]"),
        ),
    )
    assert [(one.key, one.value) for one in history] == [(1, 7), (1, 7)]


def test_one_value_that_is_no_pair_leaves_all_of_them_alone(tmp_path):
    history = _edn(
        tmp_path,
        _events(
            (0, "invoke", "cas", "[1 2]"),
            (0, "ok", "cas", "[1 2]"),
            (1, "invoke", "write", "3"),
            (1, "ok", "write", "3"),
        ),
    )
    assert [one.key for one in history] == [None, None]
    assert _edn(tmp_path, _events((0, "invoke", "cas", "[1 2]"), (0, "ok", "cas", "[1 2]"))).operations[0].key is None


def test_utf_16_is_refused_in_words_that_name_it(tmp_path):
    (tmp_path / "h.edn").write_bytes(_events((0, "invoke", "write", "1")).encode("utf-16"))
    with pytest.raises(InputError, match="UTF-16"):
        read_history(tmp_path / "h.edn")


def test_a_line_that_never_ends_spoils_no_other(tmp_path):
    text = _events((0, "invoke", "write", "1"), (0, "ok", "write", "1"))
    history = _edn(tmp_path, text + "\n{:process 1, :type :invoke, :f :read, :value [\n" + text)
    assert len(history) == 2
    assert len(history.problems) == 1


def test_a_number_of_a_hundred_thousand_digits_is_read_as_text(tmp_path):
    history = _edn(tmp_path, _events((0, "invoke", "write", "9" * 100_000), (0, "ok", "write", "9" * 100_000)))
    assert history.operations[0].value == "9" * 100_000


def test_completions_without_a_process_are_transactions_of_their_own(tmp_path):
    history = _edn(tmp_path, "{:type :ok, :value [[:append 1 2]]}\n{:type :ok, :value [[:r 1 [2]]]}")
    assert [one.f for one in history] == ["txn", "txn"]
    assert len({one.process for one in history}) == 2


def test_a_history_comes_from_standard_input(monkeypatch, capsys):
    class Stdin:
        buffer = io.BytesIO(_events((0, "invoke", "write", "1"), (0, "ok", "write", "1")).encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    assert main(["check", "-"]) == 0
    assert "verdict: valid" in capsys.readouterr().out


def test_a_store_folder_of_jepsen_is_one_history(tmp_path, capsys):
    rows = _events((0, "invoke", "write", "1"), (0, "ok", "write", "1"))
    (tmp_path / "history.edn").write_text(rows)
    (tmp_path / "history.txt").write_text("0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n")
    (tmp_path / "jepsen.log").write_text("INFO nothing\n")
    (tmp_path / "results.edn").write_text("{:valid? true}")
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("verdict:") == 1
