"""The top of the report: the verdict in a sentence, what is to blame, what to do next, and how far to trust it."""

from __future__ import annotations

import html
import shlex
from pathlib import Path
from typing import Any

from raftmon.driver.report.offline import SIGNS

__all__ = ["conditions", "summary"]

_MOST_BLAMED = 3
_RECEIPTS = {"confirmed": ("valid", "✓"), "mismatch": ("invalid", "✗")}
_COLUMNS = {"packets": "matched", "hits": "acted on", "name": "rule"}
_CHECKLIST = (
    ("queue_kernel_dropped", "packets dropped by the kernel queue"),
    ("queue_user_dropped", "packets dropped on their way to the monitor"),
    ("truncated", "packets cut short"),
    ("inject_failed", "packets that could not be sent"),
    ("hold_overflow", "packets that found no room to be held"),
    ("own_errors", "errors of the monitor's own"),
)


def summary(folder: Path, results: dict[str, Any]) -> str:
    """HTML of the sentence, the blame and the commands."""
    verdict = str(results.get("valid", "unknown"))
    word = verdict.upper() if results else "NO VERDICT YET"
    sign = SIGNS.get(verdict, "")
    parts = [f'<p class="verdict {html.escape(verdict)}"><b>{sign} {html.escape(word)}.</b> {_sentence(results)}</p>']
    explained = [one for one in results.get("explanations") or [] if isinstance(one, dict)]
    blamed = dict.fromkeys(str(one["blame"]) for one in explained if one.get("blame"))
    parts += [f"<p><b>Blame:</b> {html.escape(one)}</p>" for one in list(blamed)[:_MOST_BLAMED]]
    commands = "".join(
        f"<dt>{html.escape(why)}</dt><dd>{html.escape(command)}</dd>" for why, command in _commands(folder, verdict)
    )
    parts.append(f"<h2>What to do next</h2><dl>{commands}</dl>")
    return "".join(parts)


def conditions(results: dict[str, Any]) -> str:
    """HTML of the faults with their receipts, the rules with their counts, the monitor's fidelity as a checklist."""
    monitor = results.get("monitor")
    return _faults(results) + (_rules(monitor) + _fidelity(monitor) if isinstance(monitor, dict) else "")


def _faults(results: dict[str, Any]) -> str:
    """What each fault did, by its own words and by its receipt from packets."""
    began_ns = results.get("began_ns")
    rows = []
    for fault in results.get("faults") or []:
        if not isinstance(fault, dict):
            continue
        receipt = fault.get("receipt")
        receipt = receipt if isinstance(receipt, dict) else {"verdict": receipt} if receipt else {}
        word = str(receipt.get("verdict") or "none")
        mark = _RECEIPTS.get(word, ("unknown", "?"))
        times = " to ".join(_at(fault.get(name), began_ns) for name in ("start_ns", "stop_ns"))
        said = (fault.get("name"), times, fault.get("did") or fault.get("error") or "")
        cells = "".join(f"<td>{html.escape(str(one))}</td>" for one in said)
        shown = receipt.get("sentence") or receipt.get("shown_by") or fault.get("shown_by") or ""
        told = f'<td class="{mark[0]}">{mark[1]} {html.escape(word)}</td><td>{html.escape(str(shown))}</td>'
        rows.append(f"<tr>{cells}{told}</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("fault", "when", "what it did", "receipt", "shown by"))
    return (
        f'<h2>Faults</h2><div class="wide" tabindex="0"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
        if rows
        else ""
    )


def _at(time_ns: Any, began_ns: Any) -> str:
    return f"{(time_ns - began_ns) / 1e9:.3f} s" if isinstance(time_ns, int) and isinstance(began_ns, int) else "?"


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


def _commands(folder: Path, verdict: str) -> list[tuple[str, str]]:
    """(why, command): what leads on from this verdict, then what every run has."""
    where = shlex.quote(str(folder))
    invalid = [
        ("see what clients, wire and stores say of each anomaly", f"raftmon explain {where}"),
        ("leave out what the failure does not need", f"raftmon shrink {where}"),
        ("check again, with the operations that cannot be linearized", f"raftmon check {where} --explain"),
    ]
    unknown = [("see what the monitor and the run measured", f"raftmon check {where}")]
    return [
        *{"invalid": invalid, "unknown": unknown}.get(verdict, []),
        ("draw the linearization", f"raftmon check {where} --html linearization.html"),
        ("read the run as text", f"raftmon timeline {where}"),
        ("list its messages", f"raftmon messages {where}"),
        ("run the same plan again, and see what differs", f"raftmon replay {where}"),
        ("run the same configuration and seed again", f"raftmon run --replay {where}"),
        ("open it in ui.perfetto.dev", f"raftmon export {where} --perfetto trace.json"),
    ]


def _rules(monitor: dict[str, Any]) -> str:
    rules = monitor.get("rules")
    if isinstance(rules, dict):
        rules = [{"name": name, **counts} for name, counts in rules.items() if isinstance(counts, dict)]
    rules = [rule for rule in rules or [] if isinstance(rule, dict)]
    if not rules:
        return ""
    columns = list(dict.fromkeys(name for rule in rules for name, value in rule.items() if _plain(value)))[:8]
    head = "".join(f"<th>{html.escape(_COLUMNS.get(name, name))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(rule.get(name, '')))}</td>" for name in columns) + "</tr>"
        for rule in rules
    )
    return f'<h2>Rules</h2><div class="wide" tabindex="0"><table><tr>{head}</tr>{body}</table></div>'


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
