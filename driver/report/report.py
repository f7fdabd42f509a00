"""A run's ``report.html``: what was run, the verdict, and how clients fared, as one offline page.

All of it comes from the files in the run's folder; a file that is missing or torn leaves its part out.
"""

from __future__ import annotations

import html
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.histories.formats import read_history
from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation
from raftmon.driver.report.charts import Axis, fault_chart, latency_chart, service_chart
from raftmon.driver.report.offline import SIGNS, embedded_json, web, whole_page
from raftmon.driver.report.outages import outage_sentences
from raftmon.driver.report.pictures.kinds import picture
from raftmon.driver.report.story import build_story
from raftmon.driver.report.summary import conditions, summary
from raftmon.setup.errors import InputError, RaftmonError

__all__ = ["render_report", "write_report"]

MAX_OPERATIONS = 500_000  # of a longer history the charts show every k-th operation


def write_report(run_folder: Path) -> Path:
    """Write ``report.html`` into the run's folder and return its path; raises RaftmonError if it cannot."""
    target = run_folder / "report.html"
    try:
        target.write_text(render_report(run_folder), encoding="utf-8")
    except OSError as error:
        raise RaftmonError(f"the report {target} cannot be written: {error.strerror}") from error
    return target


def render_report(run_folder: Path) -> str:
    """The page as text.

    Raises InputError if ``run_folder`` is no folder; nothing else about it can make it fail.
    """
    if not run_folder.is_dir():
        raise InputError(f"there is no run in {run_folder}: name a run's folder")
    plan = _json(run_folder / "config.json")
    results = _json(run_folder / "results.json")
    monitor = _json(run_folder / "monitor.json")
    history, trouble = _history(run_folder)
    operations = _thinned(history)
    faults = [fault for fault in results.get("faults") or [] if isinstance(fault, dict)]
    config = plan.get("config") if isinstance(plan.get("config"), dict) else plan
    verdict = str(results.get("valid", "unknown"))
    title = f"{run_folder.parent.name}/{run_folder.name}"
    story = build_story(run_folder, results)
    story["command_run"] = run_folder.name
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        summary(run_folder, results),
        "".join(f'<p class="hint">{html.escape(note)}</p>' for note in story["notes"]),
        _went_wrong(results, history),
        _blame(results),
        _outages(story),
        web("story.html"),
        conditions(results),
        _verdict(results, history),
        _availability(results),
        "<details><summary>The same as fixed pictures, without scripts</summary>",
        _charts(operations, faults, results, trouble),
        "</details>",
        _operation_table(results),
        _messages(run_folder / "messages.sqlite"),
        "<details><summary>Everything the monitor counted</summary>",
        _section("Monitor", _pairs(monitor), "there is no monitor.json"),
        "</details>",
        _section("Configuration", _pairs(config or {}), "there is no config.json"),
    ]
    return whole_page(
        f"{title}: {verdict}",
        "\n".join(parts),
        styles=("report.css",),
        scripts=("axis.js", "leaders.js", "rows.js", "space.js", "story.js"),
        data=("story", embedded_json(story)),
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _history(folder: Path) -> tuple[History | None, str]:
    try:
        return read_history(folder / "history.jsonl"), ""
    except RaftmonError as error:
        return None, str(error)


def _thinned(history: History | None) -> Sequence[Operation]:
    if history is None:
        return ()
    columns = history.columns
    return [columns.operation(row) for row in range(0, len(columns), max(1, -(-len(columns) // MAX_OPERATIONS)))]


def _section(title: str, body: str, missing: str) -> str:
    return f"<h2>{title}</h2>" + (body or f'<p class="missing">{html.escape(missing)}</p>')


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    listed = ["<tr>" + "".join(f"<td>{html.escape(_text(cell))}</td>" for cell in row) + "</tr>" for row in rows]
    if not listed:
        return ""
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    return f'<div class="wide" tabindex="0"><table><tr>{heads}</tr>{"".join(listed)}</table></div>'


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, (dict, list)):
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode() if value else ""
    return str(value)


def _pairs(values: dict[str, Any]) -> str:
    return _table(
        ("name", "value"), ((name, value) for name, value in values.items() if value not in (None, [], {}, ""))
    )


def _went_wrong(results: dict[str, Any], history: History | None) -> str:
    """What the checkers that said *invalid* found, with pictures: it comes before everything else."""
    found = [one for one in _checkers(results) if one.get("valid") == "invalid"]
    return f"<h2>What went wrong</h2>{_told(found, results, history)}" if found else ""


def _verdict(results: dict[str, Any], history: History | None) -> str:
    """The other checkers, and what made the verdict unknown."""
    others = [one for one in _checkers(results) if one.get("valid") != "invalid"]
    reasons = "".join(
        f'<p class="unknown">{html.escape(str(reason))}</p>'
        for reason in [results.get("error"), *(results.get("reasons") or [])]
        if reason
    )
    body = _told(others, results, history) + reasons
    if not body and _checkers(results):
        return ""
    return _section("Checks", body, "there are no results: the run may not have ended")


def _checkers(results: dict[str, Any]) -> list[dict[str, Any]]:
    found = results.get("checkers")
    listed = found.items() if isinstance(found, dict) else ()
    return [{"checker": name, **one} for name, one in listed if isinstance(one, dict)]


def _told(checkers: Sequence[dict[str, Any]], results: dict[str, Any], history: History | None) -> str:
    """Sentence, picture and timeline of each."""
    began_ns = results.get("began_ns")
    parts = []
    for result in checkers:
        word = html.escape(str(result.get("valid", "unknown")))
        parts.append(
            f'<p><b class="{word}">{SIGNS.get(word, "")} {html.escape(str(result["checker"]))}: {word}</b>. '
            f"{html.escape(str(result.get('sentence', '')).removeprefix(f'{word}: '))}</p>"
        )
        parts.append(picture(result, history, began_ns if isinstance(began_ns, int) else None))
        found = result.get("counterexample")
        if isinstance(found, dict) and found.get("timeline"):
            parts.append(f'<pre tabindex="0">{html.escape(str(found["timeline"]))}</pre>')
    return "".join(parts)


def _outages(story: dict[str, Any]) -> str:
    """When nobody was served, and why, as far as the wire says."""
    told = "".join(f"<li>{html.escape(one)}</li>" for one in outage_sentences(story))
    return f"<h2>Outages</h2><ul>{told}</ul>" if told else ""


def _blame(results: dict[str, Any]) -> str:
    """The witnesses of each anomaly side by side, and who is to blame; nothing where nothing is wrong."""
    parts = []
    for one in results.get("explanations") or []:
        if not isinstance(one, dict):
            continue
        columns = []
        for name in ("clients", "wire", "nodes"):
            lines = one.get(name) if isinstance(one.get(name), list) else []
            columns.append("<td>" + "<br><br>".join(html.escape(str(line)) for line in lines or []) + "</td>")
        parts.append(
            f"<p>{html.escape(str(one.get('anomaly', '')))}</p>"
            '<div class="wide" tabindex="0"><table class="witnesses"><thead><tr><th>Clients were told</th>'
            "<th>On the wire</th><th>Nodes and disks</th></tr></thead>"
            f"<tbody><tr>{''.join(columns)}</tr></tbody></table></div>"
            f"<p><b>Blame:</b> {html.escape(str(one.get('blame', '')))}</p>"
        )
    return _section("Who is to blame", "".join(parts), "") if parts else ""


def _availability(results: dict[str, Any]) -> str:
    checkers = results.get("checkers") if isinstance(results.get("checkers"), dict) else {}
    details = ((checkers or {}).get("availability") or {}).get("details") or {}
    rows = [
        (
            one.get("node"),
            one.get("window") or "outside of faults",
            one.get("operations"),
            "" if one.get("share") is None else f"{100 * one['share']:.1f}%",
            one.get("longest_gap_ms"),
            one.get("first_failure_ms"),
            one.get("first_success_ms"),
        )
        for one in details.get("served") or []
        if isinstance(one, dict)
    ]
    head = (
        "node",
        "when",
        "operations",
        "answered",
        "longest gap (ms)",
        "fault to failure (ms)",
        "heal to answer (ms)",
    )
    label = f"<p><b>{html.escape(str(details['label']))}</b></p>" if details.get("label") else ""
    return _section("Availability", label + _table(head, rows) if rows else "", "no availability was measured")


def _charts(
    operations: Sequence[Operation], faults: Sequence[dict[str, Any]], results: dict[str, Any], trouble: str
) -> str:
    times = [operation.call_ns for operation in operations]
    times += [operation.return_ns for operation in operations if operation.return_ns is not None]
    times += [fault[name] for fault in faults for name in ("start_ns", "stop_ns") if isinstance(fault.get(name), int)]
    if not times:
        return _section("Over time", "", trouble or "no operation was recorded")
    began = results.get("began_ns")
    axis = Axis(began if isinstance(began, int) and began <= max(times) else min(times), max(times))
    charts = [
        ("Faults", fault_chart(faults, axis)),
        (
            "Operations answered, by node (red: none, green: all; faults behind)",
            service_chart(operations, faults, axis),
        ),
        ("Latency of what was answered", latency_chart(operations, faults, axis)),
    ]
    return "".join(f"<h2>{title}</h2>{chart}" for title, chart in charts if chart)


def _operation_table(results: dict[str, Any]) -> str:
    table = results.get("operations") if isinstance(results.get("operations"), dict) else {}
    rows = []
    for name, counts in (table or {}).items():
        if isinstance(counts, dict):
            latency = counts.get("latency_ms") or {}
            columns = [counts.get(word) for word in ("ok", "fail", "info")]
            rows.append((name, *columns, *(latency.get(word) for word in ("p50", "p99", "max"))))
    head = ("operation", "ok", "fail", "info", "p50 (ms)", "p99 (ms)", "max (ms)")
    return _section("Operations", _table(head, rows), "nothing was counted")


def _messages(path: Path) -> str:
    """Counts by kind; the database is only read."""
    rows: list[tuple[Any, ...]] = []
    if path.is_file():
        try:
            database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)
            try:
                rows = database.execute(
                    "SELECT kind, COUNT(*), SUM(size), SUM(delivered = 0) FROM messages GROUP BY kind ORDER BY 2 DESC"
                ).fetchall()
            finally:
                database.close()
        except sqlite3.Error as error:
            return _section("Raft messages", "", f"messages.sqlite cannot be read: {error}")
    head = ("kind", "messages", "bytes", "not delivered")
    return _section("Raft messages", _table(head, rows), "no messages were decoded")
