"""Tables of events and of operations."""

import pytest

from raftmon.driver.histories.csv_table import is_table
from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.operation import Outcome


def read(tmp_path, text):
    (tmp_path / "h.csv").write_text(text)
    return read_history(tmp_path / "h.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_operations_in_rows(tmp_path, delimiter):
    text = "client,op,key,value,start,end,status\n0,write,x,7,0,10,ok\n1,read,x,,5,,info\n2,write,x,8,6,9,fail\n"
    found = read(tmp_path, text.replace(",", delimiter))
    assert [(one.process, one.f, one.key, one.value) for one in found.operations] == [
        (0, "write", "x", 7),
        (1, "read", "x", None),
        (2, "write", "x", 8),
    ]
    assert [one.outcome for one in found.operations] == [Outcome.OK, Outcome.INFO, Outcome.FAIL]
    assert next((one.call_ns, one.return_ns) for one in found.operations) == (0, 10)


def test_events_in_rows_with_quotes(tmp_path):
    text = 'process,type,f,value,time\n0,invoke,cas,"[1, 2]",0\n0,ok,cas,"[1, 2]",3\n'
    (one,) = read(tmp_path, text).operations
    assert (one.f, one.value, one.return_ns) == ("cas", [1, 2], 3)


def test_a_row_that_does_not_fit_is_a_problem_with_its_line(tmp_path):
    found = read(tmp_path, "process,type,f,value,time\n0,invoke,write,1,0\n0,ok,write\n")
    assert next((problem.line, problem.sentence) for problem in found.problems) == (3, "3 cells under 5 columns")


def test_a_time_that_is_none_is_a_problem(tmp_path):
    found = read(tmp_path, "process,f,value,call_ns,return_ns\n0,write,1,soon,5\n0,write,2,6,7\n")
    assert len(found.operations) == 1
    assert found.problems[0].line == 2


def test_other_text_is_no_table():
    assert not is_table("process,value")
    assert not is_table('{"process":0,"f":"write","type":"ok"}')
