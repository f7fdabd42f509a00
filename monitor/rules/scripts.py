"""Rules in Python: files of plain functions or classes with well-known names, loaded again when they change.

``packet(view)`` judges a packet, ``message(view)`` a Raft message; ``configure(context)``, ``started()`` and ``done()``
are called when they are there. A module-level ``match = "n1->n2 port 2380"`` restricts ``packet`` to what it says, so
that other links cost nothing; in a file without ``packet`` it restricts ``message``. Classes with a ``packet`` or
``message`` method are instantiated once, without arguments, and may have the same names as attributes and methods; a
list ``addons`` of objects replaces that search.
"""

from __future__ import annotations

import inspect
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from raftmon.monitor.rules.actions.kinds import Call, MessageCall
from raftmon.monitor.rules.conditions import ALWAYS
from raftmon.monitor.rules.language import parse_match
from raftmon.monitor.rules.rule import Rule, RuleSet
from raftmon.monitor.rules.user_code import UserCodeError, trimmed_traceback
from raftmon.setup.errors import InputError
from raftmon.setup.old_imports import import_advice
from raftmon.setup.topology import Link

__all__ = ["Context", "Scripts"]

_POLL_NS = 250_000_000
_JUDGING = ("packet", "message")


@dataclass(frozen=True, slots=True)
class Context:
    """The argument of ``configure(context)``.

    ``names`` are the hosts, ``links`` the links of the run, ``options`` what the user set, ``note(text)`` writes a line
    into the run's event log. ``random`` is seeded by the run's seed and the script's name.
    """

    names: tuple[str, ...]
    links: tuple[Link, ...]
    options: Mapping[str, str]
    random: random.Random
    note: Callable[[str], None]


@dataclass(slots=True)
class _Script:
    """One file as it was last loaded: its judging objects by rule name."""

    path: Path
    stamp: tuple[int, int] | None = None
    module: ModuleType | None = None
    parts: dict[str, Any] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()


class Scripts:
    """All rules files of a run. ``note(text)`` shows something to the user (a broken new version, a failing hook).

    The constructor reads the files and calls ``configure``; it raises InputError, with a trimmed traceback, for a file
    that cannot be used. With ``strict``, a hook that raises later raises UserCodeError.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        names: Sequence[str] = (),
        links: Sequence[Link] = (),
        seed: str = "",
        options: Mapping[str, str] | None = None,
        note: Callable[[str], None] = lambda text: None,
        strict: bool = False,
    ) -> None:
        self._names = tuple(names)
        self._links = tuple(links)
        self._seed = seed
        self._options = dict(options or {})
        self._note = note
        self._strict = strict
        self._polled_ns: int | None = None
        self._started = False
        self._scripts = [_Script(Path(path)) for path in paths]
        stems = [script.path.stem for script in self._scripts]
        for stem in stems:
            if stems.count(stem) > 1:
                raise InputError(f"two rules files are called {stem}: their rules need different names; rename one")
        for script in self._scripts:
            self._load(script)

    def rules(self) -> tuple[Rule, ...]:
        """One rule for each ``packet`` and ``message``, named after its file (and class), in the order of the files.

        Where one file or class has both, ``.message`` is added to the name of the second.
        """
        return tuple(rule for script in self._scripts for rule in script.rules)

    def apply(self, ruleset: RuleSet) -> RuleSet:
        """``ruleset`` with the scripts' rules, as they are now, behind its own. Raises InputError where names clash."""
        kept = tuple(rule for rule in ruleset if rule.action.parsable)
        out = RuleSet(kept, ruleset.names, ruleset.numbered)
        for rule in self.rules():
            out = out.with_rule(rule)
        return out

    def started(self) -> None:
        """Call every ``started()``: packets are judged from now on."""
        self._started = True
        for script in self._scripts:
            self._call_all(script, "started")

    def done(self) -> None:
        """Call every ``done()``: the run is over."""
        for script in self._scripts:
            self._call_all(script, "done")

    def poll(self, now_ns: int) -> bool:
        """Load again what has changed on disk; whether the rules changed (then ``apply`` and load them).

        Looks at the files at most four times a second. A new version that cannot be loaded leaves the old one in force
        and is noted once.
        """
        if self._polled_ns is not None and now_ns - self._polled_ns < _POLL_NS:
            return False
        self._polled_ns = now_ns
        changed = False
        for script in self._scripts:
            stamp = _stamp(script.path)
            if stamp is not None and stamp != script.stamp:
                changed = self._reload(script) or changed
        return changed

    def _reload(self, script: _Script) -> bool:
        old = _Script(script.path, script.stamp, script.module, script.parts, script.rules)
        script.stamp = _stamp(script.path)  # a broken version is tried, and noted, once
        try:
            self._load(script)
        except InputError as error:
            self._note(f"{error}\nthe version before stays in force")
            return False
        self._call_all(old, "done")
        if self._started:
            self._call_all(script, "started")
        self._note(f"{script.path}: loaded again")
        return True

    def _load(self, script: _Script) -> None:
        """Read, run and configure the file; on failure ``script`` keeps what it had and InputError is raised."""
        path = script.path
        script.stamp = _stamp(path)
        try:
            source = path.read_bytes()
        except OSError as error:
            raise InputError(f"the rules file {path} cannot be read: {error.strerror}") from error
        module = ModuleType(f"raftmon_rules_{path.stem}")
        module.__file__ = str(path)
        before = sys.modules.get(module.__name__)
        sys.modules[module.__name__] = module  # dataclasses and pickle look their module up there
        try:
            exec(compile(source, str(path), "exec"), module.__dict__)
            parts = dict(_parts(module, path.stem))
            if not parts:
                raise InputError(f"the rules file {path} has neither packet(view) nor message(view): add one")
            for name, part in parts.items():
                self._configure(name, part)
            rules = tuple(rule for name, part in parts.items() for rule in self._rules(name, part))
        except (Exception, SystemExit) as error:
            if before is not None:
                sys.modules[module.__name__] = before
            else:
                del sys.modules[module.__name__]
            if isinstance(error, InputError):
                raise InputError(f"{path}: {error}") from error
            advice = import_advice(error)
            because = f": {advice}" if advice else ""
            raise InputError(f"the rules file {path} cannot be used{because}\n{trimmed_traceback(error)}") from error
        script.module, script.parts, script.rules = module, parts, rules

    def _rules(self, name: str, part: Any) -> Iterator[Rule]:
        condition = getattr(part, "match", None)
        match = parse_match(condition, self._names) if isinstance(condition, str) else ALWAYS
        packet, message = (callable(getattr(part, judging, None)) for judging in _JUDGING)
        if packet:
            if match.stage == "message":
                raise InputError(
                    f"match = {condition!r} names messages, and packet(view) of {name} sees packets: "
                    "write message(view), in a class of its own if you need both"
                )
            yield Rule(name, match, Call(part.packet))
        if message:
            yield Rule(f"{name}.message" if packet else name, ALWAYS if packet else match, MessageCall(part.message))

    def _configure(self, name: str, part: Any) -> None:
        function = getattr(part, "configure", None)
        if callable(function):
            context = Context(
                self._names, self._links, self._options, random.Random(f"{self._seed}/{name}"), self._note
            )
            takes = inspect.signature(function).parameters
            function(context) if takes else function()

    def _call_all(self, script: _Script, hook: str) -> None:
        for name, part in script.parts.items():
            function = getattr(part, hook, None)
            if not callable(function):
                continue
            try:
                function()
            except (Exception, SystemExit) as error:
                text = f"{hook}() of {name} failed\n{trimmed_traceback(error)}"
                if self._strict:
                    raise UserCodeError(text) from error
                self._note(text)


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when the file does; None if it is not there (an editor may be replacing it)."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _parts(module: ModuleType, stem: str) -> Iterable[tuple[str, Any]]:
    """The objects that judge, by their rule's name."""
    addons = getattr(module, "addons", None)
    if addons is not None:
        for number, addon in enumerate(addons, 1):
            kind = type(addon).__name__
            same = sum(type(other).__name__ == kind for other in addons) > 1
            yield f"{stem}.{kind}{number if same else ''}", addon
        return
    if any(callable(getattr(module, name, None)) for name in _JUDGING):
        yield stem, module
    for name, value in vars(module).items():
        own = inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_")
        if own and any(callable(getattr(value, judging, None)) for judging in _JUDGING):
            yield f"{stem}.{name}", value()
