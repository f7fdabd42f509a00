"""Who does a campaign's runs: threads of this process, or workers of Dask on any number of machines.

Each run is a process with its own sandbox wherever it is done. A run of a Dask worker comes back as a compressed
archive of its folder; a worker that dies has its task done again by another (Dask's own doing), and what comes twice is
kept once (the ledger's).
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Protocol

import psutil

from raftmon.driver.campaign.matrix import Cell
from raftmon.driver.campaign.trial import run_once
from raftmon.driver.exports.packed import pack, unpack
from raftmon.driver.run_folder import RESULTS, RunFolder
from raftmon.setup.errors import InputError, RaftmonError

__all__ = ["DaskWorkers", "LocalWorkers", "Row", "Workers", "done_far_away", "workers"]

Row = dict[str, Any]
_TASK_DEATHS = 3


class Workers(Protocol):
    """Does cells, and gives each row back as it ends."""

    def run(self, cells: Sequence[Cell], store: Path, timeout_s: float) -> Iterator[tuple[Cell, Row]]:
        """Every cell once, in the order in which they end."""

    def close(self) -> None:
        """End what was started."""


class LocalWorkers:
    """Up to ``jobs`` runs at once on this machine.

    A run whose verdict is *unknown* because raftmon itself was too slow while others ran beside it is done again by
    itself, and from then on one fewer runs at once: runs beside each other never cost a verdict. ``say`` is told.
    """

    def __init__(self, jobs: int, say: Callable[[str], None], once: Callable[..., Row] = run_once) -> None:
        if jobs < 1:
            raise InputError(f"--jobs is {jobs}: give 1 or more")
        self.jobs = jobs
        self._say = say
        self._once = once
        self._pool = ThreadPoolExecutor(max_workers=jobs)

    def run(self, cells: Sequence[Cell], store: Path, timeout_s: float) -> Iterator[tuple[Cell, Row]]:
        """See ``Workers``."""
        waiting = list(reversed(cells))
        on: dict[Future[Row], Cell] = {}
        beside: set[Cell] = set()
        again: list[Cell] = []
        while waiting or on:
            while waiting and len(on) < self.jobs:
                cell = waiting.pop()
                on[self._pool.submit(self._once, cell.options, store, timeout_s=timeout_s)] = cell
            if len(on) > 1:
                beside |= set(on.values())
            for future in wait(on, return_when=FIRST_COMPLETED).done:
                cell, row = on.pop(future), future.result()
                if cell in beside and row.get("disturbed"):
                    self.jobs = max(1, self.jobs - 1)
                    self._say(f"{cell.key}: disturbed by the runs beside it; {self.jobs} at once from now on")
                    again.append(cell)
                else:
                    yield cell, row
        for cell in again:
            yield cell, self._once(cell.options, store, timeout_s=timeout_s)

    def close(self) -> None:
        """Wait for what is on."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def done_far_away(options: tuple[str, ...], timeout_s: float) -> tuple[Row, bytes]:
    """On a worker: one run in its own folder; its row, and the run's folder as a zip (empty if there is none).

    Node data is left out: it is what takes space, and what no analysis reads.
    """
    import distributed

    here = distributed.get_worker().local_directory  # goes with the worker, however it ends
    with tempfile.TemporaryDirectory(prefix="raftmon-task-", dir=here) as folder:
        row = run_once(options, Path(folder) / "store", timeout_s=timeout_s)
        row.pop("results", None)
        if not row.get("path"):
            return row, b""
        packed = Path(folder) / "run.zip"
        pack(RunFolder(Path(row["path"])), packed)
        return row, packed.read_bytes()


class DaskWorkers:
    """Runs done by the workers of a Dask scheduler: ``tcp://HOST:PORT``, or ``local:N`` for N processes here.

    Raises InputError where Dask is missing, or nobody answers at the address.
    """

    def __init__(self, where: str, say: Callable[[str], None]) -> None:
        try:
            import dask
            import distributed
        except ImportError as error:
            raise InputError("--dask needs the extra: pip install 'raftmon[dask]'") from error
        self._say = say
        self._stack = contextlib.ExitStack()
        self._distributed = distributed
        if where.startswith("local:"):
            if not where[6:].isdigit() or not 1 <= int(where[6:]) <= 1000:
                raise InputError(f"--dask {where}: write local:4 for 4 worker processes")
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="raftmon-dask-"))
            self._stack.enter_context(dask.config.set(temporary_directory=folder))
            with _deaf_to_ctrl_c():
                cluster = distributed.LocalCluster(
                    n_workers=int(where[6:]), threads_per_worker=1, processes=True, dashboard_address=None,
                    local_directory=folder, silence_logs=40, host="127.0.0.1",
                )  # fmt: skip
            self._stack.callback(cluster.close)
            where = cluster.scheduler_address
        try:
            self.client = self._stack.enter_context(distributed.Client(where, timeout="10s", set_as_default=False))
        except (OSError, TimeoutError, ValueError) as error:
            self._stack.close()
            raise InputError(f"--dask {where}: no scheduler answers there ({error})") from error

    def run(self, cells: Sequence[Cell], store: Path, timeout_s: float) -> Iterator[tuple[Cell, Row]]:
        """See ``Workers``; each row's ``path`` is where its folder was unpacked in ``store``."""
        futures = {f"raftmon-{cell.key}": (cell, self._submit(cell, timeout_s)) for cell in cells}
        again: list[Cell] = []
        try:
            for future in self._distributed.as_completed([one for _, one in futures.values()], loop=self.client.loop):
                cell, _ = futures[future.key]
                row = _brought(future, store, keep_disturbed=False)
                if row.get("disturbed"):
                    self._say(f"{cell.key}: disturbed by what ran beside it; to be done again alone")
                    again.append(cell)
                else:
                    yield cell, row
                future.release()
            for cell in again:
                yield cell, _brought(self._submit(cell, timeout_s, "alone-"), store)
        finally:
            self.client.cancel([one for _, one in futures.values()])

    @property
    def count(self) -> int:
        """How many workers there are now, at least 1."""
        return max(1, len(self.client.scheduler_info(n_workers=-1)["workers"]))

    def ended(self, tasks: Sequence[Any], timeout_s: float) -> list[Any]:
        """Those of ``tasks`` that have ended, once one has; none after ``timeout_s``."""
        try:
            with self.client.as_current():
                done = self._distributed.wait(
                    list(tasks), timeout=max(0.0, timeout_s), return_when="FIRST_COMPLETED"
                ).done
        except TimeoutError:
            return []
        return list(done)

    def once(self, options: Sequence[str], store: Path, *, timeout_s: float) -> Row:
        """``run_once`` on some worker, its folder put into the store; any thread may call it."""
        task = self.client.submit(done_far_away, tuple(options), timeout_s, pure=False, retries=_TASK_DEATHS)
        row = _brought(task, store)
        return {**row, "results": RunFolder(Path(row["path"])).load(RESULTS) if row.get("path") else None}

    def _submit(self, cell: Cell, timeout_s: float, mark: str = "") -> Any:
        return self.client.submit(
            done_far_away, cell.options, timeout_s, key=f"raftmon-{mark}{cell.key}", pure=False, retries=_TASK_DEATHS
        )

    def close(self) -> None:
        """Leave the scheduler; end the local workers."""
        self._stack.close()


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started inside ignore SIGINT: Ctrl-C is this process's to answer, theirs would be tracebacks."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _brought(future: Any, store: Path, *, keep_disturbed: bool = True) -> Row:
    """The row of a task that ended, its run's folder put into the store unless the run is to be done again."""
    error = future.exception()
    if error is not None:
        return {"verdict": "error", "sentence": f"{type(error).__name__}: {error}", "disturbed": False}
    row, archive = future.result()
    if archive and (keep_disturbed or not row["disturbed"]):
        row["path"] = str(_unpacked(archive, store))
    return dict(row)


def _unpacked(archive: bytes, store: Path) -> Path:
    """The run in such an archive, put into the store. Raises RaftmonError for one that no worker of raftmon sends."""
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(archive)
        file.flush()
        try:
            folder = unpack(Path(file.name), store)
        except InputError as error:
            raise RaftmonError(f"a worker sent something that is no run's folder: {error}") from error
    if not folder.is_run:
        raise RaftmonError("a worker sent something that is no run's folder")
    return folder.path


def workers(dask: str | None, jobs: int | None, say: Callable[[str], None]) -> Workers:
    """Dask's where an address is given, else threads here: one run at once for every four cores, or ``jobs``."""
    if dask is not None:
        return DaskWorkers(dask, say)
    return LocalWorkers(max(1, (psutil.cpu_count() or 1) // 4) if jobs is None else jobs, say)
