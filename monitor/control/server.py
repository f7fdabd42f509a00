"""The control socket: JSON lines over a Unix socket that only its owner may use, for many users at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from raftmon.monitor.control.operations import Control
from raftmon.setup.errors import InputError, RaftmonError

__all__ = ["ControlServer"]

_MOST_CLIENTS = 64
_LINE_BYTES = 8 << 20
_WATCH_S = 1.0


class ControlServer:
    """Serves ``control`` on the socket ``path`` (mode 0600), until ``close``. Raises InputError if it cannot."""

    def __init__(self, path: Path, make_control: Callable[[], Control]) -> None:
        self._path = path
        self._make_control = make_control
        self._clients = 0
        self._socket = _listen(path)
        self._loop = asyncio.new_event_loop()
        self._done = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and remove the socket."""
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(timeout=2)
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._control = self._make_control()
        following = asyncio.ensure_future(self._control.follow_scripts())
        server = await asyncio.start_unix_server(self._client, sock=self._socket, limit=_LINE_BYTES)
        await self._done.wait()
        following.cancel()
        server.close()
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=1) if tasks else None

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not _is_owner(writer.get_extra_info("socket")) or self._clients >= _MOST_CLIENTS:
            writer.close()
            return
        self._clients += 1
        watching: list[asyncio.Task[None]] = []
        try:
            while line := await reader.readline():
                await self._request(line, writer, watching)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # gone, a line without end, or the monitor ends
        finally:
            self._clients -= 1
            for task in watching:
                task.cancel()
            with contextlib.suppress(Exception):
                writer.close()

    async def _request(self, line: bytes, writer: asyncio.StreamWriter, watching: list[asyncio.Task[None]]) -> None:
        number: Any = None
        try:
            request = orjson.loads(line)
            if not isinstance(request, dict):
                raise InputError("a request is one JSON object on one line")
            number = request.get("id")
            if request.get("op") == "watch":
                if not watching:
                    watching.append(asyncio.ensure_future(self._watch(number, writer)))
                return
            answer = {"id": number, "ok": True, "result": await self._control.answer(request)}
        except orjson.JSONDecodeError as error:
            answer = {
                "id": number,
                "ok": False,
                "error": f"that is not JSON: {error}",
                "status": InputError.exit_status,
            }
        except RaftmonError as error:
            answer = {"id": number, "ok": False, "error": str(error), "status": error.exit_status}
        except Exception as error:
            text = f"the monitor failed on this: {error!r}"
            answer = {"id": number, "ok": False, "error": text, "status": RaftmonError.exit_status}
        await _send(writer, answer)

    async def _watch(self, number: Any, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await _send(writer, {"id": number, "ok": True, "result": await self._control.stats()})
                await asyncio.sleep(_WATCH_S)


async def _send(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    writer.write(orjson.dumps(answer, default=str) + b"\n")
    await writer.drain()


def _is_owner(connection: socket.socket) -> bool:
    """Whether the other end is the user this process runs as (or root)."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return user in (os.geteuid(), 0)


def _listen(path: Path) -> socket.socket:
    """A listening socket at ``path``, by way of its folder's descriptor: sun_path holds only 107 bytes."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    before = os.umask(0o177)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
        listener.listen(_MOST_CLIENTS)
    except OSError as error:
        listener.close()
        raise InputError(f"cannot make the control socket {path}: {error.strerror}; choose another folder") from error
    finally:
        os.umask(before)
    return listener
