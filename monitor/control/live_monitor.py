"""The parts of a running monitor that its control socket reads and changes, behind one face."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from raftmon.monitor.control.leader import LeaderView
from raftmon.monitor.control.node_signals import NodeSignals
from raftmon.monitor.message_rules.stage import MessageRules
from raftmon.monitor.message_rules.trigger_words import Trigger
from raftmon.monitor.message_rules.triggers import Armed
from raftmon.monitor.raft.message import RaftMessage
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.rule import RuleSet
from raftmon.setup.errors import RaftmonError
from raftmon.setup.topology import Link

__all__ = ["Handler", "LiveMonitor", "Loop"]


class Handler(Protocol):
    """What handles packets (``raftmon.monitor.queue.handler``)."""

    paused: bool
    failure: RaftmonError | None

    def refresh(self) -> None:
        """Take over the engine's chains, and ``paused``."""


class Loop(Protocol):
    """What runs calls between packets (``raftmon.monitor.queue.loop``)."""

    def post(self, work: Callable[[], Any]) -> Future[Any]:
        """Have ``work()`` done between two packets; for any thread."""

    def stop(self) -> None:
        """End the monitor soon; for any thread."""


@dataclass(frozen=True, slots=True)
class LiveMonitor:
    """One running monitor. But for ``post`` and ``stop``, its methods are for the loop's thread.

    - ``links``, ``names``: what rules may name
    - ``read_counters``: the monitor's counters at this moment
    - ``clock_ns``: CLOCK_MONOTONIC, or a test's
    - ``flush``: let every delayed packet go now; how many
    - ``messages``: the rules on messages and the triggers; None if no message is read
    - ``find``: a message of the record by its number; raises InputError
    - ``leaders``: who leads, for rules about roles
    - ``nodes``: what kills and pauses nodes
    """

    engine: Engine
    handler: Handler
    loop: Loop
    links: Sequence[Link]
    names: Sequence[str]
    read_counters: Callable[[], dict[str, Any]]
    clock_ns: Callable[[], int]
    flush: Callable[[], int] = lambda: 0
    messages: MessageRules | None = None
    find: Callable[[int], RaftMessage] | None = None
    leaders: LeaderView | None = None
    nodes: NodeSignals | None = None

    def post(self, work: Callable[[], Any]) -> Future[Any]:
        """Have ``work()`` done on the loop's thread, between two packets."""
        return self.loop.post(work)

    async def on_loop(self, work: Callable[[], Any]) -> Any:
        """Have ``work()`` done between two packets; its result."""
        return await asyncio.wrap_future(self.post(work))

    def stop(self) -> None:
        """End the monitor soon."""
        self.loop.stop()

    @property
    def ruleset(self) -> RuleSet:
        """The rules in force."""
        return self.engine.ruleset

    def load(self, ruleset: RuleSet) -> None:
        """Put other rules in force from the next packet on; raises InputError, and changes nothing, where it cannot."""
        self.engine.load(ruleset, self.clock_ns())
        self.handler.refresh()

    def arm(self, messages: MessageRules, trigger: Trigger, on_fire: Callable[[Armed], None]) -> Armed:
        """Wait for a trigger from the next packet on; ``on_fire`` is called when it fires."""
        armed = messages.arm(trigger, self.clock_ns(), on_fire)
        self.load(self.ruleset)  # so that every link is looked at
        return armed

    def pause(self, paused: bool) -> None:
        """Let every packet pass, or evaluate rules again."""
        self.handler.paused = paused
        self.handler.refresh()

    def fail(self, error: RaftmonError) -> None:
        """End a strict run with an error; the first one counts."""
        self.handler.failure = self.handler.failure or error
