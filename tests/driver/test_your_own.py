"""One thing of each kind in a package that raftmon does not know, used from the command line by its entry point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = '''
from raftmon.adapters.pysyncobj import PySyncObjAdapter
from raftmon.checkers import Result, Valid
from raftmon.faults import Effect, FaultKind, FaultOption
from raftmon.topologies import Placement, TopologyKind
from raftmon.workloads import Call, Outcome, WorkloadKind


class TheirSystem(PySyncObjAdapter):
    """A register that they named"""

    name = "their-system"


class Nudge:
    def __init__(self, name, word):
        self.name, self._word = name, word

    def available(self, target):
        return None

    def start(self, target, random):
        return Effect(f"nudged n1 {self._word}", ("n1",))

    def stop(self, target):
        pass


their_fault = FaultKind(Nudge, "a nudge", {"word": FaultOption("gently", "how")}, least_nodes=2)


class Plan:
    def next(self):
        return Call("read", "theirs", None)

    def observe(self, call, outcome, result):
        assert outcome in Outcome


class TheirWorkload:
    name = "their-workload"
    needs = ()

    def __init__(self, *, depth: int = 1):
        self._depth = depth

    def parameters(self):
        return {"depth": self._depth}

    def slot(self, slot, slots, random):
        return Plan()

    def perform(self, client, call):
        return client.read(call.key)


their_workload = WorkloadKind(TheirWorkload, "reads of one key", {"depth": "of nothing"})


class TheirChecker:
    """Whether anything was read"""

    name = "their-checker"

    def check(self, history):
        count = sum(one.f == "read" for one in history.operations)
        return Result(Valid.YES if count else Valid.NO, self.name, f"valid: {count} reads")


def place(topology, quality, argument):
    return Placement(topology, sites={host.name: argument for host in topology.hosts()})


their_topology = TopologyKind(place, "all hosts on one planet", "PLANET")
'''
POINTS = """
[raftmon.systems]
their-system = theirs:TheirSystem
[raftmon.faults]
their-fault = theirs:their_fault
[raftmon.workloads]
their-workload = theirs:their_workload
[raftmon.checkers]
their-checker = theirs:TheirChecker
[raftmon.topologies]
their-topology = theirs:their_topology
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    (folder / "theirs.py").write_text(PACKAGE)
    info = folder / "theirs-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (info / "entry_points.txt").write_text(POINTS)
    return folder


@pytest.fixture(scope="module")
def raftmon(package, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "raftmon.driver.cli", *words],
            env={**os.environ, "PYTHONPATH": str(package)},
            cwd=elsewhere,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("what", "name", "words"),
    [
        ("systems", "their-system", "A register that they named"),
        ("faults", "their-fault", "a nudge"),
        ("workloads", "their-workload", "reads of one key"),
        ("checkers", "their-checker", "Whether anything was read"),
        ("topologies", "their-topology[:PLANET]", "all hosts on one planet"),
    ],
)
def test_each_is_listed(raftmon, what, name, words):
    done = raftmon("list", what)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(name)]
    assert words in line


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--fault", "their-fault(colour=red)"), "--fault their-fault has no option 'colour'; it has word"),
        (("--fault", "their-fault", "--nodes", "1"), "their-fault needs at least 2 nodes; this cluster has 1"),
        (("--workload", "their-workload", "--workload-option", "height=1"), "their-workload has depth"),
        (("--topology", "their-topolgy"), "unknown topology 'their-topolgy': did you mean their-topology?"),
    ],
)
def test_what_is_wrong_with_one_is_said_before_anything_starts(raftmon, words, sentence):
    done = raftmon("run", "--system", "their-system", *words)
    assert done.returncode == 64
    assert sentence in done.stderr


@pytest.fixture(scope="module")
def results(raftmon, tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    done = raftmon(
        "run", "--system", "their-system", "--fault", "their-fault(word=hard)@1s..2s", "--workload", "their-workload",
        "--topology", "their-topology:mars", "--duration", "3", "--store", str(store), "--json",
    )  # fmt: skip
    assert done.stdout, done.stderr
    return json.loads(done.stdout), store, done


@pytest.mark.net
def test_a_run_is_made_of_all_of_them(results):
    found, store, done = results
    assert found["valid"] == "valid", done.stderr
    (run,) = store.glob("*/*/config.json")
    config = json.loads(run.read_text())
    assert config["config"]["system"] == "their-system"
    assert config["workload"] == {"depth": 1}
    assert set(config["sites"].values()) == {"mars"}
    (fault,) = found["faults"]
    assert fault["did"] == "nudged n1 hard"


@pytest.mark.net
def test_their_checker_judges_the_run(results, raftmon):
    _found, store, _done = results
    (run,) = store.glob("*/*/config.json")
    done = raftmon("check", str(run.parent), "--checker", "their-checker")
    assert done.returncode == 0, done.stderr
    assert "their-checker  valid: " in done.stdout


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        ("checkers", "the checker broken of the package broken cannot be loaded: ModuleNotFoundError: "),
        (
            "codecs",
            "the entry point broken = brokenness:Thing of raftmon.codecs cannot be loaded: ModuleNotFoundError: ",
        ),
    ],
)
def test_a_package_that_cannot_be_loaded_is_refused_before_the_run(group, sentence, tmp_path):
    info = tmp_path / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[raftmon.{group}]\nbroken = brokenness:Thing\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "raftmon.driver.cli", "run", "--duration", "1"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 64
    (line,) = done.stderr.splitlines()
    assert sentence in line
    assert line.endswith("or uninstall it")
    assert not (tmp_path / "store").exists()
