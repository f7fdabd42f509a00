"""The contract of codecs: kept by those that are built in, and seen to be broken by ones that break it."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftmon.monitor.raft import codec_contract
from raftmon.monitor.raft.codec_contract import test_codec as contract
from raftmon.monitor.raft.codecs import hashicorp, zookeeper
from raftmon.monitor.raft.codecs.table import BUILT_IN
from raftmon.setup.errors import InputError
from tests.monitor.raft.wire import DATA

CAPTURES = {
    "etcd": "etcd-3.4.23-head", "nats-server": "nats-2.15.1", "hashicorp-raft": "hashicorp-raft-1.1.2",
    "dqlite": "dqlite-1.11.5", "zookeeper": "zookeeper-3.9.3", "ovsdb": "ovsdb-3.1.0",
}  # fmt: skip


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec_contract, "_ROUNDS", 2)


@pytest.mark.parametrize("name", CAPTURES)
def test_a_built_in_codec_keeps_it(name: str) -> None:
    codec = next(codec for codec in BUILT_IN if codec.name == name)
    assert [one for one in contract(codec, DATA / f"{CAPTURES[name]}.pcap.gz", "1") if not one.kept] == []


def broken(monkeypatch: pytest.MonkeyPatch, method: str, made: object) -> list[str]:
    monkeypatch.setattr(hashicorp.HashicorpTap, method, made)
    promises = contract(hashicorp.CODEC, DATA / "hashicorp-raft-1.1.2.pcap.gz", "1")
    return [one.text.split()[0] for one in promises if not one.kept]


def test_a_codec_that_takes_segments_for_messages_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def end_of(self: object, data: bytes, place: int) -> int:
        return len(data)

    assert "Any" in broken(monkeypatch, "end_of", end_of)


def test_a_codec_that_raises_on_damaged_bytes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    take = hashicorp.HashicorpTap.take

    def fragile(self: hashicorp.HashicorpTap, raw: bytes, first: int, mark: int) -> int:
        try:
            return take(self, raw, first, mark)
        except hashicorp.Malformed as error:
            raise IndexError("not caught") from error

    assert "Damaged" in broken(monkeypatch, "take", fragile)


def test_a_codec_that_keeps_what_it_held_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Damaged" in broken(monkeypatch, "end", lambda self: None)


def test_a_capture_of_another_protocol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reads no message"):
        contract(zookeeper.QUORUM, DATA / "nats-2.15.1.pcap.gz", "1")
