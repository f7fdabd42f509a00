"""The other end of ``arena``: a warm cluster in a process of its own, asked to play one schedule after the other."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any, Protocol

import orjson

from raftmon.driver.faults.schedule import PlannedFault
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run_folder import RunFolder
from raftmon.setup.errors import RaftmonError
from raftmon.setup.python import end_with_parent, module_command

__all__ = ["Player", "WarmCluster"]


class Player(Protocol):
    """Plays trials, one after the other."""

    def play(self, number: int, faults: tuple[PlannedFault, ...]) -> dict[str, Any]:
        """The answer of ``Arena.trial``; raises RaftmonError if the cluster is gone."""

    def close(self) -> None:
        """End it."""


class WarmCluster:
    """The other end of ``arena``: a cluster in its own sandbox, in a run's folder in the store."""

    def __init__(self, config: RunConfig, store: Path, name: str) -> None:
        self.folder = RunFolder.create(store, name)
        self.folder.save("config.json", {"config": config.to_json()})
        self.folder.save("arena.json", config.to_json())
        self._log = (self.folder.path / "arena.log").open("wb")
        command = module_command(
            "raftmon.driver.explore.arena", str(self.folder.path / "arena.json"), str(self.folder.path)
        )
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        try:
            self._answer("ready")
        except BaseException:
            self.close()
            raise

    def play(self, number: int, faults: tuple[PlannedFault, ...]) -> dict[str, Any]:
        """See ``Player``."""
        return self.order({"number": number, "faults": [fault.to_json() for fault in faults]})

    def order(self, order: dict[str, Any]) -> dict[str, Any]:
        """The same, of the order itself: ``number``, ``faults`` as JSON."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(orjson.dumps(order) + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise RaftmonError(f"the warm cluster is gone; see {self.folder.path / 'arena.log'}") from error
        return self._answer("trial")

    def _answer(self, event: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(orjson.JSONDecodeError):  # an adapter that prints
                said: dict[str, Any] = orjson.loads(line)
                if said.get("event") == event:
                    return said
                if said.get("event") == "error":
                    raise RaftmonError(f"{said['error']} (see {self.folder.path / 'arena.log'})")
        raise RaftmonError(f"the warm cluster ended; its log is {self.folder.path / 'arena.log'}")

    def close(self) -> None:
        """End it: SIGKILL of the outer process ends the sandbox with all in it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
