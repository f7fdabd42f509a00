"""Operations on a dqlite cluster: who its nodes are, a transfer of leadership, a dump of the database.

Requests of dqlite's wire protocol (dqlite.io, "Wire protocol") that its operators' tools send, each once.
"""

from __future__ import annotations

import struct
import time

from raftmon.adapters.dqlite_client import DATABASE, DqliteConnection, failure, text
from raftmon.setup.errors import RaftmonError

__all__ = ["dump", "files_in", "nodes", "nodes_in", "transfer"]

_DUMP, _CLUSTER, _TRANSFER = 15, 16, 17
_FAILURE, _NODES, _EMPTY, _FILES = 0, 3, 8, 9

Address = tuple[str, int]


def nodes(address: Address, timeout_s: float) -> dict[str, int]:
    """``host:port`` -> id of every node of the cluster, as the node at ``address`` knows them."""
    return nodes_in(_ask(address, _CLUSTER, bytes(8), _NODES, timeout_s))


def transfer(leader: Address, to: int, timeout_s: float) -> None:
    """Have the leader hand over to the node with that id. Raises RaftmonError where it refused."""
    _ask(leader, _TRANSFER, struct.pack("<Q", to), _EMPTY, timeout_s)


def dump(address: Address, timeout_s: float) -> dict[str, int]:
    """The files of the database as the node sends them: name -> size in bytes. Raises RaftmonError."""
    return files_in(_ask(address, _DUMP, text(DATABASE), _FILES, timeout_s))


def nodes_in(body: bytes) -> dict[str, int]:
    """A NODES answer: count, then id and address of each. Raises RaftmonError where it is cut short."""
    found, place = {}, 8
    for _ in range(_word(body, 0)):
        identity = _word(body, place)
        name, place = _text_at(body, place + 8)
        found[name] = identity
    return found


def files_in(body: bytes) -> dict[str, int]:
    """A FILES answer: count, then name, size and content of each. Raises RaftmonError where it is cut short."""
    found, place = {}, 8
    for _ in range(_word(body, 0)):
        name, place = _text_at(body, place)
        found[name] = _word(body, place)
        place += 8 + found[name]
        if place > len(body):
            raise RaftmonError(f"dqlite's dump ends in the middle of {name}")
    return found


def _word(body: bytes, place: int) -> int:
    if place + 8 > len(body):
        raise RaftmonError(f"an answer of dqlite is cut short at byte {place}")
    return int(struct.unpack_from("<Q", body, place)[0])


def _text_at(body: bytes, place: int) -> tuple[str, int]:
    """A text and where the next word begins."""
    end = body.find(b"\0", place)
    if end < 0:
        raise RaftmonError(f"an answer of dqlite has a text without an end at byte {place}")
    return body[place:end].decode("utf-8", "replace"), place + (end - place) // 8 * 8 + 8


def _ask(address: Address, kind: int, body: bytes, wanted: int, timeout_s: float) -> bytes:
    deadline = time.monotonic() + timeout_s
    connection = DqliteConnection(address, deadline)
    try:
        answered, told = connection.ask(kind, body, deadline)
    except (OSError, ValueError, struct.error) as error:
        raise RaftmonError(f"dqlite at {address[0]} did not answer: {error}") from error
    finally:
        connection.close()
    if answered == _FAILURE:
        code, why = failure(told)
        raise RaftmonError(f"dqlite at {address[0]} refused: {why} ({code})")
    if answered != wanted:
        raise RaftmonError(f"dqlite at {address[0]} answered with {answered}, not {wanted}")
    return told
