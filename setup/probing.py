"""Trying probes: each in a throw-away child process, or several in one sandbox; what came of it in one line."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from raftmon.setup import sandbox_init

__all__ = ["Answer", "Probe", "ask", "ask_in_sandbox"]

_LONGEST_PROBE_S = 30.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to try. An ``essential`` one must work for any run."""

    name: str
    do: Callable[[], str]
    essential: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a probe: a line if it worked, else the error and its errno (0 if it had none)."""

    works: bool
    words: str
    errno: int = 0


def _try(do: Callable[[], str]) -> Answer:
    try:
        return Answer(True, do())
    except OSError as error:
        return Answer(False, error.strerror or str(error), error.errno or 0)
    except Exception as error:  # a probe that breaks is an answer too
        cause = error.__cause__
        return Answer(False, str(error), (cause.errno or 0) if isinstance(cause, OSError) else 0)


def _answers(run: Callable[[Callable[[Answer], None]], object], count: int) -> list[Answer]:
    """Fork; ``run(send)`` in the child sends up to ``count`` answers, of which those that came are returned."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the answers say it better
            run(lambda answer: _send(writing, answer))
        finally:
            os._exit(0)
    os.close(writing)
    got = b""
    deadline = time.monotonic() + _LONGEST_PROBE_S
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        while got.count(b"\n") < count and selector.select(max(0.0, deadline - time.monotonic())):
            if not (data := os.read(reading, 65536)):
                break
            got += data
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return [Answer(*json.loads(line)) for line in got.splitlines()]


def _send(pipe: int, answer: Answer) -> None:
    os.write(pipe, json.dumps([answer.works, answer.words, answer.errno]).encode() + b"\n")


def ask(probe: Probe) -> Answer:
    """Try a probe in a child process: it may change its namespaces as it likes."""
    answers = _answers(lambda send: send(_try(probe.do)), 1)
    return answers[0] if answers else Answer(False, "it gave no answer in time")


def ask_in_sandbox(probes: Sequence[Probe]) -> list[Answer]:
    """Try probes one after another in one new sandbox; as many answers as it lived to give."""

    def run(send: Callable[[Answer], None]) -> None:
        def body() -> None:
            for probe in probes:
                send(_try(probe.do))

        sandbox_init.run(body)

    return _answers(run, len(probes))
