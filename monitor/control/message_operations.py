"""What can be asked of a live monitor about single messages: which are held, release some, deliver one again."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from raftmon.monitor.control.live_monitor import LiveMonitor
from raftmon.monitor.control.request import Request, author
from raftmon.monitor.raft.message import RaftMessage
from raftmon.setup.errors import InputError
from raftmon.setup.eventlog import EventLog

__all__ = ["MessageOperations"]

_RECORDED_NS = 1_000_000_000
_LOOK_AGAIN_S = 0.05


class MessageOperations:
    """Operations on ``live.messages``; each raises InputError where the monitor reads none."""

    def __init__(self, live: LiveMonitor, log: EventLog) -> None:
        self._live = live
        self._log = log

    async def held(self, _request: Request) -> Any:
        """The messages that rules hold, the oldest first."""
        messages = self._live.messages
        return [] if messages is None else await self._live.on_loop(messages.held)

    async def release(self, request: Request) -> Any:
        """Deliver the oldest messages that the rule ``name`` holds, ``count`` of them."""
        name, count = request.get("name"), request.get("count", 1)
        if not isinstance(name, str) or not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise InputError('"release" needs "name", the name of a rule, and takes "count", how many messages')
        if self._live.messages is None:
            raise InputError("this monitor reads no messages, so no rule holds any")
        released = await self._live.on_loop(functools.partial(self._live.messages.release, name, count))
        self._log.info("messages-released", author=author(request), name=name, messages=released[:50])
        return released

    async def deliver(self, request: Request) -> Any:
        """Deliver the recorded ``message`` once more, to the node ``to`` if given."""
        number, target = request.get("message"), request.get("to")
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(target, str | None):
            raise InputError('"deliver" needs "message", the number of a recorded message, and takes "to", a node')
        if self._live.messages is None or self._live.find is None:
            raise InputError("this monitor records no messages, so none can be delivered again")
        message = await self._found(number)
        target = target or message.target
        for what, name in (("sender", message.source), ("receiver", target)):
            if name not in self._live.names:
                raise InputError(
                    f"the {what} of message {number} is {name!r}, no host here; the hosts are "
                    + ", ".join(self._live.names)
                )
        assert target is not None
        again = functools.partial(self._live.messages.deliver_again, message, target, self._live.clock_ns())
        await self._live.on_loop(again)
        text = message.sentence()
        self._log.info("message-delivered-again", author=author(request), message=number, to=target, text=text)
        return {"message": number, "to": target, "text": text}

    async def _found(self, number: int) -> RaftMessage:
        """The recorded message; its packets may still be on their way to the file. Raises InputError."""
        assert self._live.find is not None
        deadline_ns = self._live.clock_ns() + _RECORDED_NS
        while True:
            try:
                return await asyncio.to_thread(self._live.find, number)
            except InputError:
                if self._live.clock_ns() > deadline_ns:
                    raise
            await asyncio.sleep(_LOOK_AGAIN_S)
