"""Transactions that would each have to come before the next, in a circle: the smallest graph that shows the anomaly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from raftmon.driver.report.pictures.frame import examples_of, label

__all__ = ["cycle_pictures"]

_MOST_PICTURES, _MOST_TRANSACTIONS = 4, 12
_WIDE, _LINES, _LINE, _LETTERS = 250, 3, 14, 38
_WORDS = {
    "ww": "ww: overwrote it",
    "wr": "wr: read it",
    "rw": "rw: did not see it",
    "process": "same process, later",
    "realtime": "real time: called after the return",
}


def cycle_pictures(result: Mapping[str, Any]) -> str:
    """A graph for each of the first anomalies of different names that are cycles."""
    drawn: dict[str, str] = {}
    for example in examples_of(result):
        graph, name = example.get("cycle"), str(example.get("name"))
        if isinstance(graph, Mapping) and name not in drawn and len(drawn) < _MOST_PICTURES:
            drawn[name] = _picture(name, graph, [str(step) for step in example.get("steps") or ()])
    return "".join(drawn.values())


def _picture(name: str, graph: Mapping[str, Any], steps: Sequence[str]) -> str:
    transactions = [(str(who), str(what)) for who, what in graph.get("transactions") or ()][:_MOST_TRANSACTIONS]
    edges = [edge for edge in graph.get("edges") or () if max(edge[0], edge[1]) < len(transactions)]
    count = len(transactions)
    if not count or not edges:
        return ""
    high = _LINE * (_LINES + 1) + 10
    across, down = (300, 60 + 34 * count) if count > 2 else (300, 0)
    middle = (500, down + high)
    places = []
    for number in range(count):
        turn = math.pi + 2 * math.pi * number / count if count == 2 else -math.pi / 2 + 2 * math.pi * number / count
        places.append((middle[0] + across * math.cos(turn), middle[1] + down * math.sin(turn)))
    parts = [
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" '
        'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" class="tip"/></marker></defs>'
    ]
    parts += [_edge(places[a], places[b], str(kind), high) for a, b, kind in edges]
    parts += [_box(place, who, what, high) for place, (who, what) in zip(places, transactions, strict=True)]
    said = f"{name}: {' before '.join([transactions[edge[0]][0] for edge in edges] + [transactions[edges[0][0]][0]])}"
    listed = "".join(f"<li>{label(step, 400)}</li>" for step in steps)
    return (
        f'<figure class="cycle"><figcaption>{label(said, 300)} <span>each must come before the next, which no order '
        f'allows</span></figcaption><svg viewBox="0 0 1000 {2 * middle[1]:.0f}" role="img" '
        f'aria-label="{label(said, 300)}">{"".join(parts)}</svg><ol>{listed}</ol></figure>'
    )


def _box(place: tuple[float, float], who: str, what: str, high: float) -> str:
    left, top = place[0] - _WIDE / 2, place[1] - high / 2
    lines = wrap(what, _LETTERS) or [""]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"{lines[_LINES - 1][: _LETTERS - 1]}…"]
    text = "".join(
        f'<text x="{left + 8:.0f}" y="{top + 30 + _LINE * number:.0f}" class="name">{label(line)}</text>'
        for number, line in enumerate(lines)
    )
    return (
        f'<rect x="{left:.0f}" y="{top:.0f}" width="{_WIDE}" height="{high}" rx="5" class="box">'
        f"<title>{label(what, 300)}</title></rect>"
        f'<text x="{left + 8:.0f}" y="{top + 16:.0f}" class="name who">{label(who, 30)}</text>{text}'
    )


def _edge(a: tuple[float, float], b: tuple[float, float], kind: str, high: float) -> str:
    """A bent arrow, so that two opposite ones do not lie on each other."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    far = math.hypot(dx, dy) or 1.0
    bend = (a[0] + b[0]) / 2 - dy / far * 60, (a[1] + b[1]) / 2 + dx / far * 60
    start, end = _border(a, bend, high), _border(b, bend, high)
    x, y = (start[0] + 2 * bend[0] + end[0]) / 4, (start[1] + 2 * bend[1] + end[1]) / 4
    known = kind if kind in _WORDS else "realtime"
    return (
        f'<path d="M{start[0]:.1f} {start[1]:.1f}Q{bend[0]:.1f} {bend[1]:.1f} {end[0]:.1f} {end[1]:.1f}" '
        f'class="edge {known}" marker-end="url(#tip)"/>'
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" class="name on">{label(_WORDS.get(kind, kind))}</text>'
    )


def _border(middle: tuple[float, float], towards: tuple[float, float], high: float) -> tuple[float, float]:
    """Where the line from a box's middle leaves the box."""
    dx, dy = towards[0] - middle[0], towards[1] - middle[1]
    share = min(_WIDE / 2 / abs(dx) if dx else math.inf, high / 2 / abs(dy) if dy else math.inf)
    return (middle[0], middle[1]) if math.isinf(share) else (middle[0] + dx * share, middle[1] + dy * share)
