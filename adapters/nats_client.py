"""One thread's connection to one NATS server: a JetStream key-value bucket, through nats-py.

nats-py is asynchronous; all clients of a process share one event loop on its own thread. The bucket is used the
way nats.py's KeyValue uses it (subject ``$KV.bucket.key`` in the stream ``KV_bucket``), without its second requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, NoReturn

import nats
import nats.errors
import nats.js.errors
import orjson

from raftmon.adapters.base import Definite
from raftmon.adapters.outcomes import Row, raise_outcome

__all__ = ["BUCKET", "OUTCOMES", "EventLoop", "NatsClient", "make_bucket", "quiet"]

BUCKET = "raftmon"
_STREAM = f"KV_{BUCKET}"
_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_WRONG_LAST_SEQUENCE = (10071, 10164)
_SLACK_S = 1.0

# The numbers are err_code of nats-server's errors.json.
OUTCOMES = (
    Row("NO_RESPONDERS", "", True, "nobody in the cluster takes messages for the stream, so it went nowhere"),
    Row("10003", "", True, "refused as a bad request"),
    Row("10054", "", True, "larger than the stream takes"),
    Row("10076", "", True, "JetStream is not enabled on the server"),
    Row("MAX_PAYLOAD", "", True, "refused by the client library, unsent"),
)


class EventLoop:
    """An asyncio loop on a daemon thread; ``run`` waits for a coroutine from any other thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="nats-loop", daemon=True).start()

    def run(self, work: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
        """The coroutine's result; raises what it raises, TimeoutError past ``timeout_s``."""
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout_s), self._loop)
        try:
            return future.result(timeout_s + _SLACK_S)
        except TimeoutError:
            future.cancel()
            raise


async def quiet(_error: Exception) -> None:
    """What happens to the connection shows in the operations."""


class NatsClient:
    """read, write and cas through one server. It connects when first asked, and again after the connection broke."""

    def __init__(self, loop: EventLoop, url: str, timeout_s: float) -> None:
        self.revision = 0
        self._loop = loop
        self._url = url
        self._timeout_s = timeout_s
        self._connection: Any = None
        self._stream: Any = None

    def _open(self) -> None:
        if self._connection is not None and self._connection.is_connected:
            return
        self.close()
        work = nats.connect(
            servers=[self._url],
            allow_reconnect=False,
            max_reconnect_attempts=0,
            connect_timeout=self._timeout_s,
            error_cb=quiet,
        )
        try:
            self._connection = self._loop.run(work, self._timeout_s)
        except Exception as error:
            raise Definite(
                f"no connection to {self._url}, nothing was sent: {error or type(error).__name__}"
            ) from error
        self._stream = self._connection.jetstream(timeout=self._timeout_s)

    def read(self, key: str) -> Any:
        """The stream leader's last value of ``key``. NATS asks no quorum for it: a read may be stale."""
        self._open()
        try:
            return self._loop.run(self._get(key), self._timeout_s)[0]
        except Exception as error:
            self._failed(error, read=True)

    def write(self, key: str, value: Any) -> None:
        """Publish to the key's subject and wait for the stream's acknowledgement."""
        self._open()
        try:
            self._loop.run(self._put(key, value, None), self._timeout_s)
        except Exception as error:
            self._failed(error, read=False)

    def cas(self, key: str, expected: Any, new: Any) -> None:
        """Read value and revision, then publish on condition that the revision is still the last."""
        self._open()
        try:
            seen, revision = self._loop.run(self._get(key), self._timeout_s)
        except Exception as error:
            self._failed(error, read=True)
        if seen != expected or type(seen) is not type(expected):
            raise Definite(f"{key} was {seen!r}, not {expected!r}", seen=seen, has_seen=True)
        try:
            self._loop.run(self._put(key, new, revision), self._timeout_s)
        except nats.js.errors.APIError as error:
            if error.err_code in _WRONG_LAST_SEQUENCE:
                raise Definite(f"{key} was changed meanwhile") from error
            self._failed(error, read=False)
        except Exception as error:
            self._failed(error, read=False)

    async def _get(self, key: str) -> tuple[Any, int]:
        try:
            message = await self._stream.get_msg(_STREAM, subject=f"$KV.{BUCKET}.{key}")
        except nats.js.errors.NotFoundError as error:
            if error.err_code != 10037:  # no message found; anything else found no stream
                raise
            return None, 0
        return orjson.loads(message.data), message.seq

    async def _put(self, key: str, value: Any, revision: int | None) -> None:
        headers = None if revision is None else {_EXPECTED: str(revision)}
        answer = await self._stream.publish(f"$KV.{BUCKET}.{key}", orjson.dumps(value), headers=headers)
        self.revision = answer.seq

    def _failed(self, error: Exception, *, read: bool) -> NoReturn:
        unanswered = nats.js.errors.NoStreamResponseError | nats.errors.NoRespondersError
        if isinstance(error, unanswered):
            code = "NO_RESPONDERS"
        elif isinstance(error, nats.js.errors.APIError):
            code = str(error.err_code)
        elif isinstance(error, nats.errors.MaxPayloadError):
            code = "MAX_PAYLOAD"
        else:
            code = type(error).__name__
            self.close()  # timed out or broken: a new connection next time
        raise_outcome(OUTCOMES, code, str(error), read=read, cause=error)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                self._loop.run(connection.close(), _SLACK_S)


def make_bucket(loop: EventLoop, url: str, replicas: int, timeout_s: float) -> bool:
    """Make the bucket if it is not there, and read from it through this server; False if that cannot be done."""

    async def make() -> None:
        connection = await nats.connect(
            servers=[url], allow_reconnect=False, max_reconnect_attempts=0, connect_timeout=timeout_s, error_cb=quiet
        )
        try:
            stream = connection.jetstream(timeout=timeout_s)
            try:
                await stream.stream_info(_STREAM)
            except nats.js.errors.NotFoundError:
                await stream.create_key_value(bucket=BUCKET, replicas=replicas, history=1)
            with contextlib.suppress(nats.js.errors.NotFoundError):
                await stream.get_msg(_STREAM, subject=f"$KV.{BUCKET}.raftmon-ready")
        finally:
            await connection.close()

    try:
        loop.run(make(), timeout_s)
    except Exception:
        return False
    return True
