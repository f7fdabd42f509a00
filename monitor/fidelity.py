"""Whether the monitor disturbed what it watched: its counters, their bounds, and the reasons for an *unknown* verdict.

The counters are the object ``monitor.json`` holds (docs/monitor.md explains each).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = [
    "BOUND_HOLD_LATENESS_MAX_MS",
    "BOUND_HOLD_LATENESS_P99_MS",
    "BOUND_OWN_TIME_MAX_US",
    "BOUND_OWN_TIME_P99_US",
    "BOUND_RECORDER_LAG_MAX_S",
    "BOUND_STALL_MAX_MS",
    "Histogram",
    "MonitorCounters",
    "codec_failures",
    "disturbances",
]

BOUND_OWN_TIME_P99_US = 20_000.0
"""The monitor's own time per packet, by the clock: past 20 ms at p99 it comes near a heartbeat interval (100 ms).

It counts the time in which the machine ran somebody else, so on a busy machine it says little of the monitor itself."""

BOUND_HOLD_LATENESS_P99_MS = 20.0
"""How late a held packet may leave at p99: past 20 ms a delay rule did something else than it says."""

BOUND_STALL_MAX_MS = {"monitor": 1000.0, "recorder": 10_000.0, "driver": 5000.0}
"""How long each process may stand still. Of the monitor 1 s, as long as an election takes: no packet moved meanwhile.
The recorder loses nothing while its backlog has room, but what rules and screens know of the messages grows old. The
driver's faults come that late. How they are watched: ``raftmon.monitor.heartbeats``."""

BOUND_OWN_TIME_MAX_US, BOUND_HOLD_LATENESS_MAX_MS = 1_000_000.0, 1000.0
"""As for p99, of the single worst packet: that is an election's time."""

BOUND_RECORDER_LAG_MAX_S = 30.0
"""How far the recorder may fall behind: past that, decoded messages come too late for any rule or screen."""

_SUB_BITS = 5  # 32 buckets an octave: an error of at most 1/32
_SUB = 1 << _SUB_BITS


class Histogram:
    """Counts of non-negative integers in logarithmic buckets, 32 an octave (after HdrHistogram): memory is constant."""

    def __init__(self) -> None:
        self._counts = [0] * (64 * _SUB)
        self.count = 0
        self.largest = 0

    def add(self, value: int) -> None:
        """Count one value; below 0 counts as 0."""
        self.add_many(value, 1)

    def add_many(self, value: int, times: int) -> None:
        """Count one value several times."""
        value = max(value, 0)
        shift = max(value.bit_length() - _SUB_BITS - 1, 0)
        self._counts[min((shift << _SUB_BITS) + (value >> shift), len(self._counts) - 1)] += times
        self.count += times
        if value > self.largest:
            self.largest = value

    def quantile(self, part: float) -> int:
        """The upper end of the bucket below which ``part`` (0 to 1) of the values lie; 0 if there are none."""
        wanted = math.ceil(part * self.count)
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                shift = max((index >> _SUB_BITS) - 1, 0)
                upper = ((index - (shift << _SUB_BITS) + 1) << shift) - 1
                return min(upper, self.largest)
        return 0

    def summary(self, divisor: float) -> dict[str, float]:
        """p50, p99 and max, each divided by ``divisor`` (1000 makes microseconds of nanoseconds)."""
        return {
            "p50": round(self.quantile(0.5) / divisor, 3),
            "p99": round(self.quantile(0.99) / divisor, 3),
            "max": round(self.largest / divisor, 3),
        }


@dataclass(slots=True)
class MonitorCounters:
    """What the queue loop counts; only its thread writes. Packets unless the name says otherwise."""

    packets: int = 0
    bytes: int = 0
    judged: int = 0
    """Packets that went through a rule chain."""
    dropped: int = 0
    delayed: int = 0
    copied: int = 0
    """Further copies sent beside a packet."""
    modified: int = 0
    injected: int = 0
    inject_failed: int = 0
    unknown_link: int = 0
    malformed: int = 0
    truncated: int = 0
    queue_id_gaps: int = 0
    hold_overflow: int = 0
    own_errors: int = 0
    task_refused: int = 0
    longest_stall_ns: int = 0
    own_time_ns: Histogram = field(default_factory=Histogram)
    hold_lateness_ns: Histogram = field(default_factory=Histogram)

    def as_dict(self) -> dict[str, Any]:
        """The plain counts, then the two distributions in their units."""
        found: dict[str, Any] = {
            item.name: getattr(self, item.name) for item in fields(self) if not item.name.endswith("_ns")
        }
        found["own_time_us"] = self.own_time_ns.summary(1e3)
        found["hold_lateness_ms"] = self.hold_lateness_ns.summary(1e6)
        return found


# Counters that must be 0, and what it means where they are not.
_MUST_BE_ZERO = {
    "queue_kernel_dropped": "the kernel dropped {} packets because the queue was full",
    "queue_user_dropped": "{} packets were lost between the kernel and the monitor, which did not keep up",
    "queue_id_gaps": "{} packets never reached the monitor, as the gaps in their numbers show",
    "truncated": "{} packets were larger than the queue can hand over and came cut",
    "recorder_lost_packets": "{} packets are missing in the record because the recorder did not keep up",
    "hold_overflow": "{} packets left at once although a rule delayed them, because too many were held",
    "own_errors": "the monitor itself failed on {} packets and let them pass unjudged",
    "inject_failed": "{} packets that rules wanted sent could not be sent",
    "task_refused": "{} tasks started by rules were refused because too many were running",
    "tasks_timed_out": "{} tasks started by rules did not end in time",
}


def disturbances(counters: Mapping[str, Any]) -> list[str]:
    """The reasons why a run with these ``counters`` is no result; an empty list where there is none.

    ``counters`` is the content of ``monitor.json``. A missing or unfinished one is its own reason.
    """
    if not counters.get("finished"):
        return ["the monitor did not end properly, so its counters are not known"]
    reasons = [
        sentence.format(counters[name]) for name, sentence in _MUST_BE_ZERO.items() if int(counters.get(name) or 0) > 0
    ]
    own = counters.get("own_time_us", {})
    if own.get("p99", 0) > BOUND_OWN_TIME_P99_US:
        reasons.append(
            f"the monitor took {own['p99']:.0f} us a packet at p99, more than {BOUND_OWN_TIME_P99_US:.0f} us"
        )
    elif own.get("max", 0) > BOUND_OWN_TIME_MAX_US:
        reasons.append(f"the monitor took {own['max'] / 1e6:.1f} s for one packet (bound: 1 s)")
    reasons += _standstills(counters)
    reasons += [f"rule {name} did not return and was taken out" for name in counters.get("rules_hung") or ()]
    late = counters.get("hold_lateness_ms", {})
    if late.get("p99", 0) > BOUND_HOLD_LATENESS_P99_MS:
        reasons.append(
            f"held packets left {late['p99']:.1f} ms late at p99, more than {BOUND_HOLD_LATENESS_P99_MS:.0f} ms"
        )
    elif late.get("max", 0) > BOUND_HOLD_LATENESS_MAX_MS:
        reasons.append(f"a held packet left {late['max'] / 1000:.1f} s late (bound: 1 s)")
    recorder = counters.get("recorder") or {}
    lag = recorder.get("lag_ms", {}).get("max", 0) / 1000
    if lag > BOUND_RECORDER_LAG_MAX_S:
        reasons.append(f"the recorder fell {lag:.1f} s behind, more than {BOUND_RECORDER_LAG_MAX_S:.0f} s")
    if counters.get("record") and not recorder.get("finished"):
        reasons.append("the recorder did not finish its files")
    reasons += codec_failures((recorder.get("sinks") or {}).get("messages") or {})
    if recorder.get("errors"):
        reasons.append(f"the recorder failed: {recorder['errors'][0]}")
    return reasons


def codec_failures(counters: Mapping[str, Any]) -> list[str]:
    """A sentence where a codec raised what it should not, by the decoder's ``counters``; an empty list otherwise."""
    failures = counters.get("codec_failures")
    if not failures:
        return []
    connections = "one connection" if failures == 1 else f"{failures:,} connections"
    first = counters.get("codec_failure")
    return [f"a decoder failed on {connections}, whose later messages are missing in the record; first {first}"]


_MEANS = {
    "monitor": "no packet moved",
    "recorder": "the decoded messages came that late",
    "driver": "faults came that late",
}


def _standstills(counters: Mapping[str, Any]) -> list[str]:
    """Of each process that stood still for longer than it may, for how long and what that means."""
    stalls = counters.get("stalls_ms") or {"monitor": counters.get("longest_stall_ms", 0)}  # of older versions
    return [
        f"the {name} stood still for {stalls[name] / 1000:.1f} s, and {_MEANS[name]} (bound: {bound_ms / 1000:g} s)"
        for name, bound_ms in BOUND_STALL_MAX_MS.items()
        if stalls.get(name, 0) > bound_ms
    ]
