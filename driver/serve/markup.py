"""What all pages of ``raftmon serve`` share: the frame, tables, verdicts, escaping."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

__all__ = ["SHAPES", "address", "page", "run_name", "table", "text", "verdict"]

SHAPES = {"valid": "✓", "invalid": "✗", "unknown": "?", "live": "●", "error": "!", "none": "–"}
"""A sign for each verdict: colour is never the only one."""


def text(value: Any) -> str:
    """Escaped; nothing for None."""
    return "" if value is None else html.escape(str(value))


def page(title: str, body: str) -> str:
    """The whole page: scripts and styles are files of the server's."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)} – raftmon</title>"
        '<link rel="stylesheet" href="/web/serve.css"><script src="/web/serve.js" defer></script></head>'
        '<body><a class="skip" href="#main">to the content</a><header><nav aria-label="store">'
        '<a href="/">raftmon: runs</a> <a href="/campaigns">sweeps and explorations</a> <a href="/live">live</a></nav> '
        f'<span>{text(title)}</span></header><main id="main">{body}</main></body></html>'
    )


def verdict(word: Any, label: str | None = None) -> str:
    """A verdict with its sign and colour; ``label`` instead of the word."""
    known = str(word) if word in SHAPES else "none"
    spoken = "" if label is None else f'<span class="spoken"> {known}</span>'
    return f'<span class="verdict {known}">{SHAPES[known]} {text(word if label is None else label)}{spoken}</span>'


def run_name(run: Mapping[str, Any]) -> str:
    """``NAME/TIME`` of a row of the list of runs."""
    return f"{run['name']}/{run['time']}"


def address(name: str, part: str = "") -> str:
    """The address of a run's page, or of a part of it."""
    return f"/run/{quote(name)}{part}"


def table(columns: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A table that scrolls where it is too wide or long."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{text(value)}</td>' for value in row)}</tr>" for row in rows)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
