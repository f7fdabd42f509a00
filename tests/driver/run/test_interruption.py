from __future__ import annotations

import os
import signal
import threading

import pytest

from raftmon.driver.run.interruption import EXIT_INTERRUPTED, Interruption


class Told:
    """What was given up, and with which status the process ended."""

    def __init__(self) -> None:
        self.why: list[str] = []
        self.status: int | None = None
        self.ended = threading.Event()

    def leave(self, status: int) -> None:
        self.status = status
        self.ended.set()


@pytest.fixture(autouse=True)
def as_in_a_run():
    """Every signal raises KeyboardInterrupt, SIGHUP is ignored as under nohup."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_first_signal_interrupts_and_the_second_gives_up():
    told = Told()
    with Interruption(told.why.append, leave=told.leave):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert told.status is None
        os.kill(os.getpid(), signal.SIGINT)
        assert told.why == ["a second SIGINT"]
        assert told.status == EXIT_INTERRUPTED
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler


def test_a_run_that_does_not_end_in_time_is_given_up():
    told = Told()
    with Interruption(told.why.append, end_s=0.01, leave=told.leave):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert told.ended.wait(30)
    assert told.why == ["it did not end within 0.01 s"]


def test_the_process_ends_even_where_nothing_can_be_saved():
    told = Told()

    def full_disk(_why: str) -> None:
        raise OSError("no space left")

    with Interruption(full_disk, leave=told.leave):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(OSError, match="no space"):
            os.kill(os.getpid(), signal.SIGINT)
    assert told.status == EXIT_INTERRUPTED


def test_a_run_that_ended_is_not_given_up_and_an_ignored_signal_stays_so():
    told = Told()
    with Interruption(told.why.append, end_s=0.05, leave=told.leave):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert not told.ended.wait(0.2)
