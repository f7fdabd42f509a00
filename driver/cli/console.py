"""rich's console with neutral text: its own colours and cursor pass, escapes inside what it prints do not."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from raftmon.driver.cli.output import neutral

__all__ = ["NeutralConsole"]


class NeutralConsole(Console):
    """A Console whose text passes ``neutral``."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of ``renderable``, each with neutral text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=neutral(segment.text))
