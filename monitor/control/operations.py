"""What can be asked of a live monitor, and changed in it. The protocol is in docs/architecture.md.

Requests come on the server's thread (``raftmon.monitor.control.server``); a change is made on the loop's thread,
between two packets, and is in force when its answer leaves.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any

from raftmon.monitor.message_rules.stage import MessageRules
from raftmon.monitor.message_rules.trigger_words import parse_trigger, split_waiting
from raftmon.monitor.message_rules.triggers import Armed
from raftmon.monitor.rules.engine import Engine
from raftmon.monitor.rules.rule import RuleSet
from raftmon.monitor.rules.scripts import Scripts
from raftmon.monitor.rules.serialization import rule_from_item, ruleset_to_items, with_items
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.eventlog import EventLog
from raftmon.setup.topology import Link

__all__ = ["Control", "Request"]

_SCRIPTS_S = 0.25

Request = dict[str, Any]


class Control:
    """What the operations do. ``post`` runs a function on the loop's thread, where ``refresh`` follows a change.

    ``stats`` gives the monitor's counters at this moment, ``stop`` ends it, ``set_paused`` switches judging off and on,
    ``fail`` (on the loop's thread) ends a strict run with an error. ``scripts`` are followed as their files change.
    """

    def __init__(
        self,
        engine: Engine,
        links: tuple[Link, ...],
        log: EventLog,
        *,
        post: Callable[[Callable[[], Any]], Future[Any]],
        refresh: Callable[[], None],
        stats: Callable[[], dict[str, Any]],
        set_paused: Callable[[bool], None],
        stop: Callable[[], None],
        fail: Callable[[RaftmonError], None],
        scripts: Scripts,
        clock_ns: Callable[[], int],
        messages: MessageRules | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self._engine = engine
        self._links = links
        self._log = log
        self._post = post
        self._refresh = refresh
        self._stats = stats
        self._set_paused = set_paused
        self._stop = stop
        self._fail = fail
        self._scripts = scripts
        self._clock_ns = clock_ns
        self._messages = messages
        self._names = tuple(names)
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._operations: dict[str, Callable[[Request], Awaitable[Any]]] = {
            "rules": self._rules,
            "set": self._set,
            "add": self._add,
            "remove": self._remove,
            "heal": self._heal,
            "stats": self._get_stats,
            "pause": self._pause,
            "resume": self._resume,
            "stop": self._end,
            "when": self._when,
            "triggers": self._triggers,
        }

    async def answer(self, request: Request) -> Any:
        """The result of one request; raises InputError for one that is wrong."""
        operation = self._operations.get(request.get("op", ""))
        if operation is None:
            there = ", ".join((*self._operations, "watch"))
            raise InputError(f"there is no operation {request.get('op')!r}; there are {there}")
        return await operation(request)

    async def stats(self) -> dict[str, Any]:
        """The counters, read between two packets."""
        found: dict[str, Any] = await self._on_loop(self._stats)
        return found

    async def follow_scripts(self) -> None:
        """Put user scripts in force again whenever their files change; until cancelled."""
        while True:
            await asyncio.sleep(_SCRIPTS_S)
            try:
                if await asyncio.to_thread(self._scripts.poll, self._clock_ns()):
                    await self._change(self._scripts.apply, "scripts-loaded", {"author": "file"})
            except InputError as error:  # what it asks for is impossible here; the rules in force stay
                self._log.warning("script", text=f"{error}\nthe version before stays in force")
            except RaftmonError as error:
                await self._on_loop(functools.partial(self._fail, error))
                return

    async def _on_loop(self, work: Callable[[], Any]) -> Any:
        return await asyncio.wrap_future(self._post(work))

    async def _change(self, make: Callable[[RuleSet], RuleSet], event: str, request: Request, **fields: Any) -> RuleSet:
        """Replace the rules in force; two users' changes come one after the other."""
        async with self._changing:
            # Parsing a thousand rules takes a while: not on the loop's thread, and other users are answered meanwhile.
            after = await asyncio.to_thread(self._prepared, make, self._engine.ruleset)

            def swap() -> None:
                self._engine.load(after, self._clock_ns())
                self._refresh()

            await self._on_loop(swap)
        self._log.info(event, author=_author(request), rules=len(after), **fields)
        return after

    def _prepared(self, make: Callable[[RuleSet], RuleSet], before: RuleSet) -> RuleSet:
        after = make(before)
        for link in self._links:
            after.for_link(link)  # worked out here and kept, so that the swap itself is short
        return after

    async def _when(self, request: Request) -> Any:
        """Arm ``trigger``; when it fires, ``rule`` (if given) comes into force, under the trigger's name unless it
        has its own. Answers with the trigger's name.
        """
        if self._messages is None:
            raise InputError("this monitor reads no messages, so nothing can be waited for")
        messages, loop = self._messages, asyncio.get_running_loop()
        text, rule = request.get("trigger"), request.get("rule")
        if not isinstance(text, str) or not isinstance(rule, str | dict | None):
            raise InputError("when takes a trigger as text and a rule as text or object")
        trigger = parse_trigger(text, self._names)
        if rule is not None:
            await asyncio.to_thread(messages.check, with_items(self._engine.ruleset, [rule]))

        async def act(armed: Armed, given: str | Request) -> None:
            try:
                named = rule_from_item(given, self._names)
                named = named if named.name else dataclasses.replace(named, name=armed.name)
                await self._change(lambda rules: rules.with_rule(named), "trigger-fired", request, trigger=text)
                armed.reaction_ns = self._clock_ns() - (armed.fired_ns or 0)
            except InputError as error:
                self._log.warning("trigger-failed", trigger=text, error=str(error))

        def fired(armed: Armed) -> None:
            if rule is not None:
                loop.call_soon_threadsafe(start, act(armed, rule))

        def start(work: Coroutine[Any, Any, None]) -> None:
            task = loop.create_task(work)
            self._tasks.add(task)  # a task that nobody holds may vanish
            task.add_done_callback(self._tasks.discard)

        def arm() -> Armed:
            armed = messages.arm(trigger, self._clock_ns(), fired)
            self._engine.load(self._engine.ruleset, self._clock_ns())  # so that every link is looked at
            self._refresh()
            return armed

        armed: Armed = await self._on_loop(arm)
        return armed.name

    async def _triggers(self, _request: Request) -> Any:
        if self._messages is None:
            return []
        watch = self._messages.watch

        def states() -> list[dict[str, Any]]:
            watch.expire(self._clock_ns())
            return [armed.to_json() for armed in watch.armed.values()]

        return await self._on_loop(states)

    async def _rules(self, _request: Request) -> Any:
        return ruleset_to_items(self._engine.ruleset)

    async def _set(self, request: Request) -> Any:
        items = request.get("rules")
        if not isinstance(items, list):
            raise InputError('"set" needs "rules", a list of rules')
        for number, item in enumerate(items, 1):
            if not isinstance(item, str | dict):
                raise InputError(f"rule {number} is neither an object nor one line of text")

        def make(before: RuleSet) -> RuleSet:
            # Numbered from the start: whoever sets the same lines again has the same names, whose counts go on.
            return with_items(dataclasses.replace(_script_rules(before), numbered=0), items)

        after = await self._change(make, "rules-set", request, items=items[:50])
        return [rule.name for rule in after]

    async def _add(self, request: Request) -> Any:
        item = request.get("rule")
        if not isinstance(item, str | dict):
            raise InputError('"add" needs "rule": an object or one line of text')
        if isinstance(item, str) and (waiting := split_waiting(item)) is not None:
            trigger, rule = waiting
            return await self._when({**request, "trigger": trigger, "rule": rule})
        known: set[str] = set()

        def make(before: RuleSet) -> RuleSet:
            known.clear()
            known.update(rule.name for rule in before)
            return with_items(before, [item])

        after = await self._change(make, "rule-added", request, rule=item)
        return next(rule.name for rule in after if rule.name not in known)  # rules of scripts stand behind it

    async def _remove(self, request: Request) -> Any:
        name = request.get("name")
        if not isinstance(name, str):
            raise InputError('"remove" needs "name", the name of a rule')
        if self._messages is not None and all(rule.name != name for rule in self._engine.ruleset):
            watch = self._messages.watch  # no rule has that name: it may be one that waits, or waited
            if await self._on_loop(lambda: watch.disarm(name)):
                self._log.info("trigger-removed", author=_author(request), name=name)
                return name
        await self._change(lambda before: before.without(name), "rule-removed", request, name=name)
        return name

    async def _heal(self, request: Request) -> Any:
        count = len(self._engine.ruleset)
        after = await self._change(_script_rules, "rules-healed", request)
        return count - len(after)

    async def _get_stats(self, _request: Request) -> Any:
        return await self.stats()

    async def _pause(self, request: Request) -> Any:
        return await self._pausing(request, True)

    async def _resume(self, request: Request) -> Any:
        return await self._pausing(request, False)

    async def _pausing(self, request: Request, paused: bool) -> Any:
        def switch() -> None:
            self._set_paused(paused)
            self._refresh()

        await self._on_loop(switch)
        self._log.info("paused" if paused else "resumed", author=_author(request))
        return paused

    async def _end(self, request: Request) -> Any:
        self._log.info("stop-asked", author=_author(request))
        self._stop()
        return None


def _author(request: Request) -> str:
    return str(request.get("author") or "somebody")[:100]


def _script_rules(ruleset: RuleSet) -> RuleSet:
    """The rules that user scripts brought: they leave with their script, not with the network's faults."""
    kept = tuple(rule for rule in ruleset if not rule.action.parsable)
    return RuleSet(kept, ruleset.names, ruleset.numbered)
