"""Which picture a checker's result gets."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from raftmon.driver.histories.model import History
from raftmon.driver.histories.operation import Operation
from raftmon.driver.report.pictures.cycles import cycle_pictures
from raftmon.driver.report.pictures.holds import lease_picture, lock_picture
from raftmon.driver.report.pictures.sets import set_picture
from raftmon.driver.report.pictures.watches import watch_picture

__all__ = ["MAX_OPERATIONS", "picture"]

MAX_OPERATIONS = 200_000  # of a longer history no picture of its operations is drawn
_DRAWN: Mapping[str, Callable[[Sequence[Operation], Mapping[str, Any], int | None], str]] = {
    "set-full": set_picture,
    "g-set": set_picture,
    "watch": watch_picture,
    "kubernetes": watch_picture,
    "lock": lock_picture,
    "lease": lease_picture,
}
_CYCLES = ("list-append", "rw-register")


def picture(result: Mapping[str, Any], history: History | None, zero_ns: int | None = None) -> str:
    """HTML of the picture for one checker's result (``Result.as_json``); empty for a kind that has none.

    Times count from ``zero_ns``, by default from the first operation drawn. Whatever a result from elsewhere holds,
    nothing is raised: a picture that cannot be drawn is left out in words.
    """
    name = str(result.get("checker"))
    try:
        if name in _CYCLES:
            return cycle_pictures(result)
        draw = _DRAWN.get(name)
        if draw is None or history is None:
            return ""
        if len(history) > MAX_OPERATIONS:
            return f'<p class="hint">No picture: it would have {len(history):,} operations.</p>'
        return draw(history.operations, result, zero_ns)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError) as error:
        return f'<p class="hint">No picture: {html.escape(str(error)[:200])}</p>'
