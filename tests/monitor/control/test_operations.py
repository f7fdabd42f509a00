import os
import socket
import stat
import threading
import time
from concurrent.futures import Future

import orjson
import pytest

from raftmon.monitor.control.client import MonitorClient, wait_until_ready
from raftmon.monitor.control.live_monitor import LiveMonitor
from raftmon.monitor.control.operations import Control
from raftmon.monitor.control.server import ControlServer
from raftmon.monitor.message_rules.stage import MessageRules
from raftmon.monitor.raft.codecs.table import codec_of
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.scripts import Scripts
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.topology import Link

NAMES = ("n1", "n2")
LINKS = (Link("n1", "n2"), Link("n2", "n1"))


class Log:
    def __init__(self):
        self.events = []

    def info(self, event, **fields):
        self.events.append((event, fields))

    warning = info


class Served:
    """A control server over a real engine, its loop and packet handler being this object."""

    def __init__(self, path, scripts=()):
        self.path = path
        self.failure = None
        self.scripts = Scripts(scripts, names=NAMES, links=LINKS, seed="seed", note=str, strict=False)
        self.log = Log()
        self.engine = Engine(LINKS, "seed", 0, message_stage=MessageRules(codec_of("pysyncobj"), None))
        self.engine.load(self.scripts.apply(ruleset_from_items([], NAMES)), 0)
        self.paused = False
        self.stopped = threading.Event()
        self.refreshed = 0
        self.server = ControlServer(path, self._control)
        self.server.start()

    def _control(self):
        live = LiveMonitor(
            engine=self.engine,
            handler=self,
            loop=self,
            links=LINKS,
            names=(),
            read_counters=lambda: {"packets": 7, "rules": self.engine.stats()},
            clock_ns=time.monotonic_ns,
        )
        return Control(live, self.scripts, self.log)

    def post(self, work):
        future = Future()
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)
        return future

    def stop(self):
        self.stopped.set()

    def refresh(self):
        self.refreshed += 1


@pytest.fixture
def served(tmp_path):
    one = Served(tmp_path / "monitor.sock")
    yield one
    one.server.close()


@pytest.fixture
def client(served):
    with wait_until_ready(served.path, "kim", 5) as one:
        yield one


def test_only_the_owner_can_open_the_socket(served):
    assert stat.S_IMODE(served.path.stat().st_mode) == 0o600


def test_a_rule_is_in_force_when_its_answer_arrives(served, client):
    name = client.add("n1->n2 drop 10%")
    assert served.engine.chain(0) is not None
    assert served.engine.chain(1) is None
    assert served.refreshed == 1
    assert [rule["name"] for rule in client.rules()] == [name]
    client.remove(name)
    assert client.rules() == []
    assert served.engine.chain(0) is None


def test_each_change_is_an_event_with_its_author(served, client):
    client.add({"name": "cut", "match": "n1->n2", "action": "drop"})
    client.remove("cut")
    client.set(["n1->n2 drop", "n2->n1 drop"])
    assert client.heal() == 2
    client.pause()
    client.resume()
    assert [event for event, _ in served.log.events] == [
        "rule-added", "rule-removed", "rules-set", "rules-healed", "paused", "resumed",
    ]  # fmt: skip
    assert {fields["author"] for _, fields in served.log.events} == {"kim"}


def test_bad_requests_are_input_errors_and_change_nothing(served, client):
    client.add({"name": "a", "match": "n1->n2", "action": "drop"})
    for wrong in (
        lambda: client.add("n1->n9 drop"),
        lambda: client.add({"name": "a", "match": "n1->n2", "action": "drop"}),
        lambda: client.remove("b"),
        lambda: client.set(["n1->n2 drop", "n1 -> drop"]),
        lambda: client.set([5]),
    ):
        with pytest.raises(InputError):
            wrong()
    assert [rule["name"] for rule in client.rules()] == ["a"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"nonsense\n", "not JSON"),
        (b"[]\n", "one JSON object"),
        (b'{"id": 3, "op": "fly"}\n', "unknown operation 'fly' (available: rules, set, add"),
        (b'{"id": 3, "op": "set"}\n', '"set" needs "rules"'),
    ],
)
def test_a_line_that_is_no_request_gets_a_sentence_and_the_connection_lives(client, served, line, words):
    raw = socket.socket(socket.AF_UNIX)
    raw.connect(str(served.path))
    with raw, raw.makefile("rb") as reader:
        raw.sendall(line + b'{"id": 9, "op": "rules"}\n')
        first, second = orjson.loads(reader.readline()), orjson.loads(reader.readline())
    assert first["ok"] is False
    assert words in first["error"]
    assert second == {"id": 9, "ok": True, "result": []}


def test_several_users_at_once_lose_no_change(served, client):
    def work(user):
        with MonitorClient(served.path, user) as one:
            for number in range(20):
                one.add({"name": f"{user}-{number}", "match": "n1->n2", "action": "drop"})
            for number in range(10):
                one.remove(f"{user}-{number}")

    users = [threading.Thread(target=work, args=(f"u{number}",)) for number in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    names = {rule["name"] for rule in client.rules()}
    assert names == {f"u{user}-{number}" for user in range(4) for number in range(10, 20)}
    assert len(served.log.events) == 4 * 30


def test_one_client_may_be_used_by_many_threads(served, client):
    results = []
    threads = [threading.Thread(target=lambda: results.append(client.stats()["packets"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [7] * 8


def test_watch_gives_the_counters_again_and_again(served):
    with MonitorClient(served.path, "kim") as one:
        watching = one.watch()
        assert [next(watching)["packets"] for _ in range(2)] == [7, 7]


def test_stop_reaches_the_loop(served, client):
    client.stop()
    assert served.stopped.wait(5)


def test_a_path_longer_than_a_socket_address_works(tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    one = Served(folder / "monitor.sock")
    try:
        with wait_until_ready(folder / "monitor.sock", "kim", 5) as client:
            assert client.rules() == []
    finally:
        one.server.close()
    assert os.listdir(folder) == []


def test_a_monitor_that_is_not_there_is_said_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"no monitor answers at .*monitor.sock: No such file"):
        MonitorClient(tmp_path / "monitor.sock", "kim")


def test_waiting_for_a_monitor_that_died_ends_at_once(tmp_path):
    with pytest.raises(RaftmonError, match="ended while it was starting"):
        wait_until_ready(tmp_path / "monitor.sock", "kim", 60, alive=lambda: False)


def test_a_monitor_that_ends_breaks_its_clients_with_a_sentence(served, client):
    served.server.close()
    with pytest.raises(RaftmonError, match=r"ended before it answered|connection to the monitor broke"):
        client.stats()


def test_scripts_are_followed_and_heal_leaves_them(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("match = 'n1->n2'\ndef packet(view):\n    return None\n")
    one = Served(tmp_path / "monitor.sock", [script])
    try:
        with wait_until_ready(one.path, "kim", 5) as client:
            name = client.add("n2->n1 drop")
            assert name != "mine", "the answer names the new rule, not the script's, which stands behind it"
            client.remove(name)
            client.add("n2->n1 drop")
            assert client.heal() == 1
            assert (one.engine.chain(0) is None, one.engine.chain(1) is None) == (False, True)
            script.write_text("match = 'n2->n1'\ndef packet(view):\n    return None  # another size\n")
            deadline = time.monotonic() + 10
            while one.engine.chain(1) is None:
                assert time.monotonic() < deadline
                client.stats()
            assert one.engine.chain(0) is None
    finally:
        one.server.close()
    assert one.failure is None


def test_a_new_version_that_is_impossible_here_leaves_the_rules_in_force(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("def packet(view):\n    return None\n")
    one = Served(tmp_path / "monitor.sock", [script])
    try:
        with wait_until_ready(one.path, "kim", 5) as client:
            script.write_text("def message(view):\n    return None\n")
            deadline = time.monotonic() + 10
            while not any("has message(view)" in fields.get("text", "") for _, fields in one.log.events):
                assert time.monotonic() < deadline
                client.stats()
            assert one.engine.chain(0) is not None
            script.write_text("match = 'n2->n1'\ndef packet(view):\n    return None\n")
            while one.engine.chain(0) is not None:
                assert time.monotonic() < deadline
                client.stats()
    finally:
        one.server.close()
    assert one.failure is None
