"""Planned faults as the text of ``--fault``, which ``plan_faults`` reads again."""

from __future__ import annotations

from collections.abc import Sequence

from raftmon.driver.faults.schedule import PlannedFault

__all__ = ["fault_text", "schedule_text"]


def fault_text(fault: PlannedFault) -> str:
    """``NAME(option=value)@START..STOP``, or ``@when(TRIGGER)..LASTING``; times in seconds, to the millisecond."""
    options = ",".join(f"{name}={value}" for name, value in fault.options.items())
    what = f"{fault.name}({options})" if options else fault.name
    if fault.when is not None:
        return f"{what}@when({fault.when})..{_seconds(fault.stop_s)}"
    return f"{what}@{_seconds(fault.start_s)}..{_seconds(fault.stop_s)}"


def schedule_text(faults: Sequence[PlannedFault]) -> str:
    """All of them with commas; ``none`` where there are none."""
    return ",".join(map(fault_text, faults)) or "none"


def _seconds(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") + "s"
