import pytest

from raftmon.adapters.options import Options
from raftmon.setup.errors import InputError


def test_values_come_typed_and_defaults_where_missing():
    given = Options("x", {"n": "3", "half": 0.5, "on": "yes", "list": "a, b,", "more": ["c"]})
    assert given.number("n", 1) == 3
    assert isinstance(given.number("n2", 1), int)
    assert given.number("half", 1) == 0.5
    assert given.flag("on", None) is True
    assert given.flag("off", None) is None
    assert given.words("list") == ("a", "b")
    assert given.words("more") == ("c",)
    assert given.text("t", "d") == "d"
    given.done()


@pytest.mark.parametrize(
    "read",
    [
        lambda given: given.text("o", None),
        lambda given: given.number("o", 1),
        lambda given: given.flag("o", None),
        lambda given: given.words("o"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_system_option_and_value(read):
    with pytest.raises(InputError, match=r"option o of the system x is \{'a': 1\}"):
        read(Options("x", {"o": {"a": 1}}))


def test_a_number_out_of_range_is_told_the_range():
    with pytest.raises(InputError, match="a number from 1 to 10"):
        Options("x", {"n": 11}).number("n", 1, least=1, most=10)


def test_what_was_never_asked_for_is_refused():
    given = Options("x", {"colour": 1})
    given.text("shape", None)
    with pytest.raises(InputError, match="no option 'colour'; it has shape"):
        given.done()
