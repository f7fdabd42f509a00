"""A live run's page: what it may ask of the monitor, who is named as author, and what it refuses."""

import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import orjson
import pytest

from raftmon.driver.serve.live import CONTROLS, control, newest_live
from raftmon.setup.errors import InputError
from raftmon.setup.python import module_command
from tests.driver.serve.test_app import HOSTILE, client, made, store

__all__ = ["store"]


def answering(path, asked):
    """A monitor's socket that notes each request and answers that it is done."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(4)

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as lines:
                for line in lines:
                    request = orjson.loads(line)
                    asked.append(request)
                    lines.write(orjson.dumps({"id": request["id"], "ok": True, "result": "r1"}) + b"\n")
                    lines.flush()

    threading.Thread(target=serve, daemon=True).start()
    return server


@pytest.fixture
def live(store, monkeypatch):
    run = made(store, "etcd-register")
    monkeypatch.setattr(type(run), "is_live", property(lambda _self: True))
    with tempfile.TemporaryDirectory() as short:  # a socket's path has at most 107 bytes
        monkeypatch.setattr(type(run), "control_socket", property(lambda _self: Path(short) / "monitor.sock"))
        yield run


def test_a_button_is_a_request_to_the_monitor_with_its_author(store, live):
    asked = []
    with answering(live.control_socket, asked):
        there = client(store)
        address = f"/run/{live.path.parent.name}/{live.path.name}/control"
        answer = there.post(address, json={"operation": "add", "argument": "n1->n2 drop"})
        assert answer.json() == {"result": "r1"}
        assert there.post(address, json={"operation": "resume"}).status_code == 200
    assert [(one["op"], one["author"]) for one in asked] == [("add", "raftmon serve"), ("resume", "raftmon serve")]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"operation": "stop"}, "available: add"),
        ({"operation": "add"}, "needs a text"),
        ({"operation": "deliver", "argument": "1"}, "needs a number"),
        ([], "unknown operation None"),
    ],
)
def test_what_is_no_control_is_refused_in_words(live, request_, words):
    with pytest.raises(InputError, match=words):
        control(live, request_)


def test_a_run_that_is_over_takes_no_rules(store):
    run = made(store, "etcd-register")
    for operation, kind in CONTROLS.items():
        with pytest.raises(InputError, match="is over"):
            control(run, {"operation": operation, "argument": None if kind is None else kind("1")})


def test_a_form_of_another_site_and_a_stranger_change_nothing(store, live):
    address = f"/run/{live.path.parent.name}/{live.path.name}/control"
    assert client(store).post(address, data={"operation": "heal"}).status_code == 415
    assert client(store, cookie=False).post(address, json={"operation": "heal"}).status_code == 403


def test_the_live_page_and_its_state_are_of_the_run(store):
    run = made(store, "etcd-register")
    there, base = client(store), f"/run/{run.path.parent.name}/{run.path.name}"
    page = there.get(f"{base}/live")
    assert "connect-src 'self'" in page.headers["content-security-policy"]
    assert HOSTILE not in page.text
    state = there.get(f"{base}/state").json()
    assert state["live"] is False
    assert state["delta"]["counts"] == {"operations": 1, "messages": 1}
    assert state["delta"]["operations"][0][7] == "<b>"
    assert there.get(f"{base}/state", params={"since": "x"}).json()["delta"]["reset"] is True


def test_a_poll_gets_only_what_is_new(store):
    run = made(store, "etcd-register")
    there, address = client(store), f"/run/{run.path.parent.name}/{run.path.name}/state"
    first = there.get(address).json()["delta"]
    asked = {"since": first["version"], "epoch": first["epoch"]}
    second = there.get(address, params=asked).json()["delta"]
    assert (second["operations"], second["messages"], second["names"]["texts"], second["service"]) == ([], [], [], None)
    with run.history.open("ab") as file:
        file.write(b'{"time_ns":10,"process":0,"type":"invoke","f":"write","key":"k","value":7,"node":"n1"}\n')
        file.write(b'{"time_ns":12,"process":0,"type":"ok","f":"write","key":"k","value":7}\n{"time_ns":13,"proc')
    third = there.get(address, params=asked).json()["delta"]
    assert [row[7] for row in third["operations"]] == ["7"]
    assert third["reset"] is False
    assert "write" in third["names"]["texts"]
    assert "read" not in third["names"]["texts"]


def test_a_reader_of_another_epoch_is_told_everything_anew(store):
    run = made(store, "etcd-register")
    there, address = client(store), f"/run/{run.path.parent.name}/{run.path.name}/state"
    first = there.get(address).json()["delta"]
    (run.path / "events.jsonl").write_bytes(b'{"event":"workload began","begin_ns":4,"time_ns":4}\n')
    second = there.get(address, params={"since": first["version"], "epoch": first["epoch"]}).json()["delta"]
    assert second["reset"] is True
    assert len(second["operations"]) == 1
    assert len(second["messages"]) == 1


def test_the_newest_live_run_is_found_or_said_to_be_missing(store):
    rows = [{"verdict": verdict, "name": "a", "time": str(n)} for n, verdict in enumerate(["live", "live", "valid"])]
    assert newest_live(rows) == "a/1"
    made(store, "etcd-register")
    assert "no run is live" in client(store).get("/live").text


def test_a_server_of_a_run_prints_the_live_address_and_ends_with_it(store):
    made(store, "one")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as run:
        command = module_command("raftmon.driver.cli", "serve", "--store", str(store), "--while-pid", str(run.pid))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert "/live?token=" in server.stdout.readline()
            assert server.poll() is None
            run.communicate(b"\n")
            assert server.wait(30) == 0
