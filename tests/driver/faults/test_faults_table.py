"""The table of docs/faults.md: made of what runs said, and of nothing else."""

from pathlib import Path

import pytest

from raftmon.driver.faults.faults import catalogue
from tests import faults_table
from tests.faults_table import BEGIN, END, Seen, cell, read_seen, schedule, seen_in, write_seen, written

PAGE = f"before\n{BEGIN}\n{END}\nafter\n"
GOOD = {"receipt": {"verdict": "confirmed", "sentence": "it was seen"}, "health_after": True}
DOCS = Path(__file__).parents[3] / "docs"


def test_a_cell_names_the_receipt_and_every_flaw_and_says_why():
    assert cell(GOOD, []) == ("confirmed", "it was seen")
    assert cell({**GOOD, "health_after": False}, ["a process"]) == (
        "confirmed, not healed, left something",
        "it was seen; a process",
    )
    assert cell({**GOOD, "error": "no"}, []) == ("confirmed, failed", "it was seen; no")
    assert cell({"unavailable": "no leader"}, []) == ("not possible then", "no leader")
    assert cell({"health_after": True}, []).word == "no receipt"


def test_faults_follow_each_other_and_end_before_the_run_does():
    text, duration_s = schedule(["jam", "upgrade"], "nats")
    assert text == "jam@1s..2.5s,upgrade(to=nats@2.10.27)@4s..10s"
    assert duration_s == 11.5
    assert schedule(["full-disk", "throttle"], "nats")[0] == (
        "full-disk(node=all)@1s..2.5s,throttle(node=all,share=5%)@4s..5.5s"
    )
    assert schedule(["full-disk"], "etcd")[0] == "full-disk@1s..2.5s"


def test_an_upgrade_has_a_run_of_its_own_and_the_leader_stands_for_all_selectors():
    assert faults_table.groups_of(["jam", "upgrade", "full-disk", "mute", "deaf"], 2) == [
        ["jam", "mute"], ["deaf"], ["full-disk"], ["upgrade"],
    ]  # fmt: skip
    assert {"kill-leader", "defragment", "bit-flip"} <= set(faults_table.rows())
    assert not {"kill-all", "pause-one", "defragment-leader"} & set(faults_table.rows())


def test_the_page_shows_what_was_seen_and_why_a_cell_is_not_confirmed():
    cells = {
        ("jam", "etcd"): Seen("confirmed", "queued 3"),
        ("jam", "nats"): Seen("n/a", "no"),
        ("mute", "nats"): Seen("n/a", "no"),
        ("mute", "etcd"): Seen("inconclusive", "nothing was sent"),
    }
    page = written(PAGE, cells, ["jam", "mute"])
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "| `jam` | confirmed | n/a |  |" in page
    assert "- n/a: no (`jam`, `mute` on nats)\n- inconclusive: nothing was sent (`mute` on etcd)" in page
    assert written(page, cells, ["jam", "mute"]) == page
    with pytest.raises(ValueError, match="has no lines"):
        written("nothing", {}, [])


def test_what_was_seen_is_kept(tmp_path):
    cells = {("jam", "etcd"): Seen("confirmed", "queued 3")}
    assert read_seen(tmp_path / "seen.json") == {}
    write_seen(tmp_path / "seen.json", cells)
    assert read_seen(tmp_path / "seen.json") == cells


def test_a_fault_that_is_refused_is_asked_alone(monkeypatch):
    asked = []

    def run(_system, names, _settle_s):
        asked.append(list(names))
        if "compact" in names:
            return 64, "raftmon run: --fault compact cannot be done here: no such operation", {}
        return 0, "", dict.fromkeys(names, Seen("confirmed", ""))

    monkeypatch.setattr(faults_table, "run", run)
    assert seen_in("nats", ["jam", "compact"], 0.0) == {
        "jam": ("confirmed", ""),
        "compact": ("n/a", "no such operation"),
    }
    assert asked == [["jam", "compact"], ["jam"], ["compact"]]


def test_a_system_with_one_version_is_not_upgraded(monkeypatch):
    monkeypatch.setattr(faults_table, "run", None)
    assert seen_in("dqlite", ["upgrade"], 0.0) == {"upgrade": ("n/a", "raftmon knows one version of dqlite")}


def test_the_page_is_made_of_what_was_seen_and_names_no_fault_that_is_not_there():
    cells = read_seen(DOCS / "faults-seen.json")
    assert {name for name, _ in cells} <= set(catalogue())
    page = (DOCS / "faults.md").read_text()
    assert written(page, cells, faults_table.rows()) == page


def test_the_command_is_really_run_and_a_system_without_nodes_refuses_the_fault():
    found = seen_in("memory", ["kill-leader"], 1.0)["kill-leader"]
    assert found.word == "n/a"
    assert "nodes" in found.why
