"""Opening and panning the report of a large run in Chromium: ``python -m tests.bench.report_page``.

Makes a run of 100,000 operations and 500,000 messages, writes its report, opens it and pans and zooms it. Prints JSON:
seconds to write, size in MB, ms until the page is drawn, and the ms a frame takes (median and 99th percentile).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.report.report import write_report
from raftmon.monitor.raft.database.store import MessageStore
from raftmon.setup.browsers import browser as browser_path
from tests.monitor.raft.wire import message

__all__ = ["main", "measure"]

_PAN = """(() => {
  const times = [], limits = raftmonStory.limits;
  for (const share of [1, 0.3, 0.1, 0.01]) {
    for (let n = 0; n < 25; n++) {
      const span = limits.span * share;
      const began = performance.now();
      raftmonStory.view({from: limits.from + (limits.span - span) * n / 25, span});
      raftmonStory.draw();
      times.push(performance.now() - began);
    }
  }
  return times;
})()"""


def large_run(folder: Path, operations: int, messages: int) -> None:
    """A minute of five clients and three nodes, without anything unusual but 2% refused operations."""
    step = 60_000_000_000 // operations
    with (folder / "history.jsonl").open("wb") as lines:
        for number in range(operations):
            base = {"process": number % 5, "f": "write", "key": f"k{number % 7}", "value": number, "node": "n1"}
            at = number * step
            ended = "fail" if number % 50 == 0 else "ok"
            lines.write(orjson.dumps({"index": 2 * number, "time_ns": at, "type": "invoke", **base}) + b"\n")
            after = at + 3 * step + number % 97 * 10_000
            lines.write(orjson.dumps({"index": 2 * number + 1, "time_ns": after, "type": ended, **base}) + b"\n")
    (folder / "results.json").write_bytes(orjson.dumps({"valid": "valid", "began_ns": 0, "sentences": ["made"]}))
    record = MessageStore(folder / "messages.sqlite")
    for number in range(messages):
        kind, source = ("MsgApp", "n1") if number % 2 == 0 else ("MsgAppResp", f"n{2 + number % 4 // 3}")
        target = f"n{2 + number % 4 // 2}" if source == "n1" else "n1"
        one = message(kind, source, target, 2)
        one.time_ns = number * (60_000_000_000 // messages)
        record.add(one)
        if number % 20_000 == 0:
            record.flush()
    record.flush()


def measure(operations: int = 100_000, messages: int = 500_000) -> dict[str, Any]:
    """The figures; raises RuntimeError where Chromium or Playwright is missing."""
    from playwright.sync_api import sync_playwright

    path = browser_path()
    if path is None:
        raise RuntimeError("no Chromium on this machine (apt install chromium)")
    with tempfile.TemporaryDirectory(prefix="raftmon-page-") as made:
        folder = Path(made)
        large_run(folder, operations, messages)
        began = time.perf_counter()
        report = write_report(folder)
        wrote = time.perf_counter() - began
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.goto(report.as_uri())
            page.wait_for_function("window.raftmonStory !== undefined")
            opened = page.evaluate("performance.now()")
            frames = sorted(page.evaluate(_PAN))
            counts = page.evaluate("raftmonStory.counts()")
            browser.close()
        return {
            "operations": operations,
            "messages": messages,
            "drawn_operations": counts["operations"],
            "drawn_messages": counts["messages"],
            "write_s": round(wrote, 2),
            "size_mb": round(report.stat().st_size / 1e6, 2),
            "open_ms": round(opened),
            "frame_ms_p50": round(statistics.median(frames), 1),
            "frame_ms_p99": round(frames[int(len(frames) * 0.99)], 1),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=500_000)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.operations, arguments.messages)))


if __name__ == "__main__":
    main()
