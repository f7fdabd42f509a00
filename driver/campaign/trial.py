"""One run in its own process, and what a campaign keeps of it: a row of plain values."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from raftmon.setup.python import end_with_parent, module_command

__all__ = ["COLUMNS", "row_of", "run_once"]

COLUMNS: dict[str, type] = {
    "verdict": str,
    "sentence": str,
    "exit_status": int,
    "seconds": float,
    "ok": int,
    "fail": int,
    "info": int,
    "p50_ms": float,
    "p99_ms": float,
    "outage_ms": float,
    "terms": int,
    "disturbed": bool,
    "path": str,
}
"""What is kept of a run, by name: ``outage_ms`` is the longest time without a successful operation, ``terms`` how many
terms were gained from before the work to after it, ``disturbed`` whether the verdict is *unknown* because raftmon
itself was too slow; null if the run ended before it was known. ``verdict`` is *error* where it gave none."""

_GRACE_S = 15.0


def run_once(options: Sequence[str], store: Path, *, timeout_s: float) -> dict[str, Any]:
    """``raftmon run`` with these options; the row of ``COLUMNS``, and ``results`` (the whole of ``results.json``).

    A run that does not end within ``timeout_s`` seconds is asked to end (SIGTERM), then killed with all it started.
    """
    command = [*module_command("raftmon.driver.cli"), "run", "--json", "--store", str(store), *options]
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=end_with_parent
    )
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        output, errors = _ended(process)
        errors += f"\nit did not end within {timeout_s:g} s".encode()
    except BaseException:
        _ended(process)
        raise
    seconds = time.monotonic() - began
    try:
        results = orjson.loads(output.splitlines()[-1])
    except (IndexError, orjson.JSONDecodeError):
        last = errors.decode(errors="replace").strip()[-1000:] or "it ended without a word"
        return {**dict.fromkeys(COLUMNS), "verdict": "error", "sentence": last, "seconds": round(seconds, 2),
                "exit_status": process.returncode, "disturbed": False, "results": None}  # fmt: skip
    return {**row_of(results), "exit_status": process.returncode, "seconds": round(seconds, 2), "results": results}


def _ended(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """End the run as the user would, and by force if that is not enough; SIGKILL of it ends its sandbox."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()


def row_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a run's results; ``exit_status`` and ``seconds`` are left to the caller."""
    clients = results.get("clients") or {}
    outages = [one.get("ms", 0.0) for one in results.get("outages") or []]
    before, after = results.get("leader_before"), results.get("leader_after")
    monitor = results.get("monitor") or {}
    sentences = results.get("sentences") or [results.get("error") or ""]
    return {
        **dict.fromkeys(COLUMNS),
        "verdict": results.get("valid", "unknown") if not results.get("error") else "error",
        "sentence": _most_telling(sentences),
        "ok": clients.get("ok"),
        "fail": clients.get("fail"),
        "info": clients.get("info"),
        "p50_ms": clients.get("all_p50_ms"),
        "p99_ms": clients.get("all_p99_ms"),
        "outage_ms": max(outages, default=0.0) if "outages" in results else None,
        "terms": after["term"] - before["term"] if before and after else None,
        "disturbed": bool(monitor.get("disturbed")) and results.get("valid") == "unknown",
        "path": results.get("path"),
    }


def _most_telling(sentences: Sequence[str]) -> str:
    for word in ("invalid", "unknown"):
        for sentence in sentences:
            if sentence.startswith(word):
                return sentence
    return sentences[0] if sentences else ""
