"""Runs single pytest tests in their own sandbox, as whoever runs pytest.

A test that needs namespaces is run in a forked process inside a new sandbox, and its reports are sent back through a
pipe; everything else runs where pytest runs. What a test leaves behind dies with its sandbox.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from _pytest.runner import runtestprotocol

from raftmon.setup import sandbox, sandbox_init

__all__ = ["needs_sandbox", "run_in_sandbox"]

FIXTURES = frozenset({"cluster", "monitor", "clients", "history"})
"""A test that asks for one of raftmon's fixtures runs in a sandbox."""


def needs_sandbox(item: pytest.Item) -> bool:
    """Whether the test is marked ``net`` or uses raftmon's fixtures, and does not run in a sandbox already."""
    if sandbox.inside():
        return False
    return item.get_closest_marker("net") is not None or not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def run_in_sandbox(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Run one test, setup and teardown included, and report it as pytest does."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    # Here, outside, the test before it may have left its module set up for this one; nobody else tears that down.
    item.session._setupstate.teardown_exact(nextitem)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _reports(item: pytest.Item) -> Iterable[Any]:
    reading, writing = os.pipe()

    def body() -> None:
        os.close(reading)
        reports = runtestprotocol(item, log=False, nextitem=None)
        data = [item.config.hook.pytest_report_to_serializable(config=item.config, report=one) for one in reports]
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(orjson.dumps(data, default=str))

    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os._exit(sandbox_init.run(body))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not data:
        words = f"the sandbox of this test ended with status {status} before it reported"
        return [pytest.TestReport(item.nodeid, item.location, {}, "failed", words, "call")]
    back = item.config.hook.pytest_report_from_serializable
    reports = [back(config=item.config, data=one) for one in orjson.loads(data)]
    for report in reports:
        if isinstance(report.longrepr, list):  # a skip's (path, line, reason): pytest wants the tuple that JSON has not
            report.longrepr = tuple(report.longrepr)
    return reports
