"""Puts one monitor together: loop, engine, recorder, control socket; and takes it apart again."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from raftmon.monitor.attach.port_owners import PortOwners
from raftmon.monitor.compiled import COMPILED
from raftmon.monitor.config import MonitorConfig
from raftmon.monitor.control.leader import LeaderView
from raftmon.monitor.control.live_monitor import LiveMonitor
from raftmon.monitor.control.node_signals import NodeAct, NodeSignals
from raftmon.monitor.control.operations import Control
from raftmon.monitor.control.server import ControlServer
from raftmon.monitor.cpu import quiet_processor
from raftmon.monitor.fidelity import MonitorCounters, disturbances
from raftmon.monitor.heartbeats import DRIVER, MONITOR, RECORDER, Heartbeats, Pulse
from raftmon.monitor.message_rules.agent import ETCD_PEER_PORT, PostAgent
from raftmon.monitor.message_rules.spliced import SplicedRules
from raftmon.monitor.message_rules.stage import MessageRules
from raftmon.monitor.packets.addresses import AddressBook
from raftmon.monitor.queue.delivery import Delivery
from raftmon.monitor.queue.handler import PacketHandler
from raftmon.monitor.queue.kernel_counters import QueueCounters
from raftmon.monitor.queue.loop import QueueLoop
from raftmon.monitor.queue.raw_socket import RawSender
from raftmon.monitor.queue.task_pool import TaskPool
from raftmon.monitor.raft.codecs.table import all_codecs, codec_of
from raftmon.monitor.raft.database.recorded_message import find_recorded
from raftmon.monitor.raft.message import RaftMessage
from raftmon.monitor.recorder.process import RecorderProcess
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.roles import named_roles
from raftmon.monitor.rules.rule import RuleSet
from raftmon.monitor.rules.scripts import Scripts
from raftmon.monitor.rules.serialization import ruleset_from_items
from raftmon.monitor.rules.task import Task
from raftmon.monitor.rules.watchdog import Watchdog
from raftmon.setup.errors import RaftmonError
from raftmon.setup.eventlog import open_event_log

__all__ = ["MonitorProcess"]

_MOST_ACTS = 50  # that monitor.json names


class MonitorProcess:
    """One monitor from start to end. ``recorder`` is its recorder where that was started before, ``beats`` the
    heartbeats that it shares with others.

    Raises InputError for bad rules, RaftmonError if the kernel refuses.
    """

    def __init__(
        self,
        config: MonitorConfig,
        config_path: Path,
        recorder: RecorderProcess | None = None,
        beats: Heartbeats | None = None,
    ) -> None:
        self._config = config
        self._beats = beats if beats is not None else Heartbeats.new()
        folder = Path(config.folder)
        self._log = open_event_log(folder / "events.jsonl", "monitor")
        self._counters = MonitorCounters()
        ports = {host.port: host.name for host in config.hosts if host.port is not None}
        self._book = AddressBook(config, PortOwners(ports).owner)
        started_ns = time.monotonic_ns()
        peers = {host.name: (host.address, host.port or ETCD_PEER_PORT) for host in config.hosts}
        codec = codec_of(config.decode, all_codecs(config.codecs))
        self._agent = PostAgent(peers) if codec is not None and codec.editable else None
        self._raw = RawSender()
        self._nodes = NodeSignals(possible=config.mode != "attach", on_act=self._node_act)
        self._messages = MessageRules(codec, self._agent, present=self._book.present, nodes=self._nodes)
        if codec is not None and codec.unit is not None:
            self._messages = SplicedRules(codec, present=self._book.present, send=self._raw.send, nodes=self._nodes)
        self._watchdog = Watchdog()
        self._engine = Engine(
            self._book.links,
            config.seed,
            started_ns,
            present=self._book.present,
            listening={host.port for host in config.hosts if host.port is not None},
            on_error=self._user_error,
            strict=config.strict,
            message_stage=self._messages,
            watchdog=self._watchdog,
            nodes=self._nodes,
        )
        names = [host.name for host in config.hosts]
        self._scripts = Scripts(
            config.scripts,
            names=names,
            links=self._book.links,
            seed=config.seed,
            note=self._note,
            strict=config.strict,
        )
        rules = ruleset_from_items(list(config.rules), names)  # type: ignore[arg-type]
        self._of_roles = tuple(rule for rule in rules if named_roles(rule, names))  # until somebody leads
        there = RuleSet(tuple(rule for rule in rules if rule not in self._of_roles), rules.names, rules.numbered)
        self._engine.load(self._scripts.apply(there), started_ns)
        self._tasks = TaskPool(self._task_ended, config.task_limit_s)
        self._delivery = Delivery(config.hold_max, self._raw.send, self._tasks, self._counters)
        self._handler = PacketHandler(config, self._book, self._engine, self._delivery, self._counters, self._log)
        # The queue first: where another monitor holds it, no file of a record may have been opened.
        self._loop = QueueLoop(config, self._handler, self._delivery, None, quiet_processor(os.getpid()))
        if recorder is None and config.record:
            recorder = RecorderProcess(config_path, config.record_backlog_bytes, self._beats)
        self._recorder = recorder
        self._loop.timers = self._messages
        self._loop.on_pass = Pulse(self._beats, MONITOR, (RECORDER, DRIVER))
        if self._recorder is not None:
            self._recorder.begin()
            self._loop.record_to(self._recorder.backlog)
        self._queue_counters = QueueCounters(config.queue, self._loop.descriptor)
        self._loop.on_second = self._queue_counters.read
        self._server = ControlServer(Path(config.control), self._control)

    def run(self) -> None:
        """Serve until told to stop. What a strict run's rule raised is raised here, after the files are complete."""
        if self._recorder is not None:
            self._recorder.wait_until_started()
        self._server.start()
        self._log.info("monitor-started", queue=self._config.queue, mode=self._config.mode, pid=os.getpid())
        try:
            self._scripts.started()
            self._watchdog.start()
            try:
                self._loop.run()
            finally:
                self._beats.rest(MONITOR)
                self._watchdog.stop()
                self._scripts.done()
        finally:
            self._finish()

    def stop(self) -> None:
        """End soon; safe in a signal handler and from any thread."""
        self._loop.stop()

    def counters(self) -> dict[str, Any]:
        """Everything counted so far, as in ``monitor.json``. On the loop's thread."""
        self._handler.settle_counts()
        recorder = self._recorder
        return {
            **self._counters.as_dict(),
            **self._queue_counters.as_dict(),
            "stalls_ms": self._stalls_ms(),
            "record": self._config.record,
            "compiled": COMPILED,
            "links": {str(link): self._handler.link_packets[number] for number, link in enumerate(self._book.links)},
            "rules": self._engine.stats(),
            "messages": {**self._messages.stats(), **(self._agent.stats() if self._agent is not None else {})},
            "node_acts": [act.to_json() for act in list(self._nodes.acts)[-_MOST_ACTS:]],
            "rules_forgotten": self._engine.rules_forgotten,
            "rules_hung": list(self._engine.hung),
            "paused": self._handler.paused,
            "held": self._delivery.held,
            "held_most": self._delivery.most_held,
            "tasks_finished": self._tasks.finished,
            "tasks_failed": self._tasks.failed,
            "tasks_timed_out": self._tasks.timed_out,
            "recorder_lost_packets": recorder.backlog.lost_packets if recorder else 0,
            "recorder_lost_bytes": recorder.backlog.lost_bytes if recorder else 0,
            "recorder_backlog_most_bytes": recorder.backlog.most_waiting_bytes if recorder else 0,
            "recorder": recorder.said if recorder else None,
        }

    def _stalls_ms(self) -> dict[str, float]:
        """The longest standstill of each process; of this one what it measured itself too."""
        found = self._beats.longest_ms()
        found["monitor"] = max(found["monitor"], round(self._counters.longest_stall_ns / 1e6, 3))
        return found

    def _control(self) -> Control:
        live = LiveMonitor(
            engine=self._engine,
            handler=self._handler,
            loop=self._loop,
            links=self._book.links,
            names=[host.name for host in self._config.hosts],
            read_counters=self.counters,
            flush=self._delivery.flush,
            clock_ns=time.monotonic_ns,
            messages=self._messages,
            leaders=LeaderView(
                Path(self._config.folder) / "messages.sqlite",
                self._messages.watch,
                tuple(host.name for host in self._config.hosts),
                time.monotonic_ns,
            ),
            nodes=self._nodes,
            find=self._find if self._config.record and self._config.decode is not None else None,
        )
        return Control(live, self._scripts, self._log, self._of_roles)

    def _find(self, number: int) -> RaftMessage:
        folder = Path(self._config.folder)
        codecs = all_codecs(self._config.codecs)
        return find_recorded(folder / "messages.sqlite", folder / "packets.pcapng", number, codecs)

    def _node_act(self, act: NodeAct) -> None:
        self._log.warning(f"node-{act.what}-by-rule", **act.to_json())

    def _note(self, text: str) -> None:
        self._log.warning("script", text=text)
        print(f"raftmon monitor: {text}", file=sys.stderr, flush=True)

    def _task_ended(self, task: Task) -> None:
        """On a worker's thread."""
        self._loop.post(lambda: self._delivery.task_ended(task, time.monotonic_ns()))

    def _user_error(self, rule: str, text: str) -> None:
        self._log.warning("rule-failed", rule=rule, traceback=text)
        print(f"raftmon monitor: rule {rule} failed; its packets pass.\n{text}", file=sys.stderr, flush=True)

    def _finish(self) -> None:
        self._server.close()
        self._tasks.close()
        self._nodes.close()
        if self._recorder is not None:
            self._recorder.finish()
        if self._agent is not None:
            self._agent.close()
        self._raw.close()
        counters = {**self.counters(), "finished": True}
        counters["disturbed"] = disturbances(counters)
        path = Path(self._config.folder) / "monitor.json"
        try:
            path.with_suffix(".tmp").write_bytes(orjson.dumps(counters, option=orjson.OPT_INDENT_2))
            path.with_suffix(".tmp").rename(path)
        except OSError as error:
            raise RaftmonError(f"cannot write {path}: {error.strerror}") from error
        self._log.info("monitor-ended", packets=counters["packets"], disturbed=counters["disturbed"])
