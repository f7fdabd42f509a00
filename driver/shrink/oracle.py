"""Does a configuration fail in the same way? Runs it as often as it takes, and remembers every answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from raftmon.driver.campaign.trial import run_once
from raftmon.driver.run.command import options_of
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run_folder import RunFolder
from raftmon.driver.shrink.sequential import Sequential

__all__ = ["Oracle", "failing_checkers"]

_SPARE_S = 120.0


def failing_checkers(results: Mapping[str, Any] | None) -> frozenset[str]:
    """The names of the checkers that said *invalid*; availability has no say."""
    checkers = (results or {}).get("checkers") or {}
    return frozenset(
        name for name, one in checkers.items() if isinstance(one, Mapping) and one.get("valid") == "invalid"
    )


@dataclass(slots=True)
class Oracle:
    """Tries configurations in runs of their own.

    A run fails where one of ``wanted`` (checkers) says *invalid*. ``once`` is ``run_once``; ``say`` is told of each
    answer. ``at_once`` runs are done beside each other, on other machines. ``last_failing`` is the folder of the newest
    run that failed; the folders of all others are removed.
    """

    wanted: frozenset[str]
    store: Path
    say: Callable[[str], None]
    once: Callable[..., dict[str, Any]] = run_once
    at_once: int = 1
    runs: int = 0
    last_failing: Path | None = None
    _known: dict[tuple[str, ...], Sequential] = field(default_factory=dict)
    _numbers: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fails(self, config: RunConfig, what: str) -> bool:
        """Whether it fails often (4 of 5 rather than 3 of 10). ``what`` says in words what was changed."""
        known = self._known.setdefault(tuple(options_of(config)), Sequential())
        while known.answer is None:
            for failed in self._tries(config, min(self.at_once, 2)):  # two agreeing runs are often enough
                known.add(failed)
        verdict = "still fails" if known.answer else "does not fail"
        self.say(f"{what}: {verdict} ({known.fails} of {known.trials})")
        return bool(known.answer)

    def rate(self, config: RunConfig, trials: int) -> int:
        """In how many of so many fresh runs it fails."""
        return sum(self._tries(config, trials))

    def _tries(self, config: RunConfig, trials: int) -> list[bool]:
        with ThreadPoolExecutor(max_workers=max(1, min(trials, self.at_once))) as pool:
            return list(pool.map(lambda _: self.try_once(config), range(trials)))

    def try_once(self, config: RunConfig) -> bool:
        """One run with its own seed."""
        with self._lock:
            self._numbers += 1
            self.runs += 1
            options = options_of(_seeded(config, self._numbers))
        row = self.once(options, self.store, timeout_s=config.duration_s + _SPARE_S)
        failed = bool(failing_checkers(row.get("results")) & self.wanted)
        if row.get("path"):
            done = Path(row["path"])
            with self._lock:
                gone = self.last_failing if failed else done
                if failed:
                    self.last_failing = done
            if gone is not None and RunFolder(gone).is_run:
                RunFolder(gone).remove()
        return failed


def _seeded(config: RunConfig, number: int) -> RunConfig:
    """The recorded seed first, then others: a failure that needs one seed is no failure of the system."""
    return config if number == 1 else replace(config, seed=f"{config.seed}-{number}")
