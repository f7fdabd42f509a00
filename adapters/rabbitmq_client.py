"""One thread's AMQP connection to one broker (py-amqp): publisher confirms, single gets, acknowledgements.

A value is the JSON body of a persistent message. Nothing retries. After any failure the connection is thrown away, so
that the broker gives what was fetched and not acknowledged to somebody else.
"""

from __future__ import annotations

import contextlib
from typing import Any

import amqp
import orjson
from amqp.exceptions import AMQPError, MessageNacked

from raftmon.adapters.base import Definite, Indefinite
from raftmon.adapters.capabilities import Taken
from raftmon.adapters.rabbitmq import PROBE

__all__ = ["RabbitMqClient", "serves"]

_GROUP = 5  # members of a queue's Raft group, at most
_FAILURES = (AMQPError, OSError, EOFError)


def _declare(channel: Any, queue: str) -> None:
    arguments = {"x-queue-type": "quorum", "x-quorum-initial-group-size": _GROUP}
    channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)


def _connected(address: str, timeout_s: float) -> Any:
    connection = amqp.Connection(
        address, connect_timeout=timeout_s, confirm_publish=True, heartbeat=0, login_method="PLAIN"
    )
    connection.connect()
    connection.transport.sock.settimeout(timeout_s)
    return connection


def _drop(connection: Any) -> None:
    """Close the socket, without the farewell that a broker may not answer."""
    with contextlib.suppress(Exception):
        connection.transport.sock.close()
    with contextlib.suppress(Exception):
        connection.collect()


def serves(address: str, timeout_s: float, _nodes: int) -> bool:
    """Whether a broker lets a client log in and declare a quorum queue."""
    connection = None
    try:
        connection = _connected(address, timeout_s)
        _declare(connection.channel(), PROBE)
    except _FAILURES:
        return False
    finally:
        if connection is not None:
            _drop(connection)
    return True


class RabbitMqClient:
    """Queues through one broker. There are no registers: write and cas say so."""

    def __init__(self, address: str, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._connection: Any = None
        self._channel: Any = None
        self._declared: set[str] = set()

    def enqueue(self, queue: str, value: Any) -> None:
        """Publish a persistent message and wait for the broker's confirmation."""
        channel = self._ready(queue)
        message = amqp.Message(orjson.dumps(value), delivery_mode=2)
        try:
            channel.basic_publish_confirm(message, routing_key=queue, mandatory=True, confirm_timeout=self._timeout_s)
        except MessageNacked as error:  # the broker could not say that it was stored: it may have been
            raise self._failed(error) from error
        except _FAILURES as error:
            raise self._failed(error) from error

    def dequeue(self, queue: str, at_most_once: bool = False) -> Taken | None:
        """Get one message; it is acknowledged after it came, or, with ``at_most_once``, as it is sent."""
        channel = self._ready(queue)
        try:
            message = channel.basic_get(queue, no_ack=at_most_once)
            if message is None:
                return None
            if not at_most_once:
                channel.basic_ack(message.delivery_info["delivery_tag"])
            return Taken(orjson.loads(message.body), bool(message.delivery_info.get("redelivered")))
        except _FAILURES as error:
            raise self._failed(error) from error

    def _ready(self, queue: str) -> Any:
        """A channel on which the queue is declared. Raises Definite: nothing has been done yet."""
        try:
            if self._connection is None:
                self._connection = _connected(self._address, self._timeout_s)
                self._channel = self._connection.channel()
                self._declared.clear()
            if queue not in self._declared:
                _declare(self._channel, queue)
                self._declared.add(queue)
        except _FAILURES as error:
            raise Definite(str(self._failed(error))) from error
        return self._channel

    def _failed(self, error: BaseException) -> Indefinite:
        self.close()
        return Indefinite(f"{self._address}: {type(error).__name__}: {error}")

    def read(self, key: str) -> Any:
        """There are no registers, so every key is unset. It shows whether a quorum answers: by a get from a queue that
        is always empty.
        """
        try:
            self.dequeue(PROBE, at_most_once=True)
        except Indefinite as error:
            raise Definite(f"{key}: {error}") from error

    def write(self, key: str, value: Any) -> None:
        """There are no registers."""
        raise Definite(f"RabbitMQ has queues only and no key {key}: give --workload queue")

    def cas(self, key: str, expected: Any, new: Any) -> None:
        """There are no registers."""
        raise Definite(f"RabbitMQ has queues only and no key {key}: give --workload queue")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            _drop(self._connection)
        self._connection = self._channel = None
