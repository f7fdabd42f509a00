"""What Porcupine leaves behind: its visualisation, its operations as JSON, its logs, and Go source in words."""

import json

import pytest

from raftmon.driver.checkers import check_safely, checkers_for_history, combine
from raftmon.driver.cli.check import main as check
from raftmon.driver.cli.check import parser
from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.operation import Outcome
from raftmon.setup.errors import InputError

PAGE = """
<!DOCTYPE html>
<html><head><title>Porcupine</title></head><body><script>
function render(data) {{ data.forEach(partition => {{ partition['History'] }}) }}
const data = {data}
render(data)
</script></body></html>
"""


def _history(*rows):
    named = [dict(zip(("ClientId", "Start", "End", "Description"), row, strict=True)) for row in rows]
    return {"History": named, "PartialLinearizations": [], "Largest": {}}


STALE = _history((0, 0, 10, "put('x', 'y')"), (1, 20, 30, "put('x', 'w')"), (2, 40, 50, "get('x') -> 'y'"))
RIGHT = _history((3, 0, 10, "put('y', 'a')"), (4, 5, 30, "get('y') -> 'a'"))


def _judged(path, text):
    path.write_text(text)
    history = read_history(path)
    results = [check_safely(one, history) for one in checkers_for_history(history)]
    return history, combine(results).value, " ".join(one.sentence for one in results)


@pytest.mark.parametrize("data", [[STALE, RIGHT], {"Partitions": [STALE, RIGHT], "Annotations": []}])
@pytest.mark.parametrize("page", [True, False])
def test_a_visualisation_is_read_and_judged(tmp_path, data, page):
    text = json.dumps(data)
    history, verdict, said = _judged(tmp_path / "out", PAGE.format(data=text) if page else text)
    assert history.meta.format == "porcupine"
    assert len(history) == 5
    assert verdict == "invalid"
    assert "on key 'x'" in said


@pytest.mark.parametrize(
    ("description", "f", "value", "outcome"),
    [
        ("read() -> 5", "read", 5, Outcome.OK),
        ("read() -> null", "read", None, Outcome.OK),
        ("get() -> '100'", "get", "100", Outcome.OK),
        ("write(3)", "write", 3, Outcome.OK),
        ("cas(1, 2) -> ok", "cas", [1, 2], Outcome.OK),
        ("cas(1, 2) -> fail", "cas", [1, 2], Outcome.FAIL),
        ("cas(1, 2) -> unknown", "cas", [1, 2], Outcome.INFO),
        ("enq('a') -> void", "enqueue", "a", Outcome.OK),
        ("deq() -> void", "dequeue", None, Outcome.OK),
        ('put("say, \\"hi\\"")', "put", 'say, "hi"', Outcome.OK),
    ],
)
def test_usual_descriptions_are_understood(tmp_path, description, f, value, outcome):
    path = tmp_path / "out.json"
    path.write_text(json.dumps([_history((3, 0, 10, description))]))
    (one,) = read_history(path).operations
    assert (one.process, one.f, one.value, one.outcome) == (3, f, value, outcome)


def test_a_description_that_cannot_be_read_is_named_and_the_verdict_unknown(tmp_path):
    rows = _history((0, 0, 10, "put('x', 'y')"), (1, 20, 30, "something else"))
    _, verdict, said = _judged(tmp_path / "out.json", json.dumps([rows]))
    assert verdict == "unknown"
    assert "'something else' cannot be read" in said
    assert "DescribeOperation" in said


def test_one_client_that_begins_when_it_ended_is_in_one_operation_at_a_time(tmp_path):
    rows = _history((0, 0, 10, "put('x', 'y')"), (0, 10, 20, "get('x') -> 'y'"), (0, 20, 20, "put('x', 'z')"))
    history, verdict, _ = _judged(tmp_path / "out.json", json.dumps([rows]))
    assert history.problems == []
    assert verdict == "valid"


def test_partitions_without_keys_are_keys(tmp_path):
    both = [_history((0, 0, 10, "put('a')"), (0, 20, 30, "get() -> 'a'")), _history((1, 40, 50, "put('b')"))]
    history, verdict, _ = _judged(tmp_path / "out.json", json.dumps(both))
    assert {one.key for one in history} == {"partition 0", "partition 1"}
    assert verdict == "valid"


def test_operations_as_json_are_read_where_they_name_what_they_do(tmp_path):
    rows = [
        {"ClientId": 0, "Input": {"Op": "put", "Key": "x", "Value": "1"}, "Call": 0, "Output": {}, "Return": 10},
        {"ClientId": 1, "Input": {"Op": "get", "Key": "x"}, "Call": 20, "Output": {"Value": "2"}, "Return": 30},
    ]
    _, verdict, said = _judged(tmp_path / "out.json", json.dumps(rows))
    assert verdict == "invalid"
    assert "saw '2'" in said
    rows[1]["Input"]["Op"] = 0
    _, verdict, said = _judged(tmp_path / "out.json", json.dumps(rows))
    assert verdict == "unknown"
    assert "only the Go model knows" in said


def test_its_logs_with_hints_are_logs_of_jepsen(tmp_path):
    lines = ("6 \t:invoke :write \t38 \t:hint 0", "6 \t:ok :write \t38 \t:hint 2", "4 \t:invoke :read \tnil \t:hint 0",
             "4 \t:ok :read \t38 \t:hint 2")  # fmt: skip
    history, verdict, _ = _judged(tmp_path / "a.log", "".join(f"INFO  jepsen.util - {line}\n" for line in lines))
    assert (history.meta.format, len(history), history.problems, verdict) == ("jepsen-log", 2, [], "valid")


def test_go_source_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "porcupine_test.go"
    path.write_text("// a test\npackage porcupine\n\nfunc TestRegister(t *testing.T) {\n}\n")
    with pytest.raises(InputError, match=r"Go source, which raftmon does not run: .*VisualizePath"):
        read_history(path)


def test_the_initial_value_of_a_text_is_given_as_the_command_line_reads_it(tmp_path, capsys):
    path = tmp_path / "out.json"
    path.write_text(json.dumps([_history((0, 0, 10, "get() -> '0'"), (0, 20, 30, "put('100')"))]))
    assert check(parser().parse_args([str(path)])) == 2
    assert "--initial '\"0\"'" in capsys.readouterr().out
    assert check(parser().parse_args([str(path), "--initial", '"0"'])) == 0
