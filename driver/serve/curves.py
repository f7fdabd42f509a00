"""Curves and dots as SVG text, with round ticks on both axes. Labels are escaped."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Chart", "Series"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 900, 260, 62, 34, 14
_DASHES = ("", "7 4", "2 3", "10 3 2 3")


@dataclass(frozen=True, slots=True)
class Series:
    """One line (``kind`` line) or one kind of sign (``dot``, ``cross``, ``ring``); points are (x, y, what they say)."""

    name: str
    kind: str
    points: Sequence[tuple[float, float, str]]
    colour: str = "ink"


@dataclass(slots=True)
class Chart:
    """Several series over common axes, which begin at zero."""

    title: str
    x_label: str
    y_label: str
    series: list[Series] = field(default_factory=list)

    def svg(self) -> str:
        """The picture; empty where there is no point."""
        points = [point for one in self.series for point in one.points]
        if not points:
            return ""
        right, high = _limit(max(x for x, _, _ in points)), _limit(max(y for _, y, _ in points))
        parts = [*_ticks(right, high)]
        lines = 0
        for one in self.series:
            if one.kind == "line":
                path = "".join(
                    f"{'L' if n else 'M'}{_x(x, right):.1f} {_y(y, high):.1f}" for n, (x, y, _) in enumerate(one.points)
                )
                dash = _DASHES[lines % len(_DASHES)]
                lines += 1
                parts.append(f'<path d="{path}" class="curve {one.colour}" stroke-dasharray="{dash}"/>')
            else:
                parts += [_sign(one, _x(x, right), _y(y, high), said) for x, y, said in one.points]
        legend = ", ".join(self._legend())
        label = html.escape(f"{self.title}: {legend}")
        right_end = f'x="{_WIDTH - 4}" y="{_HEIGHT - 4}" text-anchor="end"'
        return (
            f"<figure><figcaption>{html.escape(self.title)} <span>{html.escape(legend)}</span></figcaption>"
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}'
            f'<text {right_end} class="tick">{html.escape(self.x_label)}</text>'
            f'<text x="4" y="10" class="tick">{html.escape(self.y_label)}</text></svg></figure>'
        )

    def _legend(self) -> Iterator[str]:
        """Each series with the sign or dashes that it is drawn with."""
        lines = 0
        for one in self.series:
            if one.points:
                yield f"{_LINES[lines % len(_LINES)] if one.kind == 'line' else _SIGNS[one.kind]} {one.name}"
            lines += one.kind == "line"


_SIGNS = {"dot": "●", "cross": "✕", "ring": "○"}
_LINES = ("——", "– –", "···", "–·–")  # as _DASHES


def _sign(one: Series, x: float, y: float, said: str) -> str:
    title = f"<title>{html.escape(said)}</title>"
    if one.kind == "cross":
        return f'<path d="M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10" class="curve {one.colour}">{title}</path>'
    kind = "ring" if one.kind == "ring" else "dot"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="{kind} {one.colour}">{title}</circle>'


def _limit(most: float) -> float:
    return most * 1.05 if most > 0 else 1.0


def _x(value: float, limit: float) -> float:
    return _LEFT + value / limit * (_WIDTH - _LEFT - 8)


def _y(value: float, limit: float) -> float:
    return _HEIGHT - _BOTTOM - value / limit * (_HEIGHT - _BOTTOM - _TOP)


def _steps(limit: float, count: int) -> list[float]:
    raw = limit / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(base * power for base in (1, 2, 5, 10) if base * power >= raw * 0.999)
    return [n * step for n in range(int(limit / step) + 1)]


def _ticks(right: float, high: float) -> list[str]:
    parts = []
    for value in _steps(right, 8):
        x = _x(value, right)
        parts.append(f'<path d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" class="grid"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 14}" text-anchor="middle" class="tick">{value:,g}</text>'
        )
    for value in _steps(high, 5):
        y = _y(value, high)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - 8}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" class="tick">{value:,g}</text>')
    return parts
