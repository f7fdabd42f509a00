"""The pages of sweeps and explorations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from raftmon.driver.serve.campaigns import Campaign, Exploration, SweepTable
from raftmon.driver.serve.curves import Chart, Series
from raftmon.driver.serve.markup import SHAPES, address, page, table, text, verdict

__all__ = ["campaigns_page", "exploration_page", "sweep_page"]

_WORDS = ("valid", "invalid", "unknown", "error")
_COLOURS = {"valid": "good", "invalid": "bad", "unknown": "doubt", "error": "ink"}
_LISTED = 200


def campaigns_page(found: Sequence[Campaign]) -> str:
    """All sweeps and explorations of the store."""
    rows = "".join(
        f'<tr><td><a href="/campaign/{text(quote(one.name))}">{text(one.name)}</a></td><td>{one.kind}</td>'
        f"<td>{datetime.fromtimestamp(one.changed_s, UTC):%Y-%m-%d %H:%M:%S} UTC</td></tr>"
        for one in found
    )
    if not rows:
        words = "No sweep and no exploration yet: see <code>raftmon sweep</code> and <code>raftmon explore</code>."
        return page("campaigns", f"<h1>Campaigns</h1><p>{words}</p>")
    head = '<tr><th scope="col">name</th><th scope="col">kind</th><th scope="col">last written</th></tr>'
    return page("campaigns", f"<h1>Campaigns</h1><table><thead>{head}</thead><tbody>{rows}</tbody></table>")


def sweep_page(name: str, found: SweepTable, store: Path) -> str:
    """A sweep: verdicts by combination, and how runs fared in the order in which they were begun."""
    counts = Counter(str(row["verdict"]) for row in found.rows)
    said = ", ".join(f"{SHAPES.get(word, '–')} {counts[word]:,} {word}" for word in _WORDS if counts[word])
    more = "" if len(found.rows) == found.total else f" The first {len(found.rows):,} are shown."
    charts = "".join(chart.svg() for chart in _sweep_charts(found.rows))
    return page(
        name,
        f"<h1>Sweep {text(name)}</h1><p>{found.total:,} runs: {said or 'none yet'}.{more}</p>"
        f"{_matrix(found.rows)}<h2>Run by run</h2>{charts}{_bad_runs(found.rows, store)}",
    )


def _matrix(rows: Sequence[Mapping[str, Any]]) -> str:
    """Combinations down, faults across; in each cell how often each verdict came."""
    faults = list(dict.fromkeys(str(row["fault"]) for row in rows))
    cells: dict[tuple[str, ...], dict[str, Counter[str]]] = {}
    for row in rows:
        place = tuple(str(row[name]) for name in ("system", "workload", "topology", "nodes"))
        cells.setdefault(place, {}).setdefault(str(row["fault"]), Counter())[str(row["verdict"])] += 1
    head = "".join(f'<th scope="col">{text(one)}</th>' for one in ("system", "workload", "topology", "nodes", *faults))
    body = []
    for place, by_fault in cells.items():
        start = "".join(f'<th scope="row">{text(one)}</th>' for one in place)
        told = "".join(f"<td>{_cell(by_fault.get(fault, Counter()))}</td>" for fault in faults)
        body.append(f"<tr>{start}{told}</tr>")
    return (
        f'<h2>Verdicts</h2><div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _cell(counts: Counter[str]) -> str:
    return " ".join(verdict(word, f"{counts[word]}") for word in _WORDS if counts[word]) or "–"


def _sweep_charts(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """How many runs of each verdict so far; longest outage and 99th percentile of each run."""
    seen: Counter[str] = Counter()
    curves: dict[str, list[tuple[float, float, str]]] = {word: [(0, 0, "")] for word in _WORDS}
    for number, row in enumerate(rows, 1):
        seen[str(row["verdict"])] += 1
        for word in _WORDS:
            curves[word].append((number, seen[word], ""))
    charts = [Chart("Verdicts so far", "run", "runs", [])]
    charts[0].series = [Series(word, "line", curves[word], _COLOURS[word]) for word in _WORDS if seen[word]]
    for column, title in (("outage_ms", "Longest outage"), ("p99_ms", "99th percentile of latency")):
        made = Chart(title, "run", "ms", [])
        for word in _WORDS:
            points = [
                (
                    float(number),
                    float(row[column]),
                    f"{row['system']}, {row['workload']}, {row['fault']}: {row[column]:,g} ms",
                )
                for number, row in enumerate(rows, 1)
                if str(row["verdict"]) == word and isinstance(row[column], int | float)
            ]
            kind = {"valid": "dot", "invalid": "cross"}.get(word, "ring")
            made.series.append(Series(word, kind, points, _COLOURS[word]))
        charts.append(made)
    return charts


def _bad_runs(rows: Sequence[Mapping[str, Any]], store: Path) -> str:
    bad = [row for row in rows if row["verdict"] != "valid"]
    if not bad:
        return ""
    body = "".join(
        f"<tr><td>{row['number']}</td><td>{verdict(row['verdict'])}</td><td>{_link(row, store)}</td>"
        f"<td>{text(row['fault'])}</td><td>{text(row['seed'])}</td>"
        f"<td>{text(str(row['sentence'] or '')[:300])}</td></tr>"
        for row in bad[:_LISTED]
    )
    names = ("run", "verdict", "system, workload", "fault", "seed", "why")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    more = f"<p>{len(bad) - _LISTED:,} more are not shown.</p>" if len(bad) > _LISTED else ""
    return f"<h2>Not valid</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _link(row: Mapping[str, Any], store: Path) -> str:
    """The run's name, as a link where its folder is still in the store."""
    words = text(f"{row['system']}, {row['workload']}")
    path = Path(str(row["path"] or ""))
    if not row["path"] or not (store / path.parent.name / path.name).is_dir():
        return words
    return f'<a href="{text(address(f"{path.parent.name}/{path.name}"))}">{words}</a>'


def exploration_page(name: str, found: Exploration) -> str:
    """An exploration: states reached over time, violations on the curve, the schedules that reached most."""
    chart = Chart("States reached", "seconds", "states", [])
    trials = [trial for one in found.trials for trial in one]
    for number, one in enumerate(found.trials, 1):
        points = [(seconds, float(states), "") for _, seconds, states, _, _, _ in one]
        chart.series.append(Series(f"exploration {number}" if len(found.trials) > 1 else "states", "line", points))
    bad = [(seconds, float(states), f"{failing}: {how}") for _, seconds, states, _, failing, how in trials if failing]
    chart.series.append(Series("violation", "cross", bad, "bad"))
    new = sorted((trial for trial in trials if trial[3]), key=lambda trial: -trial[3])[:50]
    failing_rows = [(t, f"{s:.1f}", failing, how) for t, s, _, _, failing, how in trials if failing][:_LISTED]
    said = f"{len(trials):,} trials, {max((trial[2] for trial in trials), default=0):,} states, {len(bad)} violations"
    violations = (
        table(("trial", "seconds", "checkers", "schedule"), failing_rows) if failing_rows else "<p>None yet.</p>"
    )
    reached = table(("trial", "new states", "schedule"), [(trial[0], trial[3], trial[5]) for trial in new])
    return page(
        name,
        f"<h1>Exploration {text(name)}</h1><p>{said}.</p>{chart.svg()}<h2>Violations</h2>{violations}"
        f"<h2>Schedules that reached most that was new</h2>{reached}",
    )
