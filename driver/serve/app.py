"""The application: which address gives what. It reads the store; only a live run's rules can be changed."""

from __future__ import annotations

import shlex
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from raftmon.driver.campaign.trial import row_of
from raftmon.driver.exports.packed import pack
from raftmon.driver.exports.rows import RunRows
from raftmon.driver.run.command import options_of
from raftmon.driver.run.config import RunConfig
from raftmon.driver.run_folder import MARK, RunFolder, check_name
from raftmon.driver.run_list import select_runs
from raftmon.driver.serve import campaign_pages, pages
from raftmon.driver.serve.access import REPORT_POLICY, Access
from raftmon.driver.serve.campaigns import campaigns, exploration, sweep_table
from raftmon.driver.serve.linearization import linearization_page
from raftmon.driver.serve.live import LIVE_POLICY, control, live_page, live_state, newest_live
from raftmon.driver.serve.markup import address
from raftmon.driver.serve.query import Answer, ask
from raftmon.driver.serve.tail import Tails
from raftmon.driver.shrink.differences import differences
from raftmon.setup.errors import InputError, RaftmonError

__all__ = ["application"]

MOST_RUNS = 2000
_MOST_FILES = 500
_TYPES = {".css": "text/css", ".js": "text/javascript"}
_COMPARED = (
    "verdict", "ok", "fail", "info", "p50_ms", "p99_ms", "outage_ms", "terms", "system", "server", "workload", "faults",
    "nodes", "clients", "keys", "duration_s", "seed",
)  # fmt: skip


def application(store: Path, token: str, hosts: tuple[str, ...] = ("127.0.0.1", "localhost")) -> Starlette:
    """The store's pages for whoever has the token."""
    of = _Pages(store)
    run_at = "/run/{name}/{time}"
    return Starlette(
        routes=[
            Route("/", of.runs),
            Route("/compare", of.compare),
            Route("/web/{name}", _web),
            Route("/live", of.newest),
            Route("/campaigns", of.campaigns),
            Route("/campaign/{name}", of.campaign),
            Route(f"{run_at}/live", of.live),
            Route(f"{run_at}/state", of.state),
            Route(f"{run_at}/control", of.control, methods=["POST"]),
            Route(f"{run_at}/report", of.report),
            Route(f"{run_at}/linearization", of.linearization),
            Route(f"{run_at}/zip", of.one_zip),
            Route(f"{run_at}/file/{{inside:path}}", of.file),
            Route(run_at, of.run),
        ],
        middleware=[Middleware(Access, token=token, hosts=hosts)],
        exception_handlers={InputError: _wrong, RaftmonError: _wrong},
    )


class _Pages:
    """What each address gives."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._tails = Tails()

    async def runs(self, request: Request) -> Response:
        where = request.query_params.get("where", "").strip()
        error = None
        try:
            found = await run_in_threadpool(select_runs, self._store, where or None)
        except InputError as wrong:
            error, found = str(wrong), await run_in_threadpool(select_runs, self._store)
        newest = list(reversed(found))[:MOST_RUNS]
        return HTMLResponse(pages.runs_page(newest, where, error, len(found)))

    async def run(self, request: Request) -> Response:
        folder = self._folder(request)
        rows = RunRows(folder)
        sql = request.query_params.get("sql", "").strip()
        answer: Answer | str | None = None
        if sql:
            try:
                answer = await run_in_threadpool(ask, rows, sql)
            except InputError as wrong:
                answer = str(wrong)
        listed = await run_in_threadpool(_files, folder)
        name = f"{folder.path.parent.name}/{folder.path.name}"
        return HTMLResponse(
            pages.run_page(name, rows.results, _command(rows.config), listed, sql, answer, live=folder.is_live)
        )

    async def newest(self, _request: Request) -> Response:
        name = newest_live(await run_in_threadpool(select_runs, self._store))
        if name is None:
            text = "no run is live yet: start one with `raftmon run`; this page looks again every two seconds"
            return HTMLResponse(pages.error_page(text), 404, headers={"Refresh": "2"})
        return RedirectResponse(address(name, "/live"), 303)

    async def live(self, request: Request) -> Response:
        text = await run_in_threadpool(live_page, self._folder(request))
        return HTMLResponse(text, headers={"Content-Security-Policy": LIVE_POLICY})

    async def state(self, request: Request) -> Response:
        asked, folder = request.query_params, self._folder(request)
        since = int(asked["since"]) if asked.get("since", "").isdecimal() else 0
        tail = self._tails.of(folder)
        found = await run_in_threadpool(live_state, folder, tail, since, asked.get("epoch", ""))
        return Response(found, media_type="application/json")

    async def control(self, request: Request) -> Response:
        """Only JSON is taken: no form of another site can send it."""
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            return JSONResponse({"error": "send application/json"}, 415)
        try:
            asked = orjson.loads(await request.body())
            result = await run_in_threadpool(control, self._folder(request), asked)
        except orjson.JSONDecodeError:
            return JSONResponse({"error": "the body is no JSON"}, 400)
        except RaftmonError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"result": result})

    async def report(self, request: Request) -> Response:
        path = self._folder(request).path / "report.html"
        if not path.is_file() or path.is_symlink():
            raise InputError("this run has no report")
        return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY})

    async def linearization(self, request: Request) -> Response:
        text = await run_in_threadpool(linearization_page, self._folder(request))
        return HTMLResponse(text, headers={"Content-Security-Policy": REPORT_POLICY})

    async def file(self, request: Request) -> Response:
        folder = self._folder(request)
        inside = request.path_params["inside"]
        if inside not in {path for path, _ in await run_in_threadpool(_files, folder)}:
            raise InputError("this run has no such file")
        return FileResponse(folder.path / inside, media_type="application/octet-stream", filename=Path(inside).name)

    async def one_zip(self, request: Request) -> Response:
        folder = self._folder(request)
        made = tempfile.TemporaryDirectory(prefix="raftmon-serve-")
        target = Path(made.name) / f"{folder.path.parent.name}-{folder.path.name}.zip"
        await run_in_threadpool(pack, folder, target)
        return FileResponse(target, filename=target.name, background=BackgroundTask(made.cleanup))

    async def compare(self, request: Request) -> Response:
        names = request.query_params.getlist("run")
        if len(names) != 2:
            raise InputError(f"{len(names)} runs are ticked: tick two to see them side by side")
        left, right = (_named(self._store, name) for name in names)
        rows = [_numbers(one) for one in (left, right)]
        found = await run_in_threadpool(differences, left, right)
        table = [(name, rows[0].get(name), rows[1].get(name)) for name in _COMPARED]
        return HTMLResponse(pages.compare_page((names[0], names[1]), table, found))

    async def campaigns(self, _request: Request) -> Response:
        return HTMLResponse(campaign_pages.campaigns_page(await run_in_threadpool(campaigns, self._store)))

    async def campaign(self, request: Request) -> Response:
        name = request.path_params["name"]
        kind = next((one.kind for one in await run_in_threadpool(campaigns, self._store) if one.name == name), None)
        folder = self._store / name
        if kind == "sweep":
            found = await run_in_threadpool(sweep_table, folder)
            return HTMLResponse(campaign_pages.sweep_page(name, found, self._store))
        if kind == "exploration":
            return HTMLResponse(campaign_pages.exploration_page(name, await run_in_threadpool(exploration, folder)))
        raise InputError(f"{name!r} is no sweep and no exploration of this store")

    def _folder(self, request: Request) -> RunFolder:
        return _named(self._store, f"{request.path_params['name']}/{request.path_params['time']}")


async def _web(request: Request) -> Response:
    name = request.path_params["name"]
    kind = _TYPES.get(Path(name).suffix)
    there = files("raftmon.driver.serve").joinpath("web").joinpath(name)
    if kind is None or not there.is_file():
        raise InputError("there is no such file")
    return Response(there.read_bytes(), media_type=kind)


async def _wrong(_request: Request, error: Exception) -> Response:
    return HTMLResponse(pages.error_page(str(error)), 404 if isinstance(error, InputError) else 500)


def _named(store: Path, text: str) -> RunFolder:
    """The run ``NAME/TIME`` of the store. Raises InputError for anything else."""
    parts = text.split("/")
    if len(parts) != 2:
        raise InputError(f"{text!r} is no run of this store")
    for part in parts:
        check_name(part)
    folder = RunFolder(store / parts[0] / parts[1])
    if not folder.is_run:
        raise InputError(f"{text!r} is no run of this store")
    return folder


def _files(folder: RunFolder) -> list[tuple[str, int]]:
    """(path inside, size) of the run's plain files, no links followed."""
    found = []
    for path in sorted(folder.path.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name != MARK:
            found.append((str(path.relative_to(folder.path)), path.stat().st_size))
    return found[:_MOST_FILES]


def _numbers(folder: RunFolder) -> dict[str, Any]:
    rows = RunRows(folder)
    return {**rows.config, **row_of(rows.results)}


def _command(config: dict[str, Any]) -> str:
    try:
        return shlex.join(["raftmon", "run", *options_of(RunConfig.from_json(config))])
    except (InputError, TypeError, ValueError, AttributeError):
        return "raftmon run --replay with this run's folder"
