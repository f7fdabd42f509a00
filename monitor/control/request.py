"""One request to a live monitor, as it came over its socket: ``op``, its operands, and ``author``."""

from __future__ import annotations

from typing import Any

__all__ = ["Request", "author"]

Request = dict[str, Any]


def author(request: Request) -> str:
    """Who asks, for the event log."""
    return str(request.get("author") or "somebody")[:100]
