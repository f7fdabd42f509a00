"""The page of a history: one file that loads nothing, with every operation, the order found and the break."""

import html.parser
import re
import subprocess

import orjson
import pytest

from raftmon.driver.checkers.base import Counterexample, Result, Valid
from raftmon.driver.checkers.register import RegisterChecker
from raftmon.driver.report.drawing import MAX_OPERATIONS, lay_out
from raftmon.driver.report.offline import embedded_json
from raftmon.driver.report.page import render_page, write_page
from raftmon.setup.errors import InputError
from tests.browsing import CHROMIUM
from tests.driver.checkers.making import INFO, history, op

CALL, RETURN, TEXT, ORDER, POINT, FLAGS = 2, 3, 5, 6, 7, 8


class Page(html.parser.HTMLParser):
    """Collects elements, what they would load, and the text of each script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.loads, self.scripts, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [value for name, value in attributes if name in ("src", "href", "action", "data")]
        if tag == "script":
            self.scripts.append("")
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag == "script":
            self.open.pop()

    def handle_data(self, data):
        if self.open:
            self.scripts[-1] += data


def valid_history():
    return history(
        op(0, "write", 1, 0, 10, key="x"),
        op(1, "read", 1, 5, 20, key="x"),
        op(2, "write", 2, 15, None, key="x", outcome=INFO),
        op(1, "read", 2, 30, 40, key="x"),
    )


def broken_history():
    return history(
        op(0, "write", 1, 0, 10, key="x"),
        op(0, "write", 2, 20, 30, key="x"),
        op(1, "read", 1, 40, 50, key="x"),
        op(1, "read", 2, 60, 70, key="x"),
    )


def test_the_page_loads_nothing_and_holds_every_operation():
    page = Page(render_page(valid_history(), [RegisterChecker().check(valid_history())], "h"))
    assert page.loads == []
    assert "canvas" in page.tags
    data = orjson.loads(page.scripts[0])
    assert len(data["rows"]) == 4
    assert data["keys"] == ["x"]


def test_the_order_found_is_a_linearization_within_the_bars():
    drawing = lay_out(valid_history(), [RegisterChecker().check(valid_history())])
    placed = sorted((row for row in drawing.rows if row[ORDER] >= 0), key=lambda row: row[ORDER])
    assert [row[TEXT] for row in placed] == ["write x 1", "read x -> 1", "write x 2", "read x -> 2"]
    assert all(row[CALL] <= row[POINT] and (row[RETURN] < 0 or row[POINT] <= row[RETURN]) for row in placed)
    assert [row[POINT] for row in placed] == sorted(row[POINT] for row in placed)


def test_what_cannot_be_reconciled_is_marked_and_the_break_has_its_time():
    result = RegisterChecker().check(broken_history())
    assert result.valid is Valid.NO
    drawing = lay_out(broken_history(), [result])
    marked = {row[TEXT] for row in drawing.rows if row[FLAGS] & 1}
    assert "read x -> 1" in marked
    assert "read x -> 2" not in marked
    assert drawing.break_ns is not None
    assert 30 <= drawing.break_ns <= 50
    assert [row[TEXT] for row in drawing.rows if row[FLAGS] & 2] == ["read x -> 1"]


def test_nothing_in_a_value_can_leave_its_place():
    evil = '</script><script>alert(1)</script>@@DATA@@<img src="x">\u2028'
    text = render_page(history(op(0, "write", evil, 0, 1, key=evil)), [Result(Valid.YES, evil, evil)], evil)
    page = Page(text)
    assert len(page.scripts) == 2
    assert "img" not in page.tags
    assert orjson.loads(page.scripts[0])["keys"] == [evil]
    assert "<" not in embedded_json({"a": evil})


def test_of_a_very_long_history_the_part_around_the_break_is_drawn():
    operations = [op(0, "write", n, 10 * n, 10 * n + 5, key="x") for n in range(MAX_OPERATIONS + 30_000)]
    bad = operations[70_000]
    found = Counterexample((bad,), "it is wrong", "x", bad.return_ns)
    drawing = lay_out(history(*operations), [Result(Valid.NO, "set-full", "wrong", {}, found)])
    assert len(drawing.rows) == MAX_OPERATIONS
    assert drawing.left_out == 30_000
    assert sum(row[FLAGS] for row in drawing.rows) == 1
    assert "30000 of 80000 operations are left out" in drawing.notes[0]


@pytest.mark.parametrize(
    "operations", [[], [op(0, "txn", [["r", "x", [1]]], 0, 1)], [op(0, "?", {"a": [1]}, 5, 3, key=["k"])]]
)
def test_odd_histories_are_drawn_all_the_same(operations):
    results = [Result(Valid.UNKNOWN, "register", "nothing is known")]
    assert len(orjson.loads(Page(render_page(history(*operations), results)).scripts[0])["rows"]) == len(operations)


def test_a_page_that_cannot_be_written_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="--html"):
        write_page(history(), [], tmp_path / "missing" / "page.html")
    write_page(history(), [], tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here to draw the page")
def test_a_browser_draws_ten_thousand_operations(tmp_path):
    operations = []
    for number in range(10_000):
        operations.append(op(number % 10, "write", number, 100 * number, 100 * number + 950, key=f"k{number % 5}"))
    target = tmp_path / "page.html"
    write_page(history(*operations), [], target)
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", f"{target.as_uri()}#frames"], capture_output=True, text=True, timeout=120, check=False
    )
    assert re.search(r'data-frames="median [0-9.]+ ms', done.stdout), done.stderr[-2000:]
