"""The linearization as one offline page: ``raftmon check --html FILE``.

Operations are bars by process or by key, with the order found as dots and lines on them and the point where it broke
in red. The page draws on one canvas and only what is in view, so that 10,000 operations stay smooth; it loads nothing.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from raftmon.driver.checkers.base import Result, combine
from raftmon.driver.histories.model import History
from raftmon.driver.report.drawing import Drawing, lay_out
from raftmon.driver.report.offline import SIGNS, embedded_json, web, whole_page
from raftmon.driver.report.pictures.kinds import picture
from raftmon.setup.errors import InputError

__all__ = ["render_page", "write_page"]


def render_page(history: History, results: Sequence[Result], title: str = "history") -> str:
    """The whole page as text. Results of any checkers may be given; those of linearizability bring the order."""
    drawing = lay_out(history, results)
    return _filled(drawing, history, results, title)


def write_page(history: History, results: Sequence[Result], target: Path) -> None:
    """Write the page; raises InputError if ``target`` cannot be written."""
    title = history.meta.source.name if history.meta.source is not None else target.stem
    try:
        target.write_text(render_page(history, results, title), encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            f"--html: {target} cannot be written ({error.strerror}): name a file in a folder you own"
        ) from error


def _filled(drawing: Drawing, history: History, results: Sequence[Result], title: str) -> str:
    verdict = combine(results).value
    rows = "".join(
        f'<li><b class="{result.valid.value}">{html.escape(result.checker)}: {result.valid.value}</b> '
        f"{html.escape(result.sentence)}</li>"
        for result in results
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in drawing.notes)
    shown = next(
        (r.counterexample.timeline for r in results if r.counterexample is not None and r.counterexample.timeline), ""
    )
    parts = {
        "TITLE": html.escape(title),
        "VERDICT": verdict,
        "SIGN": SIGNS[verdict],
        "COUNT": f"{len(drawing.rows):,}",
        "CHECKERS": rows,
        "NOTES": notes,
        "PICTURES": "".join(picture(result.as_json(), history, drawing.origin_ns) for result in results),
        "TIMELINE": f'<pre tabindex="0">{html.escape(shown)}</pre>' if shown else "",
    }
    # one pass over the template, so that nothing inside the data is taken for a place to fill
    pieces = web("linearization.html").split("@@")
    body = "".join(parts.get(piece, "") if number % 2 else piece for number, piece in enumerate(pieces))
    data = embedded_json({"rows": drawing.rows, "keys": drawing.keys, "break_ns": drawing.break_ns})
    return whole_page(
        f"{title}: {verdict}",
        body,
        styles=("report.css", "linearization.css"),
        scripts=("linearization.js",),
        data=("data", data),
    )
