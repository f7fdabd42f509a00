"""What can be asked of a live monitor, and changed in it. The protocol is in docs/architecture.md.

Requests come on the server's thread (``raftmon.monitor.control.server``); a change is made on the loop's thread,
between two packets, and is in force when its answer leaves.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from raftmon.monitor.control.live_monitor import LiveMonitor
from raftmon.monitor.control.message_operations import MessageOperations
from raftmon.monitor.control.request import Request, author
from raftmon.monitor.control.role_rules import with_current_roles
from raftmon.monitor.message_rules.trigger_words import parse_trigger, split_waiting
from raftmon.monitor.message_rules.triggers import Armed
from raftmon.monitor.rules.actions.kinds import Kill, Pause
from raftmon.monitor.rules.conditions import Always
from raftmon.monitor.rules.language import write_rule
from raftmon.monitor.rules.roles import named_roles, with_roles
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.monitor.rules.scripts import Scripts
from raftmon.monitor.rules.serialization import rule_from_item, ruleset_to_items, with_items
from raftmon.setup.errors import InputError, RaftmonError
from raftmon.setup.eventlog import EventLog

__all__ = ["Control", "Request"]

_SCRIPTS_S = 0.25


class Control:
    """What the operations do with the live monitor. ``scripts`` are followed as their files change; ``of_roles`` are
    rules about roles that take effect as soon as somebody leads.
    """

    def __init__(self, live: LiveMonitor, scripts: Scripts, log: EventLog, of_roles: Sequence[Rule] = ()) -> None:
        self._of_roles = list(of_roles)
        self._live = live
        self._scripts = scripts
        self._log = log
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        messages = MessageOperations(live, log)
        self._operations: dict[str, Callable[[Request], Awaitable[Any]]] = {
            "rules": self._rules,
            "set": self._set,
            "add": self._add,
            "remove": self._remove,
            "heal": self._heal,
            "stats": self._get_stats,
            "flush": self._flush,
            "pause": self._pause,
            "resume": self._resume,
            "stop": self._end,
            "when": self._when,
            "triggers": self._triggers,
            "held": messages.held,
            "release": messages.release,
            "deliver": messages.deliver,
            "nodes": self._nodes,
            "acts": self._acts,
        }

    async def answer(self, request: Request) -> Any:
        """The result of one request; raises InputError for one that is wrong."""
        operation = self._operations.get(request.get("op", ""))
        if operation is None:
            there = ", ".join((*self._operations, "watch"))
            raise InputError(f"unknown operation {request.get('op')!r} (available: {there})")
        return await operation(request)

    async def stats(self) -> dict[str, Any]:
        """The counters, read between two packets."""
        found: dict[str, Any] = await self._live.on_loop(self._live.read_counters)
        return found

    async def follow_scripts(self) -> None:
        """Put user scripts in force again whenever their files change; until cancelled."""
        while True:
            await asyncio.sleep(_SCRIPTS_S)
            try:
                await self._put_roles_in_force()
                if await asyncio.to_thread(self._scripts.poll, self._live.clock_ns()):
                    await self._change(self._scripts.apply, "scripts-loaded", {"author": "file"})
            except InputError as error:  # what it asks for is impossible here; the rules in force stay
                self._log.warning("script", text=f"{error}\nthe version before stays in force")
            except RaftmonError as error:
                await self._live.on_loop(functools.partial(self._live.fail, error))
                return

    async def _change(self, make: Callable[[RuleSet], RuleSet], event: str, request: Request, **fields: Any) -> RuleSet:
        """Replace the rules in force; two users' changes come one after the other."""
        async with self._changing:
            # Parsing a thousand rules takes a while: not on the loop's thread, and other users are answered meanwhile.
            after = await asyncio.to_thread(self._prepared, make, self._live.ruleset)
            await self._live.on_loop(functools.partial(self._live.load, after))
        self._log.info(event, author=author(request), rules=len(after), **fields)
        return after

    def _prepared(self, make: Callable[[RuleSet], RuleSet], before: RuleSet) -> RuleSet:
        after = make(before)
        for link in self._live.links:
            after.for_link(link)  # worked out here and kept, so that the swap itself is short
        return after

    async def _when(self, request: Request) -> Any:
        """Arm ``trigger``; when it fires, ``rule`` (if given) takes effect, under the trigger's name unless it
        has its own. Answers with the trigger's name.
        """
        if self._live.messages is None:
            raise InputError("this monitor reads no messages, so nothing can be waited for")
        messages, loop = self._live.messages, asyncio.get_running_loop()
        text, rule = request.get("trigger"), request.get("rule")
        if not isinstance(text, str) or not isinstance(rule, str | dict | None):
            raise InputError("when takes a trigger as text and a rule as text or object")
        trigger = parse_trigger(text, self._live.names)
        if rule is not None:
            checked = rule_from_item(rule, self._live.ruleset.names)
            if not named_roles(checked, self._live.names):
                await asyncio.to_thread(messages.check, with_items(self._live.ruleset, [checked]))
                if self._live.nodes is not None:
                    self._live.nodes.check(RuleSet((checked,)))

        async def act(armed: Armed, given: str | Request) -> None:
            try:
                named = await with_current_roles(self._live, rule_from_item(given, self._live.ruleset.names))
                named = named if named.name else dataclasses.replace(named, name=armed.name)
                if any(one.name == named.name for one in self._live.ruleset):  # it fired before: all starts again
                    await self._change(
                        lambda rules: rules.without(named.name), "rule-removed", request, name=named.name
                    )
                await self._change(lambda rules: rules.with_rule(named), "trigger-fired", request, trigger=text)
                armed.reaction_ns = self._live.clock_ns() - (armed.fired_ns or 0)
            except InputError as error:
                self._log.warning("trigger-failed", trigger=text, error=str(error))

        at_once = None if rule is None else self._signal_of(rule)

        def fired(armed: Armed) -> None:
            if at_once is not None:  # on the loop's thread: no rule need take effect for it
                name = at_once.name or armed.name
                if self._live.nodes is not None and isinstance(at_once.action, Kill | Pause):
                    self._live.nodes.act(at_once.action, at_once.action.node, name, armed.fired_ns or 0)
                    armed.reaction_ns = self._live.clock_ns() - (armed.fired_ns or 0)
            elif rule is not None:
                loop.call_soon_threadsafe(start, act(armed, rule))

        def start(work: Coroutine[Any, Any, None]) -> None:
            task = loop.create_task(work)
            self._tasks.add(task)  # a task that nobody holds may vanish
            task.add_done_callback(self._tasks.discard)

        armed: Armed = await self._live.on_loop(functools.partial(self._live.arm, messages, trigger, fired))
        return armed.name

    async def _triggers(self, _request: Request) -> Any:
        if self._live.messages is None:
            return []
        watch = self._live.messages.watch

        def states() -> list[dict[str, Any]]:
            watch.expire(self._live.clock_ns())
            return [armed.to_json() for armed in watch.armed.values()]

        return await self._live.on_loop(states)

    async def _put_roles_in_force(self) -> None:
        """Rules about roles that were there from the start, as soon as somebody leads."""
        if self._of_roles and self._live.leaders is not None:
            roles = await asyncio.to_thread(self._live.leaders.now)
            if roles is not None:
                waiting, self._of_roles = self._of_roles, []
                there = [with_roles(rule, roles.leader, roles.followers) for rule in waiting]
                lines = [write_rule(rule) for rule in there]
                await self._change(
                    lambda before: before.with_rules(there), "rule-added", {"author": "start"}, rule=lines
                )

    def _signal_of(self, item: str | Request) -> Rule | None:
        """A rule that does nothing but kill or pause a node, whatever passes: that needs no packet to wait for."""
        rule = rule_from_item(item, self._live.ruleset.names)
        plain = isinstance(rule.match, Always) and rule == Rule(rule.name, rule.match, rule.action)
        signals = isinstance(rule.action, Kill | Pause) and rule.action.node not in ("source", "target")
        return rule if plain and signals and not named_roles(rule, self._live.names) else None

    async def _nodes(self, request: Request) -> Any:
        node, pid, started = (request.get(key) for key in ("node", "pid", "started"))
        if not isinstance(node, str) or not isinstance(pid, int) or not isinstance(started, int):
            raise InputError('"nodes" needs "node", "pid" and "started", its start in clock ticks since boot')
        if self._live.nodes is not None:
            await self._live.on_loop(functools.partial(self._live.nodes.know, node, pid, started))
        return node

    async def _acts(self, _request: Request) -> Any:
        return [] if self._live.nodes is None else [act.to_json() for act in list(self._live.nodes.acts)]

    async def _rules(self, _request: Request) -> Any:
        return ruleset_to_items(self._live.ruleset)

    async def _set(self, request: Request) -> Any:
        items = request.get("rules")
        if not isinstance(items, list):
            raise InputError('"set" needs "rules", a list of rules')
        for number, item in enumerate(items, 1):
            if not isinstance(item, str | dict):
                raise InputError(f"rule {number} is neither an object nor one line of text")

        rules = [await with_current_roles(self._live, rule_from_item(item, self._live.ruleset.names)) for item in items]

        def make(before: RuleSet) -> RuleSet:
            # Numbered from the start: whoever sets the same lines again has the same names, whose counts go on.
            return with_items(dataclasses.replace(_script_rules(before), numbered=0), rules)

        after = await self._change(make, "rules-set", request, items=items[:50])
        return [rule.name for rule in after]

    async def _add(self, request: Request) -> Any:
        item = request.get("rule")
        if not isinstance(item, str | dict):
            raise InputError('"add" needs "rule": an object or one line of text')
        if isinstance(item, str) and (waiting := split_waiting(item)) is not None:
            return await self._when({**request, "trigger": waiting[0], "rule": waiting[1]})
        asked = rule_from_item(item, self._live.ruleset.names)
        rule = await with_current_roles(self._live, asked)
        known: set[str] = set()

        def make(before: RuleSet) -> RuleSet:
            known.clear()
            known.update(rule.name for rule in before)
            return before.with_rule(rule)

        after = await self._change(make, "rule-added", request, rule=item if rule == asked else write_rule(rule))
        return next(rule.name for rule in after if rule.name not in known)  # rules of scripts stand behind it

    async def _remove(self, request: Request) -> Any:
        name = request.get("name")
        if not isinstance(name, str):
            raise InputError('"remove" needs "name", the name of a rule')
        if self._live.messages is not None and all(rule.name != name for rule in self._live.ruleset):
            watch = self._live.messages.watch  # no rule has that name: it may be one that waits, or waited
            if await self._live.on_loop(lambda: watch.disarm(name)):
                self._log.info("trigger-removed", author=author(request), name=name)
                return name
        await self._change(lambda before: before.without(name), "rule-removed", request, name=name)
        return name

    async def _heal(self, request: Request) -> Any:
        count = len(self._live.ruleset)
        after = await self._change(_script_rules, "rules-healed", request)
        return count - len(after)

    async def _get_stats(self, _request: Request) -> Any:
        return await self.stats()

    async def _flush(self, request: Request) -> Any:
        """Let every delayed packet go now; answers with how many there were."""
        count = await self._live.on_loop(self._live.flush)
        self._log.info("flushed", author=author(request), packets=count)
        return count

    async def _pause(self, request: Request) -> Any:
        return await self._pausing(request, True)

    async def _resume(self, request: Request) -> Any:
        return await self._pausing(request, False)

    async def _pausing(self, request: Request, paused: bool) -> Any:
        await self._live.on_loop(functools.partial(self._live.pause, paused))
        self._log.info("paused" if paused else "resumed", author=author(request))
        return paused

    async def _end(self, request: Request) -> Any:
        self._log.info("stop-asked", author=author(request))
        self._live.stop()
        return None


def _script_rules(ruleset: RuleSet) -> RuleSet:
    """The rules that user scripts brought: they leave with their script, not with the network's faults."""
    kept = tuple(rule for rule in ruleset if not rule.action.parsable)
    return RuleSet(kept, ruleset.names, ruleset.numbered)
