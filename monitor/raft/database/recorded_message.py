"""One message of a record with all its bytes, found again in the packets that brought it."""

from __future__ import annotations

import contextlib
import ipaddress
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from raftmon.monitor.packets.capture_reader import read_capture
from raftmon.monitor.raft.codecs.base import Codec
from raftmon.monitor.raft.codecs.table import BUILT_IN
from raftmon.monitor.raft.database.store import open_store
from raftmon.monitor.raft.decoder import Decoder
from raftmon.monitor.raft.message import RaftMessage
from raftmon.setup.errors import InputError

__all__ = ["find_recorded"]


def find_recorded(record: Path, capture: Path, number: int, codecs: Sequence[Codec] = BUILT_IN) -> RaftMessage:
    """Message ``number`` (``id`` in ``messages.sqlite``) with its entries and bytes, named as the record names it.

    Reads ``capture`` up to the packet that ended it, and of it only the message's connection. Raises InputError where
    there is no such message, or its packets are not in the capture.
    """
    with contextlib.closing(open_store(record)) as connection:
        row = connection.execute(
            "SELECT m.*, c.source_address, c.target_address FROM messages m JOIN channels c ON c.id = m.channel "
            "WHERE m.id = ?",
            (number,),
        ).fetchone()
        if row is None:
            last = connection.execute("SELECT MAX(id) FROM messages").fetchone()[0] or 0
            raise InputError(f"there is no message {number}; the record has 1 to {last} (raftmon messages lists them)")
        before = connection.execute(
            "SELECT COUNT(*) FROM messages WHERE id < ? AND channel = ? AND first_packet = ? AND last_packet = ?",
            (number, row["channel"], row["first_packet"], row["last_packet"]),
        ).fetchone()[0]
    for message in _ending_with(capture, row, codecs):
        if before == 0:
            message.source, message.target = row["source"], row["target"]
            return message
        before -= 1
    raise InputError(
        f"the packets of message {number} are not in {capture}: they were not recorded, or are not written yet"
    )


def _ending_with(capture: Path, row: sqlite3.Row, codecs: Sequence[Codec]) -> Iterator[RaftMessage]:
    """The messages of the row's connection and direction with its first and last packets."""
    decoder = Decoder(codecs=codecs, forgiving=True)
    ends = _ends(row)
    for packet in read_capture(capture):
        if packet.number > row["last_packet"]:
            return
        if ends is not None and not _between(packet.data, ends):
            continue
        for message in decoder.packet(packet.number, packet.time_ns, packet.data):
            packets = message.first_packet, message.last_packet
            if packets == (row["first_packet"], row["last_packet"]) and (
                message.channel.source_address == row["source_address"]
            ):
                yield message


def _ends(row: sqlite3.Row) -> frozenset[bytes] | None:
    """Both ends of the connection as address and port in a packet; None if that is not IPv4."""
    found = []
    for text in (row["source_address"], row["target_address"]):
        address, _, port = text.rpartition(":")
        try:
            found.append(ipaddress.IPv4Address(address).packed + int(port).to_bytes(2, "big"))
        except ValueError:
            return None
    return frozenset(found)


def _between(data: bytes, ends: frozenset[bytes]) -> bool:
    if len(data) < 24 or data[0] >> 4 != 4:
        return True
    header = (data[0] & 15) * 4
    return {data[12:16] + data[header : header + 2], data[16:20] + data[header + 2 : header + 4]} == ends
