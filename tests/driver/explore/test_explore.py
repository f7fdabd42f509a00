"""An exploration on clusters whose answers are known: it keeps what is new, changes clusters when one is odd, and
tries every violation again.
"""

import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from raftmon.driver.explore.corpus import Corpus
from raftmon.driver.explore.explore import Explorer, possible_pool
from raftmon.driver.explore.schedules import Drawer
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run_folder import RESULTS, RunFolder
from raftmon.setup.errors import InputError, RaftmonError

POOL = [("halves", {}), ("kill-leader", {}), ("pause-all", {})]


class Cluster:
    """States are the faults' names and how many there are; ``broken`` faults together break it."""

    made = 0

    def __init__(self, broken: frozenset[str] = frozenset(), odd_every: int = 0, gone_at: int = 0) -> None:
        self.broken, self.odd_every, self.gone_at, self.closed = broken, odd_every, gone_at, False

    def play(self, number: int, faults: tuple[Any, ...]) -> dict[str, Any]:
        assert not self.closed
        if number == self.gone_at:
            raise RaftmonError("it is gone\nand more")
        names = {fault.name for fault in faults}
        failing = {"register": "invalid: stale"} if self.broken and self.broken <= names else {}
        odd = "n1 ended by itself" if self.odd_every and number % self.odd_every == 0 else None
        return {"failing": failing, "states": [*names, str(len(faults))], "odd": odd, "faults": [], "folder": None}

    def close(self) -> None:
        self.closed = True


def explorer(tmp_path: Path, once: Any = None, **cluster: Any) -> tuple[Explorer, list[Cluster], list[str]]:
    started: list[Cluster] = []
    said: list[str] = []

    def start() -> Cluster:
        started.append(Cluster(**cluster))
        return started[-1]

    made = Explorer(
        RunConfig(system="memory", seed="s"), Corpus.open(tmp_path / "c", 3.0), Drawer(POOL, 3.0, Random(1)),
        tmp_path, start, said.append, once=once or (lambda *_args, **_kw: {"results": None}),
    )  # fmt: skip
    return made, started, said


def test_new_states_are_kept_and_known_ones_are_not_counted_again(tmp_path: Path) -> None:
    made, started, said = explorer(tmp_path)
    result = made.explore(0.005)
    assert result.trials > 5
    assert result.clusters == len(started) == 1
    assert started[0].closed
    assert result.states == result.new <= len(POOL) + 4
    again, *_ = explorer(tmp_path)
    assert len(again.corpus.states) == result.states
    assert [one.schedule for one in again.corpus.kept] == [one.schedule for one in made.corpus.kept]
    assert again.explore(0.005).new <= 7 - result.states
    assert any("new" in line for line in said)


def test_an_odd_cluster_or_one_that_is_gone_is_replaced(tmp_path: Path) -> None:
    made, started, said = explorer(tmp_path, odd_every=3, gone_at=4)
    result = made.explore(0.005)
    assert len(started) == result.clusters > 2
    assert all(one.closed for one in started)
    assert any("a fresh cluster: it is gone" in line for line in said)


def test_a_violation_is_kept_tried_again_and_ends_it(tmp_path: Path) -> None:
    tried: list[tuple[str, ...]] = []

    def once(options: tuple[str, ...], store: Path, *, timeout_s: float) -> dict[str, Any]:
        tried.append(tuple(options))
        failed = len(tried) % 2 == 0
        folder = RunFolder.create(store, "again")
        checkers = {"register": {"valid": "invalid"}} if failed else {}
        return {"results": {"checkers": checkers}, "path": str(folder.path)}

    made, _, _ = explorer(tmp_path, once, broken=frozenset({"halves", "kill-leader"}))
    (found,) = made.explore(1.0).found
    assert "halves" in found.schedule
    assert "kill-leader" in found.schedule
    assert (found.again, found.of) == (2, 5)
    assert len({options[options.index("--seed") + 1] for options in tried}) == 5
    assert all(found.schedule in options for options in tried)
    assert RunFolder(Path(found.path)).is_run
    assert sum(path.is_dir() for path in (tmp_path / "again").iterdir()) == 2  # those that did not fail are gone


def test_one_that_never_fails_again_is_still_a_run_that_can_be_looked_at(tmp_path: Path) -> None:
    made, _, _ = explorer(tmp_path, broken=frozenset({"halves"}))
    (found,) = made.explore(1.0).found
    assert found.again == 0
    results = RunFolder(Path(found.path)).load(RESULTS)
    assert results["valid"] == "invalid"
    assert results["config"]["faults"] == found.schedule


def test_it_goes_on_where_it_is_told_to(tmp_path: Path) -> None:
    made, _, _ = explorer(tmp_path, broken=frozenset({"halves"}))
    made.go_on = True
    result = made.explore(0.005)
    assert len(result.found) == 1  # of its kind
    assert result.trials > 5


def test_the_pool_is_what_the_cluster_can_do() -> None:
    config = RunConfig(server=sys.executable, nodes=2)
    names = {name for name, _ in possible_pool(config)}
    assert "halves" in names
    assert "bridge" not in names  # it needs three nodes
    assert possible_pool(config, ("slow-links(delay=7ms)",)) == [("slow-links", {"delay": "7ms"})]
    with pytest.raises(InputError, match="bridge"):
        possible_pool(config, ("bridge",))
    with pytest.raises(InputError, match="unknown fault"):
        possible_pool(replace(config, nodes=3), ("no-such-fault",))
