"""What all pictures share: a time axis over named rows, as SVG text. Everything that comes from a run is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raftmon.driver.histories.operation import Operation
from raftmon.driver.report.charts import WIDTH, Axis

__all__ = ["Frame", "examples_of", "frame_of", "label"]

ROW = 24
_MARGIN = 0.04


@dataclass(slots=True)
class Frame:
    """One picture: rows of ``ROW`` units below each other, times (CLOCK_MONOTONIC ns) across."""

    axis: Axis
    parts: list[str] = field(default_factory=list)
    rows: int = 0

    def row(self, name: str, height: int = 1) -> float:
        """A further row; the middle of it."""
        top = self.rows * ROW
        self.rows += height
        self.parts.append(f'<text x="4" y="{top + 16}" class="name">{label(name, 17)}</text>')
        return top + height * ROW / 2

    def bar(self, y: float, from_ns: float, to_ns: float, kind: str, title: str, text: str = "") -> None:
        """A bar on a row; ``text`` is written in it where there is room."""
        left, right = self.axis.x(from_ns), self.axis.x(to_ns)
        wide = max(right - left, 2)
        self.parts.append(
            f'<rect x="{left:.1f}" width="{wide:.1f}" y="{y - 8:.1f}" height="16" class="{kind}">'
            f"<title>{label(title, 300)}</title></rect>"
        )
        if text and wide > 6.5 * len(text):
            self.parts.append(f'<text x="{left + 4:.1f}" y="{y + 4:.1f}" class="in">{label(text)}</text>')

    def mark(self, y: float, time_ns: float, shape: str, title: str) -> None:
        """A sign at a time: ``yes`` (filled), ``no`` (hollow), ``bad`` (a cross), ``at`` (a line)."""
        x = self.axis.x(time_ns)
        tag, drawn = {
            "yes": ("circle", f'cx="{x:.1f}" cy="{y:.1f}" r="4"'),
            "no": ("circle", f'cx="{x:.1f}" cy="{y:.1f}" r="4"'),
            "bad": ("path", f'd="M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10"'),
            "at": ("path", f'd="M{x:.1f} {y - 10:.1f}v20"'),
        }[shape]
        self.parts.append(f'<{tag} {drawn} class="{shape}"><title>{label(title, 300)}</title></{tag}>')

    def band(self, from_ns: float, to_ns: float, title: str) -> None:
        """A time that is marked through all rows so far."""
        left, right = self.axis.x(from_ns), self.axis.x(to_ns)
        self.parts.append(
            f'<rect x="{left:.1f}" width="{max(right - left, 2):.1f}" y="0" height="{self.rows * ROW}" class="fault">'
            f"<title>{label(title, 300)}</title></rect>"
        )

    def svg(self, title: str, legend: str = "") -> str:
        """The picture with its axis and title; what a screen reader says of it is the title."""
        height = self.rows * ROW
        said = f"<figcaption>{label(title, 300)}{f' <span>{label(legend, 300)}</span>' if legend else ''}</figcaption>"
        return (
            f'<figure>{said}<svg viewBox="0 0 {WIDTH} {height + 18}" role="img" aria-label="{label(title, 300)}">'
            f"{self.axis.ticks(height)}{''.join(self.parts)}</svg></figure>"
        )


def label(value: Any, most: int = 60) -> str:
    """Escaped, one line, cut at ``most`` characters."""
    text = " ".join(str(value).split())
    return html.escape(text if len(text) <= most else f"{text[: most - 1]}…")


def frame_of(operations: Iterable[Operation], zero_ns: int | None, also_ns: Iterable[int] = ()) -> Frame | None:
    """A frame over the times of these operations; None if there is none."""
    times = [*also_ns]
    for operation in operations:
        times += [operation.call_ns] if operation.return_ns is None else [operation.call_ns, operation.return_ns]
    if not times:
        return None
    margin = max(int((max(times) - min(times)) * _MARGIN), 1000)
    return Frame(Axis(min(times) - margin, max(times) + margin, min(times) if zero_ns is None else zero_ns))


def examples_of(result: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The findings that a checker's result gives as examples."""
    details = result.get("details")
    found = details.get("examples") if isinstance(details, Mapping) else None
    return [one for one in found or () if isinstance(one, Mapping)]
