"""The keys of results.json, which users' scripts read."""

from __future__ import annotations

from pathlib import Path

from raftmon.driver.checkers.base import Valid
from raftmon.driver.results.facts import FinalReads, LeaderAt, RunFacts
from raftmon.driver.results.results import Results

FACTS = RunFacts(
    began_ns=5,
    ended_ns=9,
    leader_before=LeaderAt("n1", 2),
    health_before=True,
    clients={"ok": 3},
    deaths=["n2 ended by itself"],
    final_reads=FinalReads(5, 4),
    interrupted=True,
    faults=[{"name": "kill-one"}],
)
WHOLE = Results(
    Valid.NO,
    FACTS,
    sentences=["invalid: x"],
    reasons=["a fault failed"],
    checkers={"register": {"valid": "invalid"}},
    operations={"read": {"ok": 3}},
    outages=[{"start_s": 1.0, "ms": 600.0}],
    monitor={"packets": 7},
    config={"system": "etcd"},
)
FAILED = Results(Valid.UNKNOWN, FACTS, error="the monitor died")


def test_results_come_back_from_their_json_as_they_were():
    for results in (WHOLE, FAILED):
        assert Results.from_json(results.to_json()) == results


def test_leaders_and_last_reads_are_objects():
    found = WHOLE.to_json()
    assert found["leader_before"] == {"leader": "n1", "term": 2}
    assert found["leader_after"] is None
    assert found["final_reads"] == {"wanted": 5, "made": 4}
    assert found["valid"] == "invalid"


def test_results_of_an_older_version_have_defaults():
    found = Results.from_json({"valid": "valid"})
    assert (found.valid, found.facts, found.monitor) == (Valid.YES, RunFacts(), None)
    assert Results.from_json({}).valid is Valid.UNKNOWN


def test_every_key_is_documented():
    page = (Path(__file__).parents[3] / "docs" / "verdicts.md").read_text()
    rows = [line.split("|")[1] for line in page.partition("## results.json")[2].splitlines() if line.startswith("| `")]
    documented = {key.strip().strip("`") for row in rows for key in row.split(",")}
    assert documented == {*WHOLE.to_json(), *FAILED.to_json()}
