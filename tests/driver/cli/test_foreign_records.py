"""A messages.sqlite that raftmon did not write is refused in a sentence, whatever it holds."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from raftmon.driver.cli import main
from raftmon.monitor.raft.database.store import MessageStore

_CHANNEL = "INSERT INTO channels VALUES (1, 'peer', 'etcd', 'n1', 'n2', 'a:1', 'b:2')"
_MESSAGE = (
    "INSERT INTO messages VALUES (1, {time}, 'MsgApp', 'n1', 'n2', 1, 1, 1, 1, 0, NULL, NULL, 0, 0, {context}, "
    "NULL, NULL, 'g', 1, 1, 1, 10, NULL, 1)"
)
_ENDLESS = (
    "CREATE VIEW messages AS WITH RECURSIVE c(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM c) "
    "SELECT id, id AS time_ns, 'MsgApp' AS kind FROM c"
)


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ([_CHANNEL, _MESSAGE.format(time=5, context="'text'")], "has a context that raftmon did not write"),
        ([_CHANNEL, _MESSAGE.format(time=5, context="5")], "has a context that raftmon did not write"),
        ([_CHANNEL, _MESSAGE.format(time="'soon'", context="NULL")], "holds a time that raftmon did not write"),
        (["DROP TABLE messages", _ENDLESS], "its messages is not raftmon's"),
        (["ALTER TABLE messages DROP COLUMN size"], "its messages is not raftmon's"),
        (["DROP TABLE entries"], "its entries is not raftmon's"),
        (["UPDATE meta SET value = '{'"], "another version of raftmon"),
    ],
)
def test_a_foreign_record_is_refused(
    statements: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    MessageStore(tmp_path / "messages.sqlite").finish((), {}, ())
    with sqlite3.connect(tmp_path / "messages.sqlite") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    assert main(["messages", str(tmp_path)]) == 64
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
