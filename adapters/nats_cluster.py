"""Operations on the cluster of a NATS bucket: who holds its stream, leader step-down, peers removed and added.

JetStream's administrative API (nats-server: ``jetstream_api.go``), asked through one server by nats-py; each request
is sent once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import nats
import nats.errors
import orjson

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.nats_client import BUCKET, EventLoop, quiet

__all__ = ["add_peer", "peers", "remove_peer", "step_down"]

_STREAM = f"KV_{BUCKET}"
_PAUSE_S = 0.05
_LOOKS = 40

Ask = Callable[[str, Any], Awaitable[dict[str, Any]]]


def step_down(loop: EventLoop, url: str, timeout_s: float) -> tuple[str, str]:
    """The stream's leader gives up; (who led, who leads then). Indefinite where nobody led again in time."""

    async def work(ask: Ask) -> tuple[str, str]:
        before = await _leader(ask)
        await ask(f"STREAM.LEADER.STEPDOWN.{_STREAM}", None)
        while not (now := await _leader(ask)):
            await asyncio.sleep(_PAUSE_S)
        return before, now

    found: tuple[str, str] = _with_api(loop, url, timeout_s, work)
    return found


def peers(loop: EventLoop, url: str, timeout_s: float) -> list[str]:
    """The servers that hold the stream, its leader first."""
    found: list[str] = _with_api(loop, url, timeout_s, _peers)
    return found


def remove_peer(loop: EventLoop, url: str, name: str, timeout_s: float) -> None:
    """Take the server out of the stream's Raft group. JetStream puts another in its place where it has one.

    Where it has none it takes the server out all the same, and answers with an error (10075, peer remap failed).
    """

    async def work(ask: Ask) -> None:
        try:
            await ask(f"STREAM.PEER.REMOVE.{_STREAM}", {"peer": name})
        except Definite:
            for _ in range(_LOOKS):
                if name not in await _peers(ask):
                    return
                await asyncio.sleep(_PAUSE_S)
            raise

    _with_api(loop, url, timeout_s, work)


def add_peer(loop: EventLoop, url: str, timeout_s: float) -> None:
    """Give the stream one replica more, on a server that holds none; JetStream chooses which.

    A stream that lost a peer still says that it has as many replicas as before: it is told first how many it has.
    """

    async def work(ask: Ask) -> None:
        info = await ask(f"STREAM.INFO.{_STREAM}", None)
        config, cluster = info["config"], info.get("cluster") or {}
        held = 1 + len(cluster.get("replicas") or ())
        for replicas in (held, held + 1):
            if config["num_replicas"] != replicas:
                config["num_replicas"] = replicas
                await ask(f"STREAM.UPDATE.{_STREAM}", config)

    _with_api(loop, url, timeout_s, work)


async def _peers(ask: Ask) -> list[str]:
    cluster = (await ask(f"STREAM.INFO.{_STREAM}", None)).get("cluster") or {}
    leader = [cluster["leader"]] if cluster.get("leader") else []
    return leader + [one["name"] for one in cluster.get("replicas") or ()]


async def _leader(ask: Ask) -> str:
    cluster = (await ask(f"STREAM.INFO.{_STREAM}", None)).get("cluster") or {}
    return str(cluster.get("leader") or "")


def _with_api(loop: EventLoop, url: str, timeout_s: float, work: Callable[[Ask], Awaitable[Any]]) -> Any:
    """``work(ask)`` on a connection of its own. Raises Definite where JetStream refused, Indefinite without answer."""

    async def do() -> Any:
        connection = await nats.connect(
            servers=[url], allow_reconnect=False, max_reconnect_attempts=0, connect_timeout=timeout_s, error_cb=quiet
        )

        async def ask(subject: str, body: Any) -> dict[str, Any]:
            data = b"" if body is None else orjson.dumps(body)
            answer = await connection.request(f"$JS.API.{subject}", data, timeout=timeout_s)
            told: dict[str, Any] = orjson.loads(answer.data)
            if "error" in told:
                error = told["error"]
                raise Definite(f"{subject}: {error.get('description')} ({error.get('err_code')})")
            return told

        try:
            return await work(ask)
        finally:
            await connection.close()

    try:
        return loop.run(do(), timeout_s)
    except Definite:
        raise
    except nats.errors.NoRespondersError as error:
        raise Definite("nobody in the cluster answers for JetStream") from error
    except Exception as error:
        raise Indefinite(f"no answer from {url}: {error or type(error).__name__}") from error
