"""The linearization as one offline page: ``raftmon check --html FILE``.

Operations are bars by process or by key, with the order found as dots and lines on them and the point where it broke
in red. The page draws on one canvas and only what is in view, so that 10,000 operations stay smooth; it loads nothing.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.checkers.base import Result, combine
from raftmon.driver.histories.model import History
from raftmon.driver.report.drawing import Drawing, lay_out
from raftmon.setup.errors import InputError

__all__ = ["embedded_json", "render_page", "write_page"]


def embedded_json(value: Any) -> str:
    """JSON that may stand in a page's script element: nothing in it can end that element."""
    text = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def render_page(history: History, results: Sequence[Result], title: str = "history") -> str:
    """The whole page as text. Results of any checkers may be given; those of linearizability bring the order."""
    drawing = lay_out(history, results)
    return _filled(drawing, results, title)


def write_page(history: History, results: Sequence[Result], target: Path) -> None:
    """Write the page; raises InputError if ``target`` cannot be written."""
    title = history.meta.source.name if history.meta.source is not None else target.stem
    try:
        target.write_text(render_page(history, results, title), encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            f"--html: {target} cannot be written ({error.strerror}): name a file in a folder you own"
        ) from error


def _filled(drawing: Drawing, results: Sequence[Result], title: str) -> str:
    template = files("raftmon.driver.report").joinpath("page.html").read_text(encoding="utf-8")
    verdict = combine(results).value
    rows = "".join(
        f'<li class="{result.valid.value}"><b>{html.escape(result.checker)}</b> {html.escape(result.sentence)}</li>'
        for result in results
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in drawing.notes)
    picture = next(
        (r.counterexample.timeline for r in results if r.counterexample is not None and r.counterexample.timeline), ""
    )
    data = {
        "rows": drawing.rows,
        "keys": drawing.keys,
        "break_ns": drawing.break_ns,
    }
    parts = {
        "TITLE": html.escape(title),
        "VERDICT": verdict,
        "COUNT": str(len(drawing.rows)),
        "CHECKERS": rows,
        "NOTES": notes,
        "TIMELINE": f"<pre>{html.escape(picture)}</pre>" if picture else "",
        "DATA": embedded_json(data),
    }
    # one pass over the template, so that nothing inside the data is taken for a place to fill
    pieces = template.split("@@")
    return "".join(parts.get(piece, "") if number % 2 else piece for number, piece in enumerate(pieces))
