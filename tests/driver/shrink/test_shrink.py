"""A whole shrink with runs whose outcome is known: what is left, what the file does, what is said where it fails."""

import sys
from pathlib import Path
from typing import Any

import pytest

from raftmon.driver.cli.run import config_of, parser
from raftmon.driver.reproduce.loading import load_scenario
from raftmon.driver.reproduce.rounds import Reproduced, Side
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run_folder import RESULTS, RunFolder
from raftmon.driver.shrink import shrink as module
from raftmon.driver.shrink.oracle import Oracle, failing_checkers
from raftmon.driver.shrink.scenario_file import scenario_text
from raftmon.driver.shrink.shrink import recorded_faults, shrink
from raftmon.setup.errors import InputError

INVALID = {"set": {"checker": "set", "valid": "invalid", "sentence": "invalid: 3 elements are lost"}}


def fault(name: str, start_s: float, nodes: list[str], **options: str) -> dict[str, Any]:
    return {
        "name": name, "options": options, "start_ns": round(start_s * 1e9), "stop_ns": round((start_s + 1) * 1e9),
        "did": "done", "nodes": nodes, "when": None,
    }  # fmt: skip


FAULTS = [
    fault("halves", 2, ["n1", "n2", "n3"]),
    fault("kill-one", 5, ["n2"]),
    fault("power-cut", 9, ["n3"], node="one"),
]
PLANNED = "halves@2s..3s,kill-n2@5s..6s,power-cut(node=one)@9s..10s"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder.create(tmp_path / "store", "x")
    made.save(RESULTS, {"valid": "invalid", "checkers": INVALID, "faults": FAULTS, "began_ns": 0})
    return made


class Runs:
    """A system that fails where ``needs`` are all in the schedule."""

    def __init__(self, *needs: str) -> None:
        self.needs, self.seen = needs, []

    def __call__(self, options: tuple[str, ...], store: Path, *, timeout_s: float) -> dict[str, Any]:
        config = config_of(parser().parse_args(list(options)))
        self.seen.append(config)
        failed = all(word in config.faults for word in self.needs)
        return {"results": {"checkers": INVALID if failed else {}}, "path": None}


def shrunk(folder: RunFolder, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **config: Any) -> Any:
    def played(loaded, affected, control, repeat, *_: object) -> Reproduced:
        return Reproduced(loaded.scenario.name, Side(affected, shown=repeat - 1, of=repeat), None)

    monkeypatch.setattr(module, "reproduce", played)
    oracle = Oracle(frozenset({"set"}), tmp_path, lambda _text: None, runs)
    given = {"workload": "set", "duration_s": 12.0, "seed": "7", "server": sys.executable, "faults": PLANNED, **config}
    return shrink(
        folder,
        RunConfig(**given),
        store=tmp_path,
        target=tmp_path / "s.py",
        minutes=5,
        trials=5,
        say=lambda _text: None,
        oracle=oracle,
    )


def test_only_the_fault_that_is_needed_is_left_and_the_file_does_it(folder, tmp_path, monkeypatch) -> None:
    found = shrunk(folder, Runs("power-cut"), tmp_path, monkeypatch)
    assert (found.fails, found.of) == (4, 5)
    assert found.steps == ["1 clients do set for 2.5 s", "power-cut(node=n3)@0.5s..1.5s"]
    loaded = load_scenario(str(tmp_path / "s.py"))
    assert (loaded.scenario.system, loaded.scenario.workload, loaded.scenario.disks) == ("etcd", "set", True)
    calls: list[Any] = []

    class Stage:
        def work_under(self, *arguments: Any, **options: Any) -> None:
            calls.append((arguments, options))

        def broken(self, *checkers: str) -> str:
            return f"broken: {checkers}"

    assert loaded.play(Stage()) == "broken: ('set',)"
    ((schedule, seconds), options) = calls[0]
    assert (schedule, seconds) == ("power-cut(node=n3)@0.5s..1.5s", 2.5)
    assert options["clients"] == 1
    assert [(what, of) for what, _, of in found.curve] == [("no fault", 5), ("power-cut", 5)]


def test_two_faults_that_are_needed_together_both_stay(folder, tmp_path, monkeypatch) -> None:
    found = shrunk(folder, Runs("halves", "kill-n2"), tmp_path, monkeypatch)
    assert [step.split("@")[0] for step in found.steps[1:]] == ["halves", "kill-n2"]


def test_a_run_that_does_not_fail_again_gives_no_scenario(folder, tmp_path, monkeypatch) -> None:
    found = shrunk(folder, Runs("never"), tmp_path, monkeypatch)
    assert found.path is None
    assert "does not fail again" in found.why_not
    assert not (tmp_path / "s.py").exists()


def test_what_a_scenario_has_no_word_for_is_said() -> None:
    with pytest.raises(InputError, match="a rules file"):
        scenario_text(RunConfig(scripts=("a.py",)), [], ["set"], "seen", "run")


def test_a_valid_run_is_refused(folder, tmp_path, monkeypatch) -> None:
    folder.save(RESULTS, {"valid": "valid", "checkers": {}})
    with pytest.raises(InputError, match="only a run that is invalid"):
        shrunk(folder, Runs(), tmp_path, monkeypatch)


def test_faults_are_taken_as_they_were_done() -> None:
    config = RunConfig(duration_s=12.0)
    found = [one for one, _ in recorded_faults(config, {"began_ns": 0, "faults": FAULTS})]
    assert [(one.name, one.start_s, dict(one.options)) for one in found] == [
        ("halves", 2.0, {}),
        ("kill-n2", 5.0, {}),
        ("power-cut", 9.0, {"node": "n3"}),
    ]


def test_availability_never_makes_a_run_fail() -> None:
    checkers = {"availability": {"valid": "valid"}, "wire": {"valid": "invalid"}, "broken": None}
    assert failing_checkers({"checkers": checkers}) == {"wire"}
    assert failing_checkers(None) == frozenset()
