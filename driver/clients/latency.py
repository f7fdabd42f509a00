"""Latencies in a fixed number of buckets: log-linear, as in HdrHistogram, 16 buckets an octave (at most 6% wide)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["BUCKETS", "bucket", "bucket_ms", "percentile_ms"]

_BITS = 4
BUCKETS = (64 - _BITS) << _BITS


def bucket(latency_ns: int) -> int:
    """The bucket of a latency; negative ones count as 0."""
    if latency_ns < 1 << _BITS:
        return max(latency_ns, 0)
    octave = latency_ns.bit_length() - _BITS - 1
    return ((octave + 1) << _BITS) + (latency_ns >> octave) - (1 << _BITS)


def bucket_ms(number: int) -> float:
    """The middle of a bucket, in milliseconds."""
    if number < 1 << _BITS:
        return number / 1e6
    octave, rest = (number >> _BITS) - 1, number & ((1 << _BITS) - 1)
    return (((1 << _BITS) + rest + 0.5) * (1 << octave)) / 1e6


def percentile_ms(counts: Mapping[int, int], fractions: Iterable[float]) -> list[float | None]:
    """The latency below which each fraction of all operations lies, in ms; None if there are none."""
    total = sum(counts.values())
    found: list[float | None] = []
    for fraction in fractions:
        below, answer = 0, None
        for number in sorted(counts):
            below += counts[number]
            if below >= fraction * total:
                answer = bucket_ms(number)
                break
        found.append(answer)
    return found
