"""The top of the report: the verdict in a sentence, what is to blame, what to do next, and how far to trust it."""

from __future__ import annotations

import html
import shlex
from pathlib import Path
from typing import Any

__all__ = ["conditions", "summary"]

_OPTIONS = (("faults", "--fault"), ("workload", "--workload"), ("seed", "--seed"), ("nodes", "--nodes"))
_CHECKLIST = (
    ("queue_kernel_dropped", "packets dropped by the kernel queue"),
    ("queue_user_dropped", "packets dropped on their way to the monitor"),
    ("truncated", "packets cut short"),
    ("inject_failed", "packets that could not be sent"),
    ("hold_overflow", "packets that found no room to be held"),
    ("own_errors", "errors of the monitor's own"),
)


def summary(folder: Path, results: dict[str, Any], config: dict[str, Any]) -> str:
    """HTML of the sentence, the blame and the commands."""
    verdict = str(results.get("valid", "unknown"))
    word = verdict.upper() if results else "NO VERDICT YET"
    parts = [f'<p class="verdict {html.escape(verdict)}"><b>{html.escape(word)}.</b> {_sentence(results)}</p>']
    blame = results.get("blame")
    if blame:
        parts.append(f"<p><b>Blame:</b> {html.escape(str(blame))}</p>")
    commands = "\n".join(_commands(folder, verdict, config))
    parts.append(f"<h2>What to do next</h2><pre>{html.escape(commands)}</pre>")
    return "".join(parts)


def conditions(results: dict[str, Any]) -> str:
    """HTML of the rules with their counts and of the monitor's fidelity as a checklist."""
    monitor = results.get("monitor")
    return _rules(monitor) + _fidelity(monitor) if isinstance(monitor, dict) else ""


def _sentence(results: dict[str, Any]) -> str:
    """What the verdict rests on: the reasons where it is not valid, else the first sentences."""
    checkers = results.get("checkers")
    verdict = results.get("valid")
    said = [
        str(found.get("sentence", ""))
        for found in (checkers.values() if isinstance(checkers, dict) else ())
        if isinstance(found, dict) and verdict != "valid" and found.get("valid") == verdict
    ]
    said = said or [str(one) for one in results.get("sentences") or []][:2]
    said = [one.removeprefix(f"{verdict}: ") for one in said]
    said += [str(one) for one in results.get("reasons") or []]
    nothing = "every check passed" if results else "the run has not been checked yet"
    return html.escape("; ".join(one for one in said if one) or nothing)


def _commands(folder: Path, verdict: str, config: dict[str, Any]) -> list[str]:
    where = shlex.quote(str(folder))
    found = [
        f"raftmon timeline {where}",
        f"raftmon messages {where}",
        f"raftmon check {where} --html linearization.html",
        f"raftmon export {where} --perfetto trace.json",
        f"raftmon replay {where}",
    ]
    if verdict == "invalid":
        found.insert(0, f"raftmon shrink {where}")
    if config.get("system"):
        again = ["raftmon", "run", "--system", config["system"]]
        for name, option in _OPTIONS:
            if config.get(name) not in (None, ""):
                again += [option, config[name]]
        again += [word for rule in config.get("rules") or [] for word in ("--rule", rule)]
        if isinstance(config.get("duration_s"), int | float):
            again += ["--duration", f"{float(config['duration_s']):g}"]
        found.append(shlex.join(str(word) for word in again))
    return found


def _rules(monitor: dict[str, Any]) -> str:
    rules = monitor.get("rules")
    if isinstance(rules, dict):
        rules = [{"name": name, **counts} for name, counts in rules.items() if isinstance(counts, dict)]
    rules = [rule for rule in rules or [] if isinstance(rule, dict)]
    if not rules:
        return ""
    columns = list(dict.fromkeys(name for rule in rules for name, value in rule.items() if _plain(value)))[:8]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(rule.get(name, '')))}</td>" for name in columns) + "</tr>"
        for rule in rules
    )
    return f'<h2>Rules</h2><div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _fidelity(monitor: dict[str, Any]) -> str:
    rows = []
    for name, words in _CHECKLIST:
        count = monitor.get(name)
        if isinstance(count, int):
            good = count == 0
            mark = f'<b class="{"valid" if good else "invalid"}">{"✓ ok" if good else "✗ not ok"}</b>'
            rows.append(f"<tr><td>{mark}</td><td>{html.escape(words)}</td><td>{count:,}</td></tr>")
    return f"<h2>Fidelity of the monitor</h2><table>{''.join(rows)}</table>" if rows else ""
