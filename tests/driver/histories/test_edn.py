"""Clojure's notation."""

import pytest

from raftmon.driver.histories.edn import EdnError, forms


def values(text, **options):
    return [value for _, value in forms(text, **options)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("nil", None),
        ("true", True),
        (":timed-out", "timed-out"),
        ("-3N", -3),
        ("1.5e3M", 1500.0),
        ('"a\\n\\"\\u0041"', 'a\n"A'),
        ("\\newline", "\n"),
        ("\\a", "a"),
        ("1/2", "1/2"),
        ("[1 [2, 3] ()]", [1, [2, 3], []]),
        ("#{1}", [1]),
        ('{:a 1, "b" nil, 3 4}', {"a": 1, "b": None, "3": 4}),
        ('#inst "2024-01-01"', "2024-01-01"),
        ("#jepsen.history.Op{:a nil}", {"a": None}),
        ("[1 #_ {:x [2]} 3] ; remark", [1, 3]),
        ("#_1 #_2 3", 3),
    ],
)
def test_a_form_is_read(text, value):
    assert values(text) == [value]


def test_vectors_at_the_top_can_be_taken_apart():
    assert values("[{:a 1} {:b [2]}]", flatten=True) == [{"a": 1}, {"b": [2]}]
    assert values("{:a 1} {:b [2]}", flatten=True) == [{"a": 1}, {"b": [2]}]


@pytest.mark.parametrize(("text", "cut"), [("{:a", True), ('"abc', True), ("(1", True), ("]", False), ("[1}", False)])
def test_what_is_no_edn_is_told_with_its_place(text, cut):
    with pytest.raises(EdnError) as caught:
        values(text)
    assert caught.value.cut is cut
    assert 0 <= caught.value.position < len(text)


def test_what_came_before_an_error_is_given():
    found = []
    with pytest.raises(EdnError):
        found.extend(value for _, value in forms("{:a 1} {:b") if found.append(value) is None)
    assert found[0] == {"a": 1}


def test_surrogates_are_joined_and_a_lone_one_is_replaced():
    assert values('"\\ud83d\\ude00" "\\ud800x" \\ud800') == ["\U0001f600", "\ufffdx", "\ufffd"]
