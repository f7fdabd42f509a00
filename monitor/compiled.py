"""Whether the compiled packet path was built and is wanted: ``RAFTMON_INTERPRETED=1`` takes the Python beside it."""

from __future__ import annotations

import importlib
import os

__all__ = ["COMPILED"]


def _there() -> bool:
    if os.environ.get("RAFTMON_INTERPRETED", "") not in ("", "0"):
        return False
    try:
        importlib.import_module("raftmon.monitor.queue._fast_path")
    except ImportError:  # not built: everything works, packets cost more
        return False
    return True


COMPILED = _there()
