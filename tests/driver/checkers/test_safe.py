"""Whatever a checker does, there is a result, and the others go on."""

import os
import signal
import sys
import time

import psutil
import pytest

from raftmon.driver.checkers.base import Result, Valid, combine
from raftmon.driver.checkers.safe import check_safely
from raftmon.driver.checkers.search.linearizable import Linearizable
from raftmon.driver.checkers.search.models import Counter
from raftmon.driver.histories.model import History
from tests.driver.checkers.making import history, op


class Does:
    """A checker that does one thing."""

    name = "odd"

    def __init__(self, deed):
        self._deed = deed

    def check(self, history):
        return self._deed(history) or Result(Valid.YES, self.name, "valid: did it")


def fail(_history):
    raise KeyError("k")


def exit_now(_history):
    sys.exit(3)


def die(_history):
    os.kill(os.getpid(), signal.SIGKILL)


def vanish(_history):
    os._exit(0)


def devour(_history):
    return bytearray(10**9)


def recurse(history):
    return recurse(history)


def give_nonsense(_history):
    return "fine"


def give_what_cannot_be_sent(_history):
    return Result(Valid.YES, "odd", "valid", {"f": lambda: 0})


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        (fail, "KeyError"),
        (exit_now, "SystemExit"),
        (die, "SIGKILL"),
        (vanish, "ended without a result"),
        (devour, "ran out of memory"),
        (recurse, "RecursionError"),
        (give_nonsense, "gave no result"),
        (give_what_cannot_be_sent, "cannot be sent"),
    ],
)
def test_a_checker_that_misbehaves_is_unknown_and_says_why(deed, words):
    result = check_safely(Does(deed), History([]), timeout_s=30, memory_mb=200)
    assert result.valid is Valid.UNKNOWN
    assert words in result.sentence


def test_a_checker_that_never_ends_is_stopped():
    result = check_safely(Does(lambda _: signal.pause()), History([]), timeout_s=0.2)
    assert result.valid is Valid.UNKNOWN
    assert "was not done after 0.2 s" in result.sentence


def test_a_checker_that_never_ends_leaves_no_process():
    before = set(psutil.Process().children())  # other tests of this process have theirs (multiprocessing's tracker)
    check_safely(Does(lambda _: signal.pause()), History([]), timeout_s=0.1)
    assert set(psutil.Process().children()) <= before


def test_what_a_checker_changes_stays_in_its_child():
    judged = history(op(0, "write", 1, 0, 1))
    check_safely(Does(lambda h: h.operations.clear()), judged)
    assert len(judged.operations) == 1


def test_the_result_and_the_time_it_took_come_back():
    result = check_safely(Does(lambda _: None), History([]))
    assert result.valid is Valid.YES
    assert result.sentence == "valid: did it (0 operations judged, 0 indefinite, 0 passed over)"
    assert result.seconds > 0


def test_a_search_that_runs_out_of_time_still_tells_the_longest_beginning():
    operations = [op(n, "add", 3**n, 0, 1000) for n in range(30)] + [op(99, "read", 2, 2000, 2001)]
    result = check_safely(Linearizable(Counter()), history(*operations), timeout_s=0.5)
    assert result.valid is Valid.UNKNOWN
    assert len(result.details["longest_prefix"]) == 30


def test_limits_are_honoured_within_a_twentieth():
    operations = [op(n, "add", 3**n, 0, 1000) for n in range(40)] + [op(99, "read", 2, 2000, 2001)]
    judged = history(*operations)
    start = time.perf_counter()
    result = check_safely(Linearizable(Counter()), judged, timeout_s=3.0)
    assert result.valid is Valid.UNKNOWN
    assert time.perf_counter() - start < 3.0 * 1.05


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ([], Valid.UNKNOWN),
        ([("a", Valid.YES)], Valid.YES),
        ([("a", Valid.YES), ("b", Valid.UNKNOWN)], Valid.UNKNOWN),
        ([("a", Valid.UNKNOWN), ("b", Valid.NO)], Valid.NO),
        ([("assumptions", Valid.UNKNOWN), ("b", Valid.NO)], Valid.UNKNOWN),
        ([("assumptions", Valid.YES), ("b", Valid.NO)], Valid.NO),
        ([("assumptions", Valid.YES)], Valid.UNKNOWN),
    ],
)
def test_results_combine(words, verdict):
    assert combine(Result(valid, name, "") for name, valid in words) is verdict
