"""From ``--fault`` text (or a TOML file) to a list of planned faults: a pure function of configuration and seed.

none
kill-leader                             at a time of its own, spread evenly over the run
partial-partition@10s..20s              from second 10 to second 20 of the workload
kill-leader@75%..85%                    in parts of the workload's duration
slow-links(delay=100ms)@5s..10s         with options
compact@every 500ms                     again and again for the whole run (faults with the option ``every``)
compact,move-leader@every 500ms         both: it counts for those before it that have no time and can be repeated
kill-leader@when(MsgSnap -> n3)..3s     when that is seen, for 3 s (message_rules/trigger_words.py lists triggers)
schedule.toml                           [[fault]] name = "kill-leader", start = "5s", stop = "9s"
                                        [[fault]] name = "kill-leader", when = "term > 5", for = "3s"
random                                  drawn by the seed; --mtbf says how often
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from raftmon.driver.faults.kind import FaultKind
from raftmon.driver.quantities import duration_s
from raftmon.monitor.message_rules.trigger_words import parse_trigger
from raftmon.setup.errors import InputError

__all__ = ["PlannedFault", "check_triggers", "plan_faults"]

_ENTRY = re.compile(
    r"(?P<name>[A-Za-z][\w-]*|[^()@,]+\.py(?::\w+)?)(?:\((?P<options>[^()]*)\))?"
    r"(?:@when\((?P<when>.*)\)\.\.(?P<lasting>[^()]+)|@every\s+(?P<every>[^@,]+)|@(?!when\()(?!every\b)(?P<start>[^.@,]+(?:\.\d+)?[^.@,]*)\.\.(?P<stop>.+))?"
)


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One fault of the plan; times in seconds from the start of the workload.

    With ``when`` it starts when that trigger fires: then ``start_s`` is 0, where the wait begins, and ``stop_s`` is how
    long it lasts.
    """

    name: str
    start_s: float
    stop_s: float
    options: Mapping[str, str] = field(default_factory=dict)
    when: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For config.json; ``when`` only where there is one."""
        found = asdict(self)
        if self.when is None:
            del found["when"]
        return found


def _split(text: str) -> Iterator[str]:
    """Split at commas that are not inside parentheses."""
    depth, word = 0, ""
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            yield word.strip()
            word = ""
        else:
            word += letter
    yield word.strip()


def _every_shared(words: Sequence[str], kind_of: Callable[[str], FaultKind]) -> list[str]:
    """``a,b,c@every 500ms`` repeats all three: it counts for those right before it that have no time and can repeat."""
    shared: list[str] = []
    every: str | None = None
    for word in reversed(words):
        match = _ENTRY.fullmatch(word)
        if match and match["every"] is not None:
            every = match["every"].strip()
        elif every and match and _repeatable(match, kind_of):
            if "every" not in _options(match["options"], word):
                word = f"{word}@every {every}"
        else:
            every = None
        shared.append(word)
    return shared[::-1]


def _repeatable(match: re.Match[str], kind_of: Callable[[str], FaultKind]) -> bool:
    return match["start"] is None and match["when"] is None and "every" in kind_of(match["name"]).options


def _moment(text: str, run_s: float, what: str) -> float:
    text = text.strip()
    if text.endswith("%"):
        try:
            return float(text[:-1]) / 100 * run_s
        except ValueError:
            raise InputError(f"--fault {what}: {text!r} is not a time: write 10s or 50%") from None
    return duration_s(text, f"--fault {what}")


def _options(text: str | None, what: str) -> dict[str, str]:
    options = {}
    for part in filter(None, (text or "").split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"--fault {what}: the option {part.strip()!r} has no value: write (name=value)")
        options[name.strip()] = value.strip()
    return options


def check_triggers(faults: Sequence[PlannedFault], hosts: Sequence[str]) -> None:
    """Raise InputError for the first fault whose trigger cannot be read or names none of ``hosts``."""
    for fault in faults:
        if fault.when is not None:
            try:
                parse_trigger(fault.when, hosts)
            except InputError as error:
                raise InputError(f"--fault {fault.name}: {error}") from error


def _triggered(name: str, when: str, lasting: str, options: dict[str, str], run_s: float, what: str) -> PlannedFault:
    lasts_s = _moment(lasting, run_s, what)
    return PlannedFault(name, 0.0, min(lasts_s, run_s), options, when.strip().removeprefix("when ").strip())


def _spread(index: int, count: int, run_s: float) -> tuple[float, float]:
    """The window of a fault without times: the middle third for one, else an even share of 1/4 to 9/10."""
    if count == 1:
        return run_s / 3, 2 * run_s / 3
    share = 0.65 * run_s / count
    start = 0.25 * run_s + index * share
    return start, start + 0.7 * share


def _from_toml(path: Path, kind_of: Callable[[str], FaultKind], run_s: float) -> list[PlannedFault]:
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"--fault {path}: the schedule cannot be read ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"--fault {path}: this is not TOML: {error}") from error
    entries = table.get("fault")
    if not isinstance(entries, list):
        raise InputError(f"--fault {path}: it has no [[fault]] entries")
    planned = []
    for number, entry in enumerate(entries, 1):
        what = f"{path}, [[fault]] {number}"
        if "name" not in entry:
            raise InputError(f"--fault {what}: it has no name")
        kind_of(str(entry["name"]))
        if "when" in entry or "for" in entry:
            planned.append(_triggered_entry(entry, run_s, what))
            continue
        default_start, default_stop = _spread(number - 1, len(entries), run_s)
        start = _moment(str(entry["start"]), run_s, what) if "start" in entry else default_start
        stop = _moment(str(entry["stop"]), run_s, what) if "stop" in entry else max(default_stop, start)
        options = {k: str(v) for k, v in entry.items() if k not in ("name", "start", "stop")}
        planned.append(_checked(PlannedFault(entry["name"], start, stop, options), run_s))
    return planned


def _triggered_entry(entry: Mapping[str, Any], run_s: float, what: str) -> PlannedFault:
    for word, other in (("when", "for"), ("for", "when")):
        if other not in entry:
            raise InputError(f'--fault {what}: {word} needs {other}: write when = "term > 5" and for = "3s"')
    if "start" in entry or "stop" in entry:
        raise InputError(f"--fault {what}: it has a trigger and a time: leave out when and for, or start and stop")
    options = {k: str(v) for k, v in entry.items() if k not in ("name", "when", "for")}
    return _triggered(entry["name"], str(entry["when"]), str(entry["for"]), options, run_s, what)


def _checked(fault: PlannedFault, run_s: float) -> PlannedFault:
    if not 0 <= fault.start_s <= fault.stop_s:
        raise InputError(f"--fault {fault.name}: it would stop at {fault.stop_s:g} s, before its start")
    if fault.start_s >= run_s:
        raise InputError(
            f"--fault {fault.name}: it would start at {fault.start_s:g} s, after the workload's {run_s:g} s"
        )
    return PlannedFault(fault.name, fault.start_s, min(fault.stop_s, run_s), fault.options)


def _random_plan(known: Sequence[str], run_s: float, mtbf_s: float, random: Random) -> list[PlannedFault]:
    """One fault after another; exponential gaps of mean ``mtbf_s`` (Poisson arrivals), each lasting 1 s to mtbf."""
    planned = []
    now = min(random.expovariate(1 / mtbf_s), run_s / 3)  # a short run, too, shall have one
    while now < 0.9 * run_s:
        last = min(now + random.uniform(1.0, max(1.0, mtbf_s)), 0.95 * run_s)
        planned.append(PlannedFault(random.choice(list(known)), round(now, 3), round(last, 3)))
        now = last + random.expovariate(1 / mtbf_s)
    return planned


def plan_faults(
    text: str,
    kind_of: Callable[[str], FaultKind],
    run_s: float,
    *,
    seed: str = "0",
    mtbf_s: float = 5.0,
    random_from: Sequence[str] = (),
) -> list[PlannedFault]:
    """The faults of a run in the order of their start.

    ``kind_of`` gives a name's row, or raises InputError; ``random_from`` are the names that ``random`` may draw.
    Whether the hosts in triggers exist is ``check_triggers``' to say. Raises InputError.
    """
    text = text.strip()
    if text in ("", "none"):
        return []
    if text.endswith(".toml"):
        planned = _from_toml(Path(text), kind_of, run_s)
        check_triggers(planned, ())
        return sorted(planned, key=lambda fault: fault.start_s)
    if text == "random":
        return _random_plan(random_from, run_s, mtbf_s, Random(f"{seed}/faults"))
    words = _every_shared([word for word in _split(text) if word], kind_of)
    planned = []
    for index, word in enumerate(words):
        match = _ENTRY.fullmatch(word)
        if not match:
            raise InputError(
                f"--fault: {word!r} is not understood: write NAME, NAME@10s..20s, NAME@when(TRIGGER)..3s or "
                "NAME(option=value)"
            )
        kind = kind_of(match["name"])
        if match["when"] is not None:
            options = _options(match["options"], word)
            planned.append(_triggered(match["name"], match["when"], match["lasting"], options, run_s, word))
            continue
        if match["every"] is not None:
            options = {**_options(match["options"], word), "every": match["every"].strip()}
            if "every" not in kind.options:
                raise InputError(f"--fault {word}: {match['name']} is not done again and again: give it @START..STOP")
            planned.append(PlannedFault(match["name"], 0.0, run_s, options))
            continue
        if match["start"] is None:
            start, stop = _spread(index, len(words), run_s)
            if kind.window is not None:
                start, stop = (part * run_s for part in kind.window)
        else:
            start, stop = (_moment(match[side], run_s, word) for side in ("start", "stop"))
        planned.append(_checked(PlannedFault(match["name"], start, stop, _options(match["options"], word)), run_s))
    check_triggers(planned, ())
    return sorted(planned, key=lambda fault: fault.start_s)
