"""Each test marked ``net`` runs in a sandbox of its own, as whoever runs pytest; the others run where pytest runs."""

import os
import sys

import pytest
from _pytest.runner import runtestprotocol

from setup import sandbox, sandbox_init


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if item.get_closest_marker("net") is None or sandbox.inside():
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _in_a_sandbox(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _in_a_sandbox(item):
    """The reports of one test that ran in a forked process, sent back through a pipe."""
    import json

    reading, writing = os.pipe()

    def body():
        os.close(reading)
        reports = runtestprotocol(item, log=False, nextitem=None)
        data = [item.config.hook.pytest_report_to_serializable(config=item.config, report=one) for one in reports]
        with os.fdopen(writing, "w") as pipe:
            json.dump(data, pipe, default=str)

    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os._exit(sandbox_init.run(body))
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not text:
        words = f"the sandbox of this test ended with status {status} before it reported"
        return [pytest.TestReport(item.nodeid, item.location, {}, "failed", words, "call")]
    hook = item.config.hook.pytest_report_from_serializable
    return [hook(config=item.config, data=one) for one in json.loads(text)]
