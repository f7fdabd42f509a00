"""Client hosts as real processes, on this host: what they talk to lives inside them."""

import json
import os
import signal
import subprocess
import textwrap
import time
from collections import Counter, defaultdict

import pytest

from raftmon.driver.clients.fleet import ClientFleet, FleetConfig
from raftmon.driver.clients.plan import ClientPlan
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.topology import Topology


@pytest.fixture
def fleets(tmp_path):
    made = []

    def make(system="memory", *, slots=4, hosts=1, nodes=3, **rest):
        config = FleetConfig(
            topology=Topology.star(nodes, hosts) if nodes else Topology((), Topology.star(1, hosts).clients),
            folder=tmp_path,
            history=tmp_path / "history.jsonl",
            plan=ClientPlan(system=str(system), slots=slots, seed="7", **rest),
        )
        fleet = ClientFleet(config, lambda _host, argv, **options: subprocess.Popen(argv, **options))
        made.append(fleet)
        return fleet

    yield make
    for fleet in made:
        fleet.close()
        for pid in fleet.pids():
            assert not os.path.exists(f"/proc/{pid}")


def run(fleet, duration_s=0.3):
    fleet.start()
    fleet.wait_connected()
    fleet.begin(time.monotonic_ns(), duration_s)
    return fleet.join()


def events(tmp_path):
    return [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]


def system_file(tmp_path, client_body):
    path = tmp_path / "mine.py"
    path.write_text(
        "import os, time\n"
        "from raftmon.adapters.base import Definite, Indefinite\n"
        "class Mine:\n"
        "    name = 'mine'\n"
        "    def command(self, node, topology, folder): raise NotImplementedError\n"
        "    def ready(self, node, topology, timeout_s): return True\n"
        "    def connect(self, node, timeout_s): return Client()\n"
        "class Client:\n"
        "    def read(self, key): return None\n"
        "    def write(self, key, value): pass\n"
        "    def cas(self, key, expected, new): pass\n"
        "    def close(self): pass\n" + textwrap.indent(textwrap.dedent(client_body), "    ")
    )
    return path


def test_every_event_is_paired_and_counted(fleets, tmp_path):
    stats = run(fleets())
    seen = events(tmp_path)
    kinds = Counter(event["type"] for event in seen)
    assert kinds["invoke"] == kinds["ok"] + kinds["fail"] + kinds["info"] > 100
    assert (kinds["ok"], kinds["fail"], kinds["info"]) == (stats.ok, stats.fail, stats.info)
    assert set(stats.nodes) == {"n1", "n2", "n3"}
    assert stats.all_p50_ms > 0


def test_several_hosts_share_the_slots_and_one_history(fleets, tmp_path):
    run(fleets("nothing", hosts=2, slots=5))
    seen = events(tmp_path)
    where = defaultdict(set)
    for event in seen:
        if event["type"] == "invoke":
            where[event["host"]].add(event["process"])
    assert dict(where) == {"c1": {0, 2, 4}, "c2": {1, 3}}
    assert len({event["index"] for event in seen}) == len(seen)


def test_a_process_does_one_thing_at_a_time_and_no_id_comes_back_after_info(fleets, tmp_path):
    run(fleets(options={"lie": "timeout-lost", "lie_probability": 0.2}))
    ended, busy = set(), set()
    for event in sorted(events(tmp_path), key=lambda event: (event["time_ns"], event["type"] == "invoke")):
        process = event["process"]
        assert process not in ended
        if event["type"] == "invoke":
            assert process not in busy
            busy.add(process)
        else:
            busy.remove(process)
            if event["type"] == "info":
                ended.add(process)
    assert ended
    assert {process % 4 for process in ended} <= {0, 1, 2, 3}


def test_pinned_clients_talk_to_that_node_alone(fleets):
    assert set(run(fleets("nothing", pin="n2")).nodes) == {"n2"}


def test_a_system_without_nodes_runs(fleets, tmp_path):
    assert run(fleets(nodes=0)).ok > 0
    assert {event["node"] for event in events(tmp_path) if event["type"] == "invoke"} == {"memory"}


def test_a_rate_is_kept_and_not_passed(fleets, tmp_path):
    stats = run(fleets("nothing", rate=200.0), duration_s=1.0)
    assert stats.ok == 200
    assert all("due_ns" in event for event in events(tmp_path) if event["type"] == "invoke")


def test_all_hosts_begin_when_told_and_not_before(fleets, tmp_path):
    fleet = fleets("nothing", hosts=2)
    fleet.start()
    fleet.wait_connected()
    at_ns = time.monotonic_ns() + 300_000_000
    fleet.begin(at_ns, 0.2)
    fleet.join()
    times = [event["time_ns"] for event in events(tmp_path)]
    assert min(times) >= at_ns
    assert max(event["time_ns"] for event in events(tmp_path) if event["type"] == "invoke") < at_ns + 200_000_000


def test_stop_ends_a_run_that_would_go_on(fleets):
    fleet = fleets("memory")
    fleet.start()
    fleet.wait_connected()
    fleet.begin(time.monotonic_ns(), 3600)
    while fleet.stats().ok == 0:
        time.sleep(0.01)
    fleet.stop()
    assert fleet.join().ok > 0


def test_the_invocation_of_an_operation_that_never_ends_is_in_the_history_and_stays_open(fleets, tmp_path):
    path = system_file(tmp_path, "def write(self, key, value): time.sleep(3600)")
    parameters = {"reads": 0, "writes": 1, "cas": 0}
    stats = run(fleets(path, parameters=parameters, op_timeout_s=0.2, slots=2))
    assert [event["type"] for event in events(tmp_path)] == ["invoke", "invoke"]
    assert stats.open == 2


def test_a_host_that_is_killed_is_an_error_with_its_name(fleets):
    fleet = fleets("memory")
    fleet.start()
    fleet.wait_connected()
    fleet.begin(time.monotonic_ns(), 60)
    os.kill(fleet.pids()[0], signal.SIGKILL)
    with pytest.raises(RaftmonError, match="client host c1 ended with status -9"):
        fleet.join()


def test_a_host_that_crashes_is_an_error_with_its_last_words(fleets, tmp_path):
    path = system_file(tmp_path, "def read(self, key): os.write(2, b'the disk is on fire'); os._exit(3)")
    fleet = fleets(path)
    fleet.start()
    with pytest.raises(RaftmonError, match=r"(?s)status 3.*the disk is on fire"):
        fleet.wait_connected()


def test_a_node_that_never_answers_is_named_with_the_reason(fleets, tmp_path):
    path = system_file(tmp_path, "def read(self, key): raise Definite('nobody home')")
    fleet = fleets(path, connect_timeout_s=0.3)
    fleet.start()
    with pytest.raises(RaftmonError, match=r"4 of 4 clients got no answer.*n1: Definite: nobody home"):
        fleet.wait_connected()


def test_what_an_adapter_prints_does_not_confuse_the_driver(fleets, tmp_path):
    path = system_file(tmp_path, "def read(self, key): print('hello', end='', flush=True)")
    assert run(fleets(path)).ok > 0


def test_hosts_end_when_the_driver_is_gone(fleets):
    fleet = fleets("memory")
    fleet.start()
    fleet.wait_connected()
    process = fleet._hosts[0].process
    process.stdin.close()
    assert process.wait(10) == 0


def test_the_lies_told_are_in_the_runs_folder(fleets, tmp_path):
    run(fleets(options={"lie": "lost-write,phantom-read", "lie_probability": 0.2}))
    lies = [json.loads(line) for line in (tmp_path / "lies.jsonl").read_text().splitlines()]
    assert {lie["lie"] for lie in lies} == {"lost-write", "phantom-read"}
    done = {(event["process"], event["f"], event["key"], str(event["value"])) for event in events(tmp_path)}
    for lie in lies:
        f = "write" if lie["lie"] == "lost-write" else "read"
        assert (lie["process"], f, lie["key"], str(lie["value"])) in done


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"system": "mongo"}, r"unknown system 'mongo'.* \(available: etcd"),
        ({"workload": "ledger"}, "unknown workload 'ledger'"),
        ({"pin": "n9"}, r"unknown node 'n9' \(available: n1, n2, n3"),
        ({"pin": "c1"}, "unknown node 'c1'"),
        ({"hosts": 2}, "lives inside one client host: use --client-hosts 1"),
        ({"slots": 1, "hosts": 2}, "every host needs at least one client"),
        ({"arrival": "bursty"}, "unknown arrival 'bursty' .available: uniform, poisson"),
        ({"options": {"lie": "white"}}, "knows no lie 'white'; it knows stale-read"),
        ({"options": {"size": 3}}, "has no option 'size'; it has lie"),
        ({"system": "etcd", "nodes": 0}, "needs at least one node"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_starts(fleets, changes, words):
    with pytest.raises(InputError, match=words):
        fleets(**changes)
