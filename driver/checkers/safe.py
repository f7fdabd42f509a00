"""Run a checker so that whatever it does, there is a result: one that crashes or goes on for ever says *unknown*.

Every result's sentence ends with how much of the history was understood (``extent.py``), a failure's too.

The checker runs in a forked child, which has the history already and can be stopped whatever it is doing. A checker
that can stop by itself and say what it found so far has a method ``limited(timeout_s, memory_mb) -> Checker``; it is
given a little less than the limits. One of raftmon's own that honours them always, or whose time a small history bounds
(``stops_by_itself``), needs no child where the history is small: in a folder of a thousand histories the children would
take most of the time.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import pickle
import resource
import select
import signal
import sys
import time
import traceback
from dataclasses import replace
from typing import Protocol, runtime_checkable

from raftmon.driver.checkers.base import Checker, Result, Valid
from raftmon.driver.checkers.extent import UNDERSTOOD, extent_of, with_extent
from raftmon.driver.histories.model import History

__all__ = ["MEMORY_MB", "TIMEOUT_S", "Limited", "check_safely"]

TIMEOUT_S = 60.0
MEMORY_MB = 4000.0
_SOFT, _HARD = 0.96, 1.03  # of the limits: where a checker stops by itself, and where it is stopped
_SMALL = 500  # operations
_PR_SET_PDEATHSIG = 1


@runtime_checkable
class Limited(Protocol):
    """A checker that can honour limits by itself and then still tells what it found."""

    def limited(self, timeout_s: float | None, memory_mb: float | None) -> Checker:
        """A copy that stops in time."""


def check_safely(
    checker: Checker, history: History, timeout_s: float | None = TIMEOUT_S, memory_mb: float | None = MEMORY_MB
) -> Result:
    """``checker.check(history)``, or *unknown* with the reason; never raises (but for KeyboardInterrupt).

    ``timeout_s`` bounds the wall time and ``memory_mb`` what the child may take beyond what is there when it starts;
    None is without limit. The result's ``seconds`` is the time it all took.
    """
    start = time.perf_counter()
    result = _checked(checker, history, timeout_s, memory_mb)
    if UNDERSTOOD not in result.details:  # it never came to an end
        with_extent(result, extent_of(history, ()))
    result.sentence = _worded(result)
    return replace(result, seconds=time.perf_counter() - start)


def _worded(result: Result) -> str:
    """The sentence behind the verdict's word, as most begin; availability has a label of its own."""
    word = result.valid.value
    if result.checker == "availability" or result.sentence.lower().startswith(word):
        return result.sentence
    return f"{word}: {result.sentence}"


def _checked(checker: Checker, history: History, timeout_s: float | None, memory_mb: float | None) -> Result:
    if isinstance(checker, Limited):
        checker = checker.limited(
            None if timeout_s is None else timeout_s * _SOFT, None if memory_mb is None else memory_mb * _SOFT
        )
    if getattr(checker, "linear", False):  # one of ours that takes less than a process would
        return _guarded(checker, history)
    try:
        if len(history) <= _SMALL and getattr(checker, "stops_by_itself", False):
            return _guarded(checker, history)  # a process costs more than the check
        return _in_child(checker, history, timeout_s, memory_mb)
    except OSError as error:  # no process to be had: better without limits than without a verdict
        result = _guarded(checker, history)
        result.details["limits"] = f"not enforced: {error.strerror}"
        return result


def unknown(checker: Checker, sentence: str) -> Result:
    """A result that says only why there is none."""
    return Result(Valid.UNKNOWN, checker.name, sentence)


def _guarded(checker: Checker, history: History) -> Result:
    try:
        result = checker.check(history)
        if isinstance(result, Result) and UNDERSTOOD not in result.details:
            functions = getattr(checker, "functions", None)
            with_extent(result, extent_of(history, history.functions() if functions is None else functions))
        return result
    except KeyboardInterrupt:
        raise
    except MemoryError:
        return unknown(checker, f"unknown: the checker {checker.name} ran out of memory")
    except BaseException as error:  # SystemExit from a user's model must not end the others
        result = unknown(checker, f"unknown: the checker {checker.name} failed: {type(error).__name__}: {error}")
        result.details["traceback"] = traceback.format_exc()
        return result


def _in_child(checker: Checker, history: History, timeout_s: float | None, memory_mb: float | None) -> Result:
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            _work(checker, history, memory_mb, writer)
            status = 0
        finally:
            os._exit(status)  # no atexit, no flushing of buffers that are the parent's
    os.close(writer)
    deadline = None if timeout_s is None else time.perf_counter() + timeout_s * _HARD
    finished = False
    try:
        data, finished = _receive(reader, deadline)
    finally:
        os.close(reader)
        if not finished:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if not finished:
        return unknown(checker, f"unknown: the checker {checker.name} was not done after {timeout_s:g} s")
    try:
        result = pickle.loads(data)
    except (pickle.UnpicklingError, EOFError):
        return unknown(checker, f"unknown: the checker {checker.name} {_death(status, memory_mb)}")
    return result if isinstance(result, Result) else unknown(checker, f"unknown: {checker.name} gave no result")


def _death(status: int, memory_mb: float | None) -> str:
    if os.WIFSIGNALED(status):
        return f"was ended by signal {signal.Signals(os.WTERMSIG(status)).name}"
    return "ended without a result" if memory_mb is None else f"ended without a result (limit {memory_mb:g} MB)"


def _work(checker: Checker, history: History, memory_mb: float | None, writer: int) -> None:
    """The child: check, and send the result."""
    gc.freeze()  # a collection that walked the history would copy every page of it
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if memory_mb is not None:
        with open("/proc/self/statm", "rb") as statm:
            there = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        limit = there + int(memory_mb * 1e6)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard == resource.RLIM_INFINITY or limit < hard:
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        result = _guarded(checker, history)
    except KeyboardInterrupt:
        result = unknown(checker, f"unknown: the checker {checker.name} was interrupted")
    try:
        data = pickle.dumps(result)
    except Exception as error:  # a user's own objects in the details
        data = pickle.dumps(unknown(checker, f"unknown: {checker.name} gave a result that cannot be sent: {error}"))
    view = memoryview(data)
    while view:
        view = view[os.write(writer, view) :]


def _receive(reader: int, deadline: float | None) -> tuple[bytes, bool]:
    """All that comes until the end, and whether the end came before the deadline."""
    parts: list[bytes] = []
    poll = select.poll()
    poll.register(reader, select.POLLIN | select.POLLHUP)
    while True:
        wait_ms = None if deadline is None else max(0.0, (deadline - time.perf_counter()) * 1000)
        if not poll.poll(wait_ms):
            return b"".join(parts), False
        part = os.read(reader, 1 << 20)
        if not part:
            return b"".join(parts), True
        parts.append(part)
