"""Sweeps and explorations of a store as pages: verdicts by combination, curves, violations; hostile texts stay text."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from raftmon.driver.campaign.ledger import Ledger
from raftmon.driver.campaign.matrix import Cell
from raftmon.driver.explore.corpus import Corpus
from raftmon.driver.explore.schedules import Schedule
from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.serve.campaigns import campaigns, exploration, sweep_table
from raftmon.driver.serve.curves import Chart, Series
from raftmon.setup.errors import InputError
from tests.driver.serve.test_app import HOSTILE, client

ROW = {"exit_status": 0, "seconds": 1.0, "ok": 5, "fail": 1, "info": 0, "p50_ms": 1.0, "terms": 0, "disturbed": False}


def swept(store: Path, name: str = "nightly", runs: int = 8) -> Path:
    """A sweep of two faults; every fourth run is invalid, one has no figures."""
    folder = store / name
    folder.mkdir(parents=True)
    ledger = Ledger(folder / "ledger.sqlite")
    for number in range(runs):
        fault = HOSTILE if number % 2 else "none"
        cell = Cell(number, "etcd", "register", fault, "simple", 3, f"seed {number}", ())
        word = "invalid" if number % 4 == 3 else "valid"
        found = {**ROW, "verdict": word, "sentence": HOSTILE, "path": f"/elsewhere/a/{number}"}
        if number:
            found |= {"p99_ms": 9.5 + number, "outage_ms": 100.0 * number}
        ledger.add(cell, found)
    ledger.close()
    return folder


def explored(store: Path, name: str = "explore-etcd-register") -> Path:
    """Two explorations, one after the other; the second found a violation in its third trial."""
    for times in (3, 4):
        corpus = Corpus.open(store / name, 2.0)
        for trial in range(times):
            schedule = Schedule((PlannedFault(HOSTILE, 0.1, 0.5 + trial),), 2.0)
            failing = "register" if times == 4 and trial == 2 else ""
            corpus.add(schedule, {f"{times}-{trial}-{n}" for n in range(trial + 1)}, 5.0 * trial + 5, failing)
    return store / name


def test_sweeps_and_explorations_are_found_the_latest_first(tmp_path: Path) -> None:
    swept(tmp_path)
    explored(tmp_path)
    (tmp_path / "a-run" / "2026").mkdir(parents=True)
    assert {(one.name, one.kind) for one in campaigns(tmp_path)} == {
        ("nightly", "sweep"),
        ("explore-etcd-register", "exploration"),
    }
    assert campaigns(tmp_path / "missing") == []


def test_a_sweep_is_a_table_of_verdicts_and_curves(tmp_path: Path) -> None:
    swept(tmp_path)
    page = client(tmp_path).get("/campaign/nightly").text
    assert "✓ 6 valid, ✗ 2 invalid" in page
    assert page.count("<figure>") == 3
    assert page.count('role="img"') == 3
    assert "<script>document" not in page
    assert page.count("seed ") == 2  # those that are not valid are listed


def test_a_figure_that_a_run_lacks_is_no_dot(tmp_path: Path) -> None:
    rows = sweep_table(swept(tmp_path)).rows
    assert [row["outage_ms"] for row in rows][:2] == [None, 100.0]
    text = client(tmp_path).get("/campaign/nightly").text
    assert (
        text.split("<figcaption>Longest outage")[1].split("</figure>")[0].count("<circle") == 5
    )  # valid ones that have a figure


def test_an_exploration_has_a_curve_each_time_and_its_violations(tmp_path: Path) -> None:
    found = exploration(explored(tmp_path))
    assert [len(one) for one in found.trials] == [3, 4]
    page = client(tmp_path).get("/campaign/explore-etcd-register").text
    assert "7 trials, 16 states, 1 violations" in page
    assert "exploration 2" in page
    assert "<script>document" not in page


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e", "a-run"])
def test_what_is_no_campaign_is_not_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "a-run").mkdir()
    assert client(tmp_path).get(f"/campaign/{name}").status_code == 404 or name == ".."


def test_broken_files_are_answered_in_words(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "ledger.sqlite").write_bytes(b"no database at all" * 100)
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "curve.csv").write_bytes(b'trial,seconds,states,new,failing,schedule\n1,2.0,3,3,,"a"\n2,\xff')
    with pytest.raises(InputError, match="cannot be read"):
        sweep_table(tmp_path / "bad")
    assert "cannot be read" in client(tmp_path).get("/campaign/bad").text
    assert len(exploration(tmp_path / "torn").trials[0]) == 1


def test_a_chart_is_well_formed_whatever_its_names_and_values_are() -> None:
    points = [(0.0, 0.0, HOSTILE), (3.0, 7.5, HOSTILE)]
    kinds = [Series(HOSTILE, kind, points) for kind in ("line", "dot", "cross", "ring")]
    root = ET.fromstring(Chart(HOSTILE, HOSTILE, HOSTILE, kinds).svg())
    assert len(list(root.iter("circle"))) == 4
    assert Chart("a", "b", "c", [Series("x", "dot", [(0.0, 0.0, "")])]).svg()
    assert Chart("a", "b", "c", []).svg() == ""
