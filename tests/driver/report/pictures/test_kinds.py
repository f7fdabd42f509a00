"""A picture for each kind of check shows what the checker found, and nothing of the run can leave its text."""

import re
import xml.etree.ElementTree as ET

import pytest

from raftmon.driver.checkers.base import Valid
from raftmon.driver.report.pictures.kinds import picture
from tests.driver.checkers.making import history, op
from tests.driver.report.pictures.broken import BROKEN, MS

HOSTILE = '<img src=x onerror="a()"></svg><script>b()</script>\'"&'
SVG = "{http://www.w3.org/2000/svg}"


def drawn(kind, text="k"):
    made, checker = BROKEN[kind](text)
    result = checker.check(made)
    assert result.valid is Valid.NO, result.sentence
    return picture(result.as_json(), made)


def elements(text):
    """The picture as XML: it must be well-formed."""
    return ET.fromstring(f"<div>{text}</div>")


def classes(text):
    return [one.get("class") for one in elements(text).iter() if one.get("class")]


@pytest.mark.parametrize("kind", BROKEN)
def test_each_kind_has_a_well_formed_picture_with_a_name(kind):
    root = elements(drawn(kind))
    assert [one.get("role") for one in root.iter("svg")] == ["img"]
    assert all(one.get("aria-label") for one in root.iter("svg"))


@pytest.mark.parametrize("kind", BROKEN)
def test_hostile_names_stay_text(kind):
    root = elements(drawn(kind, HOSTILE))
    assert {one.tag for one in root.iter()} & {"img", "script"} == set()
    assert HOSTILE[:9] in "".join(root.itertext())


def test_a_lost_element_has_a_cross_at_each_read_that_lacks_it():
    text = drawn("sets")
    assert "k3: lost" in text
    assert "k6: stale" in text
    rows = text.split('class="name">k')
    assert rows[1].count('class="bad"') == 8  # reads 13 to 20
    assert rows[2].count('class="bad"') == 4  # reads 10 to 13; then it is back


def test_a_skipped_revision_is_crossed_on_the_watch_that_missed_it():
    text = drawn("watches")
    assert classes(text).count("bad") == 1
    assert "missing: the put of k at revision 14 never came" in text
    assert classes(text).count("line wrong") == 1


def test_the_watches_of_the_workload_kubernetes_are_drawn_too():
    told = [{"revision": n, "events": [{"type": "put", "key": "a", "value": n, "mod": n}]} for n in (3, 4, 6)]
    made = history(op(0, "observe", told, 0, 9 * MS, start_revision=3), op(1, "update", 1, MS, 2 * MS, revision=4))
    text = picture({"checker": "kubernetes", "details": {"examples": []}}, made)
    assert classes(text).count("line median") == 1
    assert classes(text).count("dot") == 1


def test_two_holders_are_one_red_band():
    text = drawn("locks")
    assert classes(text).count("fault") == 1
    assert classes(text).count("wrong") == 2
    band = next(one for one in elements(text).iter("rect") if one.get("class") == "fault")
    bars = [one for one in elements(text).iter("rect") if one.get("class") == "wrong"]
    second = max(bars, key=lambda one: float(one.get("x")))
    assert float(band.get("x")) == float(second.get("x"))


def test_a_read_against_the_promise_is_crossed():
    text = drawn("leases")
    assert classes(text).count("yes") == 1
    assert classes(text).count("bad") >= 1


def test_a_cycle_has_its_transactions_and_an_arrow_for_each_step():
    text = drawn("transactions")
    assert classes(text).count("box") == 2
    assert [one for one in classes(text) if one.startswith("edge")] == ["edge rw", "edge rw"]
    assert "T1 before T2 before T1" in text or "T2 before T1 before T2" in text


@pytest.mark.parametrize("name", ["set-full", "watch", "lock", "lease", "list-append", "register", "x"])
@pytest.mark.parametrize("details", [None, [], {"examples": 3}, {"examples": [{"cycle": {"edges": [[0, 9, 1]]}}, 4]}])
def test_odd_results_draw_nothing_and_raise_nothing(name, details):
    odd = history(
        op(0, "add", [1], 0, 1), op(0, "read", 5, 2, 3), op(1, "watch", {"a": 1}, 3, None), op(1, "grant", "x", 5, 6)
    )
    for one in (odd, history(), None):
        text = picture({"checker": name, "details": details}, one)
        assert not re.search("<script|<img", text)
        elements(text)


def test_a_long_history_of_locks_is_drawn_around_the_first_overlap():
    operations = []
    for n in range(1000):
        operations.append(op(n % 4, "acquire", n, 10 * n * MS, 10 * n * MS + MS, key="l"))
        late = 12 if n == 700 else 5
        operations.append(op(n % 4, "release", None, (10 * n + late) * MS, (10 * n + late + 1) * MS, key="l"))
    made = history(*operations)
    result = BROKEN["locks"]()[1].check(made)
    text = picture(result.as_json(), made)
    assert "1000 times held, 300 of them drawn" in text
    assert classes(text).count("wrong") == 2
