"""When the recorder decodes: at once for whoever waits or where there is time, else when it must, and at the end."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from raftmon.monitor import cpu
from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.packets.addresses import AddressBook
from raftmon.monitor.recorder import __main__ as process
from raftmon.monitor.recorder.leader_board import BoardWriter
from raftmon.monitor.recorder.pipe import PipeFrame, encode
from raftmon.monitor.recorder.recorder import Recorder
from raftmon.monitor.recorder.spool import Spool
from raftmon.setup.topology import Topology
from tests.monitor.live import until


class Sink:
    """Counts its packets and ticks."""

    def __init__(self) -> None:
        self.packets = self.ticks = 0

    def packet(self, packet: object) -> None:
        self.packets += 1

    def tick(self, now_ns: int) -> None:
        self.ticks += 1

    def close(self) -> dict[str, Any]:
        return {"packets": self.packets}


class Board(BoardWriter):
    """Somebody asks, or nobody does."""

    asked = False

    def wanted(self, within_s: float) -> bool:
        return self.asked


@pytest.fixture
def full_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processors with nothing to spare, and a recorder that keeps its priority and reports to nobody."""
    monkeypatch.setattr(process, "_say", lambda recorder, finished: None)
    monkeypatch.setattr(cpu.Spare, "look", lambda self: None)
    monkeypatch.setattr(cpu.Share, "behind", lambda self, behind: None)
    monkeypatch.setattr(cpu, "raise_priority", lambda: False)


class Running:
    """``record`` on a thread of its own, fed by ``send``."""

    def __init__(self, folder: Path, limit: int) -> None:
        config = MonitorConfig.of_topology(Topology.star(2), folder, monotonic_ns=1, wall_ns=1)
        self.sink = Sink()
        self.board = Board(folder, config.links(), known=True)
        self.recorder = Recorder(
            AddressBook(config), None, {"sink": self.sink}, spool=Spool(folder, limit), board=self.board
        )
        reader, self._writer = os.pipe()
        self._thread = threading.Thread(
            target=process.record,
            args=(self.recorder, reader),
            kwargs={"board": self.board, "waits": True},
            daemon=True,  # a test that fails leaves it waiting
        )
        self._thread.start()
        self.sent = 0

    def send(self, count: int) -> None:
        os.write(self._writer, encode([PipeFrame(5, 0, bytes(60)) for _ in range(count)]))
        self.sent += count

    def looked(self) -> None:
        """Return when it has looked again whether it shall decode: before every tick."""
        ticks = self.sink.ticks
        until(lambda: self.sink.ticks >= ticks + 2)

    def end(self) -> None:
        os.close(self._writer)
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.mark.usefixtures("full_machine")
def test_on_a_full_machine_packets_wait_until_somebody_asks_or_the_end(tmp_path: Path) -> None:
    run = Running(tmp_path, 1 << 20)
    run.looked()
    run.send(50)
    until(lambda: run.recorder.packets == 50)
    run.looked()
    assert run.sink.packets == 0
    run.board.asked = True
    until(lambda: run.sink.packets == 50)
    run.board.asked = False
    run.looked()
    run.send(20)
    until(lambda: run.recorder.packets == 70)
    run.end()
    assert run.sink.packets == 50
    process._work_off(run.recorder)
    run.recorder.close()
    assert run.sink.packets == 70


@pytest.mark.usefixtures("full_machine")
def test_more_than_shall_wait_is_worked_off_all_the_same(tmp_path: Path) -> None:
    run = Running(tmp_path, 2000)
    for _ in range(30):
        run.send(20)
    until(lambda: run.recorder.packets == 600)
    until(lambda: run.sink.packets > 500)  # the last of them may wait
    run.end()
    run.recorder.close()
    assert run.sink.packets == 600
