from __future__ import annotations

import io
import threading
import time

from rich.console import Console

from raftmon.driver.results.results import Results
from raftmon.driver.results.summary import summary
from raftmon.driver.run import screen as screen_module
from raftmon.driver.run.progress import PHASES
from raftmon.driver.run.screen import RunScreen

MONITOR = {"packets": 1200, "truncated": 3, "dropped": 5, "queue_kernel_dropped": 2, "queue_user_dropped": 1}
RESULTS = {"valid": "valid", "sentences": [], "monitor": {**MONITOR, "own_time_us": {"p50": 5.2, "p99": 90.0}}}


def test_the_monitors_line_uses_the_words_of_the_field():
    console = Console(width=300)
    with console.capture() as captured:
        console.print(summary(Results.from_json(RESULTS), "store/run"))
    text = captured.get()
    assert "5 dropped by rules; 3 dropped by the kernel queue, 3 truncated" in text
    assert "processing time per packet 5 µs (p50), 90 µs (p99)" in text


def test_the_longest_standstill_of_each_process_is_named():
    console = Console(width=300)
    counters = {
        **MONITOR,
        "own_time_us": {"p50": 5, "p99": 9, "max": 2100.0},
        "stalls_ms": {"monitor": 3.2, "driver": 4100.0},
    }
    with console.capture() as captured:
        console.print(summary(Results.from_json({**RESULTS, "monitor": counters}), "store/run"))
    assert "9 µs (p99), 2.1 ms (max); longest standstill: monitor 3.2 ms, driver 4.1 s" in captured.get()


def test_removed_rules_keep_their_line_and_rules_of_faults_have_none():
    console = Console(width=100)
    counts = {"packets": 9, "hits": 4, "bytes": 300, "errors": 0}
    rules = {
        "swap": counts,
        "cut": {**counts, "removed": True},
        "fault-ring-12345678": {**counts, "removed": True},
        "dead-n1": {**counts, "removed": True},
        **{f"r{number}": {**counts, "removed": True} for number in range(1, 9)},
    }
    with console.capture() as captured:
        console.print(
            summary(Results.from_json({**RESULTS, "monitor": {**RESULTS["monitor"], "rules": rules}}), "store/run")
        )
    text = captured.get()
    assert "swap: matched 9, acted on 4" in text
    assert "cut (removed): matched 9, acted on 4" in text
    assert "fault-" not in text
    assert "dead-" not in text
    assert "r4 (removed)" in text
    assert "r5 (removed)" not in text
    assert "and 4 more that were removed; monitor.json has them all" in text


def test_a_phase_that_lasts_says_for_how_long_it_has_and_may(monkeypatch):
    monkeypatch.setattr(screen_module, "FIRST_S", 0.01)
    monkeypatch.setattr(screen_module, "EVERY_S", 0.01)
    said = threading.Semaphore(0)
    console = Console(width=150, file=io.StringIO())
    screen = RunScreen(console)
    line = screen._line
    monkeypatch.setattr(screen, "_line", lambda *words: (line(*words), said.release()))
    for phase in PHASES:
        screen.phase(phase)
        for _ in range(3):  # the phase's own line, and two of its lasting
            assert said.acquire(timeout=30)
    screen.close()
    text = console.file.getvalue()
    assert "last reads: 0 s (at most 20 s until there is a leader, 15 s for the reads and 10 s for the stores)" in text
    assert all(f"{phase}: 0 s (at most" in text for phase in PHASES)


def test_lines_count_from_the_clients_first_operation():
    console = Console(width=100)
    screen = RunScreen(console)
    with console.capture() as captured:
        screen.phase("starting the cluster")
        screen.began(time.monotonic_ns() + 3600 * 10**9)
        screen.phase("working")
        screen.began(time.monotonic_ns() - 3600 * 10**9)
        screen.event("cut n1<->n2")
    before, early, late = captured.get().splitlines()
    assert before == " " * 10 + "starting the cluster"
    assert early.split()[0] in ("-3600.0s", "-3599.9s")
    assert late.split()[0] in ("3600.0s", "3600.1s")


def test_what_a_rule_did_to_a_node_has_its_line():
    console = Console(width=150)
    acts = [
        {"node": "n2", "what": "killed", "rule": "r1", "packet_ns": 3_000_000_000, "done_ns": 3_000_400_000},
        {"node": "n1", "what": "resumed", "rule": "r2", "packet_ns": 5_000_000_000, "done_ns": 5_000_000_000},
    ]
    results = {**RESULTS, "began_ns": 1_000_000_000, "monitor": {**RESULTS["monitor"], "node_acts": acts}}
    with console.capture() as captured:
        console.print(summary(Results.from_json(results), "store/run"))
    assert "2.0s  rule r1 killed n2, 0.4 ms after its packet came" in captured.get()
    assert "4.0s  rule r2 resumed n1\n" in "".join(line.rstrip(" │") + "\n" for line in captured.get().splitlines())
