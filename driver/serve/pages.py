"""The pages: plain HTML, everything from outside escaped; scripts and styles are files beside this one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from raftmon.driver.serve.markup import address, page, run_name, table, text, verdict
from raftmon.driver.serve.query import Answer

__all__ = ["compare_page", "error_page", "run_page", "runs_page"]

_RUN_COLUMNS = ("verdict", "system", "workload", "fault", "nodes", "duration", "seed", "size_mb", "name", "time")


def runs_page(runs: Sequence[Mapping[str, Any]], where: str, error: str | None, total: int) -> str:
    """The table of runs, newest first, with a filter by expression and a search box."""
    head = "".join(f'<th scope="col"><button type="button">{text(name)}</button></th>' for name in _RUN_COLUMNS)
    rows = []
    for run in runs:
        cells = []
        for column in _RUN_COLUMNS:
            value = run.get(column)
            if column == "verdict":
                cells.append(f"<td>{verdict(value)}</td>")
            elif column == "time":
                cells.append(f'<td><a href="{text(address(run_name(run)))}">{text(value)}</a></td>')
            else:
                kind = ' class="number"' if isinstance(value, int | float) else ""
                cells.append(f"<td{kind}>{text(value)}</td>")
        rows.append(f'<tr><td><input type="checkbox" name="run" value="{text(run_name(run))}" '
                    f'aria-label="compare {text(run_name(run))}"></td>{"".join(cells)}</tr>')  # fmt: skip
    said = f'<p class="error" role="alert">{text(error)}</p>' if error else ""
    more = f"<p>{total - len(runs):,} older runs are not shown: narrow the expression.</p>" if total > len(runs) else ""
    return page(
        "runs",
        '<form method="get" action="/" class="bar"><label>where <input name="where" size="48" '
        f'placeholder=\'verdict = "invalid" and system = "nats"\' value="{text(where)}"></label>'
        '<button>filter</button> <label>search <input id="search" type="search"></label>'
        f'<output id="shown">{total:,} runs</output></form>{said}'
        '<form method="get" action="/compare"><button>compare the two that are ticked</button>'
        f'<table id="runs"><thead><tr><th scope="col">compare</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
        f"</form>{more}",
    )


def run_page(
    name: str,
    results: Mapping[str, Any],
    command: str,
    files: Sequence[tuple[str, int]],
    sql: str,
    answer: Answer | str | None,
    *,
    live: bool = False,
) -> str:
    """One run: verdict in words, its report, its files, the command that repeats it, and SQL over its records."""
    sentences = "".join(f"<li>{text(one)}</li>" for one in results.get("sentences") or [results.get("error") or ""])
    listed = "".join(
        f'<li><a href="{text(address(name, "/file/" + quote(path)))}">{text(path)}</a> {size:,} B</li>'
        for path, size in files
    )
    told = ""
    if isinstance(answer, str):
        told = f'<p class="error" role="alert">{text(answer)}</p>'
    elif answer is not None:
        more = "<p>There are more rows: the first 1,000 are shown.</p>" if answer.more else ""
        told = table(answer.columns, answer.rows) + more
    base = text(address(name))
    parts = {"report": "report", "linearization": "linearization", "zip": "one zip"}
    parts |= {"live": "live page"} if live else {}
    links = " · ".join(f'<a href="{base}/{part}">{words}</a>' for part, words in parts.items())
    return page(
        name,
        f"<h1>{verdict(results.get('valid', 'none'))}</h1><ul>{sentences}</ul>"
        f"<p>{links}</p>"
        f"<p>repeat it: <code>{text(command)}</code></p>"
        f'<h2>Ask its records</h2><form method="get" action="{base}"><label for="sql">SQL over operations, messages, '
        "entries, elections, states, changes, violations (read-only)</label>"
        f'<textarea id="sql" name="sql" rows="3">{text(sql)}</textarea><button>ask</button></form>{told}'
        f"<h2>Files</h2><ul>{listed}</ul>",
    )


def compare_page(names: tuple[str, str], rows: Iterable[tuple[str, Any, Any]], found: Sequence[str]) -> str:
    """Two runs side by side: their numbers, and what differed in words."""
    links = [f'<a href="{text(address(name))}">{text(name)}</a>' for name in names]
    said = "".join(f"<li>{text(sentence)}</li>" for sentence in found) or "<li>nothing that is compared differed</li>"
    body = "".join(
        f'<tr{" class=differs" if left != right else ""}><th scope="row">{text(name)}</th>'
        f"<td>{text(left)}</td><td>{text(right)}</td></tr>"
        for name, left, right in rows
    )
    return page(
        "two runs",
        f'<table><thead><tr><td></td><th scope="col">{links[0]}</th><th scope="col">{links[1]}</th></tr></thead>'
        f"<tbody>{body}</tbody></table><h2>What differed in the second</h2><ul>{said}</ul>",
    )


def error_page(sentence: str) -> str:
    """A sentence instead of a page."""
    return page("not found", f'<p class="error" role="alert">{text(sentence)}</p>')
