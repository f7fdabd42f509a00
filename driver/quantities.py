"""Durations, latencies, losses and rates as people write them."""

from __future__ import annotations

import re

from raftmon.setup.errors import InputError

__all__ = ["duration_s", "latency_ms", "loss_percent", "rate_kbit_s"]

_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h)?")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_NUMBER = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-zµ%]*)")
_TIMES_MS = {"": 1.0, "ms": 1.0, "s": 1000.0, "us": 0.001, "µs": 0.001}
_RATES_KBIT = {"kbit": 1.0, "Mbit": 1000.0, "Gbit": 1_000_000.0}


def _scaled(text: object, units: dict[str, float], what: str) -> float:
    match = _NUMBER.fullmatch(str(text).strip())
    if not match or match["unit"] not in units:
        raise InputError(f"{text!r} is no {what}")
    return float(match["number"]) * units[match["unit"]]


def duration_s(text: str, option: str) -> float:
    """``20``, ``20s``, ``500ms``, ``2m`` in seconds; raises InputError that names ``option``."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise InputError(f"{option}: {text!r} is not a duration: write 20, 20s, 500ms or 2m")
    return float(match["number"]) * _UNITS_S[match["unit"]]


def latency_ms(text: object) -> float:
    """``20``, ``20ms``, ``0.1s``, ``500us`` in ms; a bare number is ms. Raises InputError."""
    return _scaled(text, _TIMES_MS, "latency: write 20ms or 0.1s")


def loss_percent(text: object) -> float:
    """``1`` or ``1%``. Raises InputError."""
    return _scaled(text, {"": 1.0, "%": 1.0}, "loss: write 1%")


def rate_kbit_s(text: object) -> float:
    """``512kbit``, ``10Mbit``, ``1Gbit`` in kbit/s. Raises InputError."""
    return _scaled(text, _RATES_KBIT, "rate: write 512kbit or 10Mbit")
