"""What an HTTP tap hands on: heads and bodies, and the conversation that says what they mean."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from raftmon.monitor.packets.tcp_table import Flow

__all__ = ["IGNORED", "Body", "Conversation", "IgnoredBody", "Request", "Response"]


@dataclass(slots=True)
class Request:
    """A request's head; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass(slots=True)
class Response:
    """A response's head and the request it answers (None if that was not seen)."""

    status: int
    headers: dict[str, str]
    request: Request | None


class Body(Protocol):
    """What takes the bytes of one body, chunk framing removed."""

    def feed(self, data: bytes, start: int, end: int, mark: int) -> None:
        """``data[start:end]`` are its next bytes, from packet ``mark``; raises Malformed if they make no sense."""

    def finish(self) -> None:
        """The body is complete."""

    def abandon(self) -> None:
        """No more of it will come, and it is not complete: let go of what is kept."""


class IgnoredBody:
    """Takes bytes that say nothing about Raft."""

    def feed(self, data: bytes, start: int, end: int, mark: int) -> None:
        """Nothing to do."""

    def finish(self) -> None:
        """Nothing to do."""

    def abandon(self) -> None:
        """Nothing is kept."""


IGNORED = IgnoredBody()


class Conversation(Protocol):
    """The meaning of one connection's requests and responses."""

    requests: deque[Request]

    def on_request(self, request: Request, flow: Flow, mark: int) -> Body:
        """A request's head came on ``flow``: who takes its body."""

    def on_response(self, response: Response, flow: Flow, mark: int) -> Body:
        """A response's head came on ``flow``: who takes its body."""

    def join(self, data: bytes, body: Body | None, flow: Flow) -> tuple[int, Body] | None:
        """A chunk header in ``data`` from which the stream can be followed, and who takes it (``body``: who did)."""
