"""The table of docs/faults.md: made of what runs said, and of nothing else."""

from pathlib import Path

import pytest

from raftmon.driver.faults.faults import catalogue
from tests import faults_table
from tests.faults_table import BEGIN, END, cell, read_table, schedule, seen_on, written

PAGE = f"before\n{BEGIN}\n{END}\nafter\n"
GOOD = {"receipt": {"verdict": "confirmed"}, "health_after": True}


def test_a_cell_names_the_receipt_and_every_flaw():
    assert cell(GOOD, []) == "confirmed"
    assert cell({**GOOD, "health_after": False}, ["a process"]) == "confirmed, not healed, left something"
    assert cell({**GOOD, "error": "no"}, []) == "confirmed, failed"
    assert cell({"unavailable": "no leader"}, []) == "not possible then"
    assert cell({"health_after": True}, []) == "no receipt"


def test_faults_follow_each_other_and_end_before_the_run_does():
    text, duration_s = schedule(["jam", "upgrade"])
    assert text == "jam@1s..2.5s,upgrade(to=etcd@3.5.30)@4s..5.5s"
    assert duration_s == 7.0


def test_an_upgrade_has_a_run_of_its_own_and_the_leader_stands_for_all_selectors():
    assert faults_table.groups_of(["jam", "upgrade", "mute", "deaf"], 2) == [["jam", "mute"], ["deaf"], ["upgrade"]]
    assert {"kill-leader", "defragment", "bit-flip"} <= set(faults_table.rows())
    assert not {"kill-all", "pause-one", "defragment-leader"} & set(faults_table.rows())


def test_only_what_was_seen_is_changed():
    page = written(PAGE, {("jam", "etcd"): "confirmed", ("jam", "nats"): "–"}, ["jam", "mute"])
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    page = written(page, {("mute", "etcd"): "inconclusive"}, ["jam", "mute"])
    assert read_table(page) == {
        ("jam", "etcd"): "confirmed",
        ("jam", "nats"): "–",
        ("mute", "etcd"): "inconclusive",
    }
    with pytest.raises(ValueError, match="has no lines"):
        written("nothing", {}, [])


def test_a_fault_that_is_refused_is_asked_alone(monkeypatch):
    asked = []

    def run(_system, names, _settle_s):
        asked.append(list(names))
        return (64, "no such operation", {}) if "compact" in names else (0, "", dict.fromkeys(names, "confirmed"))

    monkeypatch.setattr(faults_table, "run", run)
    assert seen_on("nats", ["jam", "compact", "mute"], 2, 0.0) == {
        "jam": "confirmed",
        "compact": "–",
        "mute": "confirmed",
    }
    assert asked == [["jam", "compact"], ["jam"], ["compact"], ["mute"]]


def test_the_page_has_the_table_and_no_fault_that_is_not_there():
    cells = read_table((Path(__file__).parents[3] / "docs" / "faults.md").read_text())
    assert {name for name, _ in cells} <= set(catalogue())


def test_the_command_is_really_run_and_a_system_without_nodes_refuses_the_fault(capsys):
    assert seen_on("memory", ["kill-leader"], 1, 1.0) == {"kill-leader": "–"}
    assert "memory kill-leader: " in capsys.readouterr().out
