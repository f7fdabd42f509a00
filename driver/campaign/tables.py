"""A campaign's rows as tables: for the terminal, CSV, Parquet, and JUnit XML for continuous integration."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any
from xml.etree import ElementTree as ET

from rich.table import Table

from raftmon.driver.campaign.ledger import CELL_COLUMNS
from raftmon.driver.campaign.trial import COLUMNS
from raftmon.setup.errors import InputError

__all__ = ["csv_text", "junit", "summary_table", "write_parquet"]

NAMES = (*CELL_COLUMNS, *COLUMNS)
_GROUP = ("system", "workload", "fault", "topology", "nodes")
_MEDIANS = (
    ("ok", "{:,.0f}"),
    ("p50_ms", "{:.1f} ms"),
    ("p99_ms", "{:.1f} ms"),
    ("outage_ms", "{:,.0f} ms"),
    ("terms", "{:g}"),
)
_VERDICTS = ("valid", "invalid", "unknown", "error")


def summary_table(rows: Sequence[dict[str, Any]]) -> Table:
    """One line a cell over all its seeds: verdicts, medians of availability, latency and terms."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in _GROUP)].append(row)
    shown = [name for name in _GROUP if len({row[name] for row in rows}) > 1] or ["system"]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in shown:
        table.add_column(name, overflow="fold")
    for name in (*_VERDICTS, "ok", "p50", "p99", "outage", "terms"):
        table.add_column(name, justify="right")
    for key, found in groups.items():
        names = dict(zip(_GROUP, key, strict=True))
        counts = [sum(row["verdict"] == verdict for row in found) for verdict in _VERDICTS]
        table.add_row(
            *(str(names[name]) for name in shown),
            *(str(count) if count else "–" for count in counts),
            *(_median(found, name, form) for name, form in _MEDIANS),
        )
    return table


def _median(rows: Sequence[dict[str, Any]], name: str, form: str) -> str:
    values = [row[name] for row in rows if row[name] is not None]
    return form.format(median(values)) if values else "–"


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """All rows with a header, as RFC 4180 has it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, NAMES, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """All rows as Parquet. Raises InputError where pyarrow is missing."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError("--parquet needs pyarrow: pip install 'raftmon[parquet]'") from error
    table = pyarrow.table({name: [row[name] for row in rows] for name in NAMES})
    pyarrow.parquet.write_table(table, path)


def junit(rows: Sequence[dict[str, Any]], name: str) -> bytes:
    """A test suite with a test case a run: invalid is a failure, no verdict an error, unknown is skipped."""
    suite = ET.Element(
        "testsuite",
        name=name,
        tests=str(len(rows)),
        failures=str(sum(row["verdict"] == "invalid" for row in rows)),
        errors=str(sum(row["verdict"] == "error" for row in rows)),
        skipped=str(sum(row["verdict"] == "unknown" for row in rows)),
        time=f"{sum(row['seconds'] or 0 for row in rows):.2f}",
    )
    for row in rows:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=f"{row['system']}.{row['workload']}",
            name=f"{row['fault']} {row['topology']} nodes={row['nodes']} seed={row['seed']}",
            time=f"{row['seconds'] or 0:.2f}",
        )
        kind = {"invalid": "failure", "error": "error", "unknown": "skipped"}.get(row["verdict"])
        if kind is not None:
            told = ET.SubElement(case, kind, message=_xml(row["sentence"] or ""))
            told.text = f"run: {row['path'] or 'none'}"
    ET.indent(suite)
    text: bytes = ET.tostring(suite, encoding="utf-8")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + text + b"\n"


def _xml(text: str) -> str:
    """Text with the characters that XML 1.0 has no place for replaced."""
    return "".join(
        one if one in "\t\n\r" or 32 <= ord(one) < 0xD800 or 0xE000 <= ord(one) < 0xFFFE else "?" for one in text
    )
