"""Published experiments: their cuts, their measures, and how results are shown."""

from __future__ import annotations

import contextlib
import sqlite3
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from raftmon.driver.experiments.measure import Measured, Window, measure, successes
from raftmon.driver.experiments.picture import picture
from raftmon.driver.experiments.published import EXPERIMENTS, experiment, fault_text
from raftmon.driver.experiments.rounds import Played, contender
from raftmon.driver.experiments.tables import BEGIN, END, in_page, markdown, read_csv, spread, write_csv
from raftmon.driver.faults.faults import fault_kind, random_faults
from raftmon.driver.faults.links import Cut
from raftmon.driver.faults.schedule import plan_faults
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation, Outcome
from raftmon.monitor.raft.database.schema import TABLES
from raftmon.setup.errors import InputError

MS = 1_000_000
NODES = ("n1", "n2", "n3", "n4", "n5")


def measured(outage_ms=1500.0, **more):
    values = {"outage_after_ms": 200.0, "worst_node_ms": 9.0, "answered": 5, "first_answer_ms": 40.0, "terms": 3}
    values |= {"terms_after": 0, "elections": 2, "won": 1, "leaders": 1, **more}
    return Measured(outage_ms=outage_ms, **values)


@pytest.mark.parametrize("row", EXPERIMENTS, ids=lambda row: row.name)
def test_every_experiment_is_a_schedule_that_can_be_read(row):
    nodes = NODES[: row.nodes]
    text = fault_text(row, "n2", nodes, 2.0, 10.0)
    planned = plan_faults(text, fault_kind, 16.0, seed="1", random_from=random_faults())
    assert planned[0].start_s == 2.0
    assert max(one.stop_s for one in planned) == 10.0


def left(name, leader):
    """The links that remain of an experiment with one cut, as unordered pairs."""
    row = experiment(name)
    nodes = NODES[: row.nodes]
    planned = plan_faults(fault_text(row, leader, nodes, 0, 9), fault_kind, 16.0, seed="1", random_from=random_faults())
    cut = {link for one in planned for link in Cut("cut", one.options["links"])._links}
    pairs = {(a, b) for place, a in enumerate(nodes) for b in nodes[place + 1 :]}
    return {pair for pair in pairs if not any({link.source, link.target} == set(pair) for link in cut)}


def test_the_topologies_are_those_of_the_papers():
    assert left("haoc21", "n2") == {("n1", "n3"), ("n2", "n3")}
    assert left("quorum-loss", "n3") == {("n1", other) for other in ("n2", "n3", "n4", "n5")}
    assert left("constrained-election", "n3") == {("n1", other) for other in ("n2", "n4", "n5")}
    assert left("howard-abraham-1", "n3") == {("n1", "n2"), ("n1", "n3"), ("n2", "n3"), ("n2", "n4"), ("n3", "n5")}
    assert {pair for pair in left("howard-abraham-2", "n3") if "n3" in pair} == {("n1", "n3")}
    assert left("chained", "n3") == {("n1", "n2"), ("n2", "n3"), ("n3", "n4"), ("n4", "n5")}


def test_an_unknown_experiment_and_an_unknown_system_are_refused():
    with pytest.raises(InputError, match="available: haoc21"):
        experiment("haoc")
    with pytest.raises(InputError, match="unknown system"):
        contender("paxos@1")
    with pytest.raises(InputError, match="reads no Raft messages"):
        contender("memory")
    assert contender("etcd-pre-vote@3.5.30").server == "etcd@3.5.30"


def test_outages_are_measured_within_the_cut_and_after_the_heal():
    times = {"n1": np.array([50, 120, 180, 260, 390], dtype=np.int64) * MS, "n2": np.array([150], dtype=np.int64) * MS}
    window = Window(100 * MS, 200 * MS, 400 * MS)
    wire = sqlite3.connect(":memory:")
    with contextlib.closing(wire):
        wire.executescript(TABLES)
        for at, what, node, value in ((90, "term", "n1", 2), (150, "term", "n2", 5), (151, "leader", "n2", 5),
                                      (300, "term", "n1", 6)):  # fmt: skip
            wire.execute("INSERT INTO changes VALUES (?, '', ?, ?, ?, 1)", (at * MS, what, node, str(value)))
        wire.execute("INSERT INTO elections VALUES ('', 5, 'n2', ?, 'silence', 1, ?, 'n2', '{}', NULL)", (140 * MS, 1))
        wire.execute("INSERT INTO elections VALUES ('', 6, 'n1', ?, 'silence', 1, NULL, NULL, '{}', NULL)", (290 * MS,))
        wire.execute("INSERT INTO elections VALUES ('', 2, 'n1', ?, 'start', 1, ?, 'n1', '{}', NULL)", (10 * MS, 1))
        found = measure(times, window, wire)
    assert (found.outage_ms, found.outage_after_ms, found.worst_node_ms) == (30.0, 130.0, 60.0)
    assert (found.answered, found.first_answer_ms) == (3, 60.0)
    assert (found.terms, found.terms_after, found.elections, found.won, found.leaders) == (3, 1, 2, 1, 1)


def test_a_cluster_that_never_answered_again_is_as_long_without_answer_as_the_run():
    wire = sqlite3.connect(":memory:")
    with contextlib.closing(wire):
        wire.executescript(TABLES)
        found = measure({}, Window(100 * MS, 200 * MS, 450 * MS), wire)
    assert (found.outage_ms, found.outage_after_ms, found.first_answer_ms) == (100.0, 250.0, 250.0)


def test_successes_are_those_of_each_node():
    rows = [
        Operation(0, "read", "k", 1, 1, 9, Outcome.OK, node="n2"),
        Operation(1, "read", "k", 1, 2, 5, Outcome.FAIL, node="n1"),
        Operation(2, "write", "k", 1, 3, 4, Outcome.OK, node="n2"),
    ]
    found = successes(History(rows))
    assert {node: list(times) for node, times in found.items()} == {"n1": [], "n2": [4, 9]}


PLAYED = [
    Played("haoc21", "etcd@3.4.23", 0, "valid", measured()),
    Played("haoc21", "etcd@3.4.23", 1, "invalid", measured(2500.0, terms=5), 'invalid: a, "b"', "/x"),
    Played("haoc21", "ovsdb@3.1.0", 0, "not set up", None, "no leader"),
]


def test_a_csv_file_gives_back_what_was_written():
    assert read_csv(write_csv(PLAYED), "x.csv") == PLAYED
    with pytest.raises(InputError, match=r"x\.csv is no table"):
        read_csv("a,b\n1,2\n", "x.csv")
    with pytest.raises(InputError, match=r"x\.csv, line 2"):
        read_csv(write_csv(PLAYED).replace("1500.0", "long"), "x.csv")


def test_a_cell_is_a_median_with_its_spread():
    assert spread([1500.0, 2500.0, 1600.0], seconds=True) == "1.6 (1.5 to 2.5)"
    assert spread([3]) == "3"


def test_tables_say_medians_what_was_invalid_and_what_could_not_be_set_up():
    text = markdown(PLAYED, "Linux.", "pictures/x.svg")
    assert "| `haoc21` | 2.0 (1.5 to 2.5) / 0.2 / 0.0 | – / – / – |" in text
    assert "| `haoc21` | 2, 1 invalid | 0, 1 not set up |" in text
    assert "(pictures/x.svg)" in text


def test_a_page_is_changed_between_its_markers_only():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert in_page(page, "new\n") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(InputError, match="no lines"):
        in_page("nothing", "new\n")


def test_the_picture_is_an_svg_with_a_bar_for_each_outage():
    root = ElementTree.fromstring(picture(PLAYED, 8.0))
    titles = [one.text for one in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "haoc21, etcd@3.4.23: 2 runs, while cut: 2.00 s" in titles
