"""The results of experiments as one SVG: bars as long as clients were without answers. Pure."""

from __future__ import annotations

import html
import statistics
from collections.abc import Sequence

from raftmon.driver.experiments.rounds import Played
from raftmon.driver.experiments.tables import by_cell

__all__ = ["picture"]

LEFT, ROW, HEAD, GAP, BAR = 150, 30, 78, 14, 9
DURING, AFTER, LINE = "#b3402e", "#e0a030", "#555"


def picture(rows: Sequence[Played], cut_s: float) -> str:
    """Small multiples: a column per system, a row per scenario.

    Each cell has two bars, the median outage while cut and after the heal, on one scale; a thin line spans the least
    and the most.
    """
    cells = by_cell(rows)
    scenarios = list(dict.fromkeys(row.scenario for row in rows))
    systems = list(dict.fromkeys(row.system for row in rows))
    width = max(110, 900 // max(len(systems), 1))
    most_ms = max([cut_s * 1000, *(one.outage_ms for runs in cells.values() for one in runs)])
    scale = (width - GAP) / most_ms
    parts = [_words(12, 18, "Longest time without an answer to any client (median; line: least to most)", "title")]
    parts.append(f'<rect x="12" y="27" width="12" height="9" fill="{DURING}"/>' + _words(28, 35, "while links are cut"))
    parts.append(f'<rect x="152" y="27" width="12" height="9" fill="{AFTER}"/>' + _words(168, 35, "after the heal"))
    parts.append(_words(270, 35, f"full width: {most_ms / 1000:.1f} s"))
    for column, system in enumerate(systems):
        x = LEFT + column * width
        name, _, version = system.partition("@")
        parts.append(_words(x, HEAD - 20, name, "system") + _words(x, HEAD - 7, version))
        parts.append(f'<line x1="{x}" x2="{x}" y1="{HEAD}" y2="{HEAD + ROW * len(scenarios)}" stroke="#ccc"/>')
    for line, scenario in enumerate(scenarios):
        y = HEAD + line * ROW
        parts.append(_words(12, y + 18, scenario))
        for column, system in enumerate(systems):
            runs = cells.get((scenario, system), [])
            x = LEFT + column * width
            if not runs:
                parts.append(_words(x + 4, y + 18, "–"))
                continue
            during, after = [one.outage_ms for one in runs], [one.outage_after_ms for one in runs]
            title = f"{scenario}, {system}: {len(runs)} runs"
            parts.append(_bar(x, y + 4, during, scale, DURING, f"{title}, while cut"))
            parts.append(_bar(x, y + 15, after, scale, AFTER, f"{title}, after the heal"))
    full = LEFT + width * len(systems) + 12, HEAD + ROW * len(scenarios) + 12
    style = (
        "text{font:11px system-ui,sans-serif;fill:#222}.title{font-size:13px;font-weight:600}.system{font-weight:600}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full[0]} {full[1]}" role="img">'
        f"<title>How long clients had no answer, by scenario and system</title><style>{style}</style>"
        f'<rect width="{full[0]}" height="{full[1]}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _words(x: float, y: float, text: str, kind: str = "") -> str:
    shown = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{shown}>{html.escape(text)}</text>'


def _bar(x: float, y: float, values_ms: Sequence[float], scale: float, color: str, title: str) -> str:
    median = statistics.median(values_ms)
    least, most = x + min(values_ms) * scale, x + max(values_ms) * scale
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{max(median * scale, 1):.1f}" height="{BAR}" fill="{color}">'
        f"<title>{html.escape(title)}: {median / 1000:.2f} s</title></rect>"
        f'<line x1="{least:.1f}" x2="{most:.1f}" y1="{y + BAR / 2:g}" y2="{y + BAR / 2:g}" stroke="{LINE}"/>'
    )
