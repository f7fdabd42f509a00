from __future__ import annotations

from rich.console import Console

from raftmon.driver.run.screen import summary

MONITOR = {"packets": 1200, "truncated": 3, "dropped": 5, "queue_kernel_dropped": 2, "queue_user_dropped": 1}
RESULTS = {"valid": "valid", "sentences": [], "monitor": {**MONITOR, "own_time_us": {"p50": 5.2, "p99": 90.0}}}


def test_the_monitors_line_uses_the_words_of_the_field():
    console = Console(width=300)
    with console.capture() as captured:
        console.print(summary(RESULTS, "store/run"))
    text = captured.get()
    assert "5 dropped by rules; 3 dropped by the kernel queue, 3 truncated" in text
    assert "processing time per packet 5 µs (p50), 90 µs (p99)" in text
