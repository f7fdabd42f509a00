from __future__ import annotations

import signal
from typing import Any

import orjson
import pytest

from raftmon.driver.cli.run import end_as_by_ctrl_c
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run.phases import run


class Interrupting:
    """A progress during whose ``at`` the user presses Ctrl-C, once."""

    def __init__(self, at: str) -> None:
        self._at = at

    def _maybe(self, here: str) -> None:
        if here == self._at:
            self._at = ""
            raise KeyboardInterrupt

    def phase(self, text: str) -> None:
        self._maybe(text)

    def event(self, text: str) -> None: ...
    def began(self, begin_ns: int) -> None: ...

    def work(self, done_s: float, whole_s: float, stats: dict[str, Any]) -> None:
        self._maybe("work")


CONFIG = RunConfig(system="memory", duration_s=5.0, faults="none", seed="1")


def test_an_interrupted_run_ends_early_and_is_never_valid(tmp_path):
    folder, results = run(CONFIG, tmp_path, Interrupting("work"))
    assert results.facts.interrupted is True
    assert results.valid.value == "unknown"
    assert any("interrupted" in reason for reason in results.reasons)
    assert results.facts.ended_ns - results.facts.began_ns < 4e9
    assert orjson.loads((folder.path / "results.json").read_bytes())["interrupted"] is True


@pytest.mark.parametrize("phase", ["connecting clients", "working", "taking the cluster down"])
def test_a_run_that_is_interrupted_around_its_work_keeps_results_that_say_so(tmp_path, phase):
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, tmp_path, Interrupting(phase))
    (path,) = tmp_path.glob("*/*/results.json")
    found = orjson.loads(path.read_bytes())
    assert (found["valid"], found["interrupted"], found["error"]) == ("unknown", True, "KeyboardInterrupt")


def test_sigterm_and_sighup_end_a_run_as_ctrl_c_does_but_nohup_holds():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        end_as_by_ctrl_c()
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
