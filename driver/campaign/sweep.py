"""A sweep: every cell of a matrix once, resumable at any moment, with one table at the end.

Its folder ``STORE/NAME/`` holds ``matrix.json``, ``ledger.sqlite`` (a row a run, as it ends), and the tables; the runs
themselves lie in the store like any other.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from raftmon.driver.campaign.ledger import Ledger
from raftmon.driver.campaign.matrix import Cell, Matrix
from raftmon.driver.campaign.workers import Row, Workers
from raftmon.driver.run_folder import RunFolder, check_name
from raftmon.setup.errors import EXIT_INVALID, EXIT_UNKNOWN, EXIT_VALID, InputError

__all__ = ["KEEP", "Sweep", "exit_status", "open_sweep"]

MATRIX = "matrix.json"
KEEP = ("all", "failed", "thin")
"""What stays of a valid run: all of it, nothing, or all but its packets and node data."""


@dataclass(slots=True)
class Sweep:
    """One sweep on disk. ``close`` lets go of its ledger."""

    folder: Path
    matrix: Matrix
    ledger: Ledger

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()

    def missing(self) -> list[Cell]:
        """The cells that have not ended yet."""
        done = self.ledger.done()
        return [cell for cell in self.matrix.cells() if cell.key not in done]

    def run(
        self, workers: Workers, store: Path, timeout_s: float, keep: str, say: Callable[[Cell, Row, str], None]
    ) -> None:
        """Do what is missing. ``say`` is told of each run that ended, and how long the rest may take.

        Interrupted, it leaves what has ended in the ledger.
        """
        missing, done, began_s = self.missing(), 0, time.monotonic()
        for cell, row in workers.run(missing, store, timeout_s):
            row.pop("results", None)
            thin(row, keep)
            if not self.ledger.add(cell, row):
                continue
            done += 1
            left_s = (time.monotonic() - began_s) / done * (len(missing) - done)
            say(
                cell,
                row,
                f"{self.matrix.count - len(missing) + done} of {self.matrix.count}, about {_time(left_s)} left",
            )

    def rows(self) -> list[dict[str, Any]]:
        """Every run that has ended."""
        return list(self.ledger.rows())


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def open_sweep(store: Path, name: str | None, matrix: Matrix | None, *, resume: bool) -> Sweep:
    """The sweep of that name in the store, made if it is new.

    Without a name it is called after its matrix. With ``resume`` it must be there, and its matrix is the recorded one;
    a different one that is given is refused. Raises InputError.
    """
    if name is None:
        if matrix is None:
            raise InputError("--resume needs --name, or the same lists as before, to know which sweep is meant")
        name = f"sweep-{matrix.digest}"
    check_name(name)
    folder = store / name
    recorded = _recorded(folder / MATRIX)
    if recorded is None:
        if resume:
            raise InputError(f"there is no sweep {name} in {store} to resume: leave --resume out to start it")
        assert matrix is not None
        if folder.exists():
            raise InputError(f"{folder} exists and is no sweep: give --name another name")
        try:
            folder.mkdir(parents=True)
            (folder / MATRIX).write_bytes(orjson.dumps(matrix.to_json(), option=orjson.OPT_INDENT_2))
        except OSError as error:
            raise InputError(f"the store {store} cannot be written ({error.strerror}): give --store another") from error
        return Sweep(folder, matrix, Ledger(folder / "ledger.sqlite"))
    if matrix is not None and matrix != recorded:
        raise InputError(
            f"the sweep {name} was begun with other lists (see {folder / MATRIX}): give --name another name"
        )
    if not resume:
        raise InputError(f"the sweep {name} is there already: --resume goes on with it, --name starts another")
    return Sweep(folder, recorded, Ledger(folder / "ledger.sqlite"))


def _recorded(path: Path) -> Matrix | None:
    try:
        value = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): remove that sweep, or give --name another name") from error
    return Matrix.from_json(value, str(path))


def thin(row: Row, keep: str) -> None:
    """Remove what ``keep`` does not keep of a valid run; ``path`` goes where the whole run goes."""
    if row.get("verdict") != "valid" or keep == "all" or not row.get("path"):
        return
    folder = RunFolder(Path(row["path"]))
    if not folder.is_run:
        return
    if keep == "failed":
        folder.remove()
        row["path"] = None
        return
    folder.packets.unlink(missing_ok=True)
    shutil.rmtree(folder.path / "nodes", ignore_errors=True)


def exit_status(rows: Sequence[dict[str, Any]], count: int) -> int:
    """0 if all are valid, 1 where one is invalid, else 2: some are unknown, failed, or not done."""
    verdicts = [row["verdict"] for row in rows]
    if "invalid" in verdicts:
        return EXIT_INVALID
    return EXIT_VALID if len(rows) == count and set(verdicts) == {"valid"} else EXIT_UNKNOWN
