"""Scenarios: loading them, what attempts come to, and that what they do enters the history."""

import json
import subprocess
import sys

import pytest

from raftmon.adapters.base import Definite, Indefinite
from raftmon.driver.checkers.base import Valid
from raftmon.driver.checkers.register import RegisterChecker
from raftmon.driver.cli import main
from raftmon.driver.histories.formats import read_history
from raftmon.driver.reproduce.attempt import first_leader
from raftmon.driver.reproduce.loading import AttemptOutcome, load_scenario, scenarios
from raftmon.driver.reproduce.recorded import recorded
from raftmon.driver.reproduce.rounds import Reproduced, Side
from raftmon.driver.run_folder import RunFolder
from raftmon.driver.testing.recording import HistoryRecorder
from raftmon.monitor.rules.language import parse_rule
from raftmon.setup.errors import InputError


def _side(version, *outcomes):
    side = Side(version)
    for outcome in outcomes:
        side.add(
            {
                "outcome": outcome,
                "sentence": "seen" if outcome == AttemptOutcome.SHOWN else None,
                "seconds": 2.0,
                "run": "r",
            }
        )
    return side


SHOWN, NOT, NO_SET_UP = AttemptOutcome.SHOWN, AttemptOutcome.NOT_SHOWN, AttemptOutcome.NOT_SET_UP


@pytest.mark.parametrize(
    ("affected", "control", "status"),
    [
        ([SHOWN, NOT], [NOT, NOT], 0),
        ([SHOWN], None, 0),
        ([SHOWN], [SHOWN], 1),
        ([NOT, NOT], [NOT], 1),
        ([NOT], None, 1),
        ([NO_SET_UP, NO_SET_UP], [NOT], 2),
        ([SHOWN], [NO_SET_UP], 2),
        ([NO_SET_UP, NOT], [NOT], 1),
        ([], [NOT], 0),
        ([], [SHOWN], 1),
        ([], [NO_SET_UP], 2),
    ],
)
def test_the_exit_status_says_what_came_of_it(affected, control, status):
    found = Reproduced("x", _side("a", *affected), _side("b", *control) if control else None)
    assert found.exit_status == status


def test_json_names_both_versions_with_counts_and_the_mean_time():
    value = Reproduced("x", _side("a", SHOWN, NOT), _side("b", NOT)).to_json()
    assert {name: value["affected"][name] for name in ("version", "shown", "of", "seconds")} == {
        "version": "a", "shown": 1, "of": 2, "seconds": 2.0,
    }  # fmt: skip
    assert value["control"]["shown"] == 0


def test_every_scenario_of_ours_says_what_it_needs_and_where_it_is_known_from():
    found = scenarios()
    assert len(found) >= 5
    for loaded in found.values():
        scenario = loaded.scenario
        assert scenario.affected
        assert scenario.control or scenario.why_no_control
        assert scenario.title
        assert scenario.needs
        assert scenario.seen
        assert scenario.sources
        assert loaded.play.__doc__


def test_a_scenario_of_ones_own_is_loaded_by_its_path(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from raftmon.scenario import Scenario\n"
        "SCENARIO = Scenario('mine', 'etcd', 't', 's', 'n', ('etcd@3.4.23',))\n"
        "def play(stage):\n    return None\n"
    )
    assert load_scenario(str(path)).scenario.name == "mine"
    path.write_text("x = 1\n")
    with pytest.raises(InputError, match="is no scenario"):
        load_scenario(str(path))
    with pytest.raises(InputError, match="unknown scenario 'nothing'"):
        load_scenario("nothing")
    with pytest.raises(InputError, match="there is no file"):
        load_scenario(str(tmp_path / "absent.py"))


def test_the_list_has_every_scenario(capsys):
    assert main(["reproduce", "--list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in scenarios())
    assert main(["reproduce"]) == 64


class _Fake:
    """A register that answers from a script."""

    def __init__(self, answers):
        self.answers = answers

    def _next(self):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def read(self, key):
        return self._next()

    def write(self, key, value):
        self._next()

    def cas(self, key, expected, new):
        self._next()

    def close(self):
        pass


def test_what_a_recorded_client_does_enters_the_history_and_is_judged(tmp_path):
    recorder = HistoryRecorder(tmp_path / "history.jsonl")
    answers = [None, None, 1, Definite("was 2", seen=2, has_seen=True), Indefinite("time-out"), ValueError("odd")]
    client = recorder.client(_Fake(answers), "n1")
    client.write("x", 1)
    client.write("x", 2)
    assert client.read("x") == 1  # stale
    with pytest.raises(Definite):
        client.cas("x", 1, 3)
    with pytest.raises(Indefinite):
        client.write("x", 4)
    with pytest.raises(ValueError, match="odd"):
        client.write("x", 5)
    recorder.close()
    history = read_history(tmp_path / "history.jsonl")
    assert [one.outcome.value for one in history] == ["ok", "ok", "ok", "fail", "info", "info"]
    assert len({one.process for one in history}) == 2  # retired after an indefinite one
    assert {one.node for one in history} == {"n1"}
    assert RegisterChecker().check(history).valid is Valid.NO


@pytest.mark.servers
def test_a_bug_shows_on_the_stock_binary_by_one_command(tmp_path):
    command = [
        sys.executable,
        "-m",
        "raftmon.driver.cli",
        "reproduce",
        "etcd-18667",
        "--json",
        "--store",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert (value["affected"]["shown"], value["affected"]["of"]) == (1, 1)
    assert "linearizable reads of k2 differ" in value["affected"]["sentences"][0]


def test_attempts_in_a_store_are_counted_like_those_of_one_call(tmp_path):
    def attempt(scenario, server, outcome, control=False):
        folder = RunFolder.create(tmp_path, f"reproduce-{scenario}")
        folder.save("config.json", {"scenario": scenario, "server": server, "control": control})
        folder.save(
            "results.json",
            {"scenario": {"outcome": outcome, "sentence": "seen", "seconds": 4.0, "run": str(folder.path)}},
        )

    attempt("nats-cas", "nats@2.9.10", "shown")
    attempt("nats-cas", "nats@2.9.10", "not shown")
    attempt("nats-cas", "nats@2.10.27", "not shown", control=True)
    attempt("nats-cas", "nats@2.15.1", "shown")  # another version than the default one
    attempt("nats-lazy-fsync", "nats@2.10.27", "not shown", control=True)
    ((loaded, found),) = recorded(tmp_path, list(scenarios().values()))
    assert loaded.scenario.name == "nats-cas"
    assert (found.affected.shown, found.affected.of, found.control.shown, found.control.of) == (1, 2, 0, 1)


def test_a_control_that_is_a_setting_is_named_with_it():
    scenario = load_scenario("nats-lazy-fsync").scenario
    side = Side(scenario.control[0], scenario.control_options)
    assert side.label == "nats@2.10.27 (sync_interval=always)"
    assert side.to_json()["options"] == {"sync_interval": "always"}


def test_who_leads_first_is_a_rule_that_can_be_read():
    line = first_leader("n2", 3)
    assert parse_rule(line, ("n1", "n2", "n3")).name == "first-leader"
    assert line.startswith("first-leader: n1,n3->*")
    with pytest.raises(InputError, match="no such node"):
        first_leader("n4", 3)
