"""Where each system's write-ahead log lies, oldest file first."""

import pytest

from raftmon.adapters.systems import system

LAYOUTS = {
    "nats": (
        ["jetstream/$SYS/_js_/S-R3F-abc/msgs/2.blk", "jetstream/$SYS/_js_/S-R3F-abc/msgs/10.blk"],
        ["jetstream/$SYS/_js_/_meta_/msgs/1.blk", "jetstream/$G/streams/KV_raftmon/msgs/1.blk"],
    ),
    "zookeeper": (["version-2/log.1", "version-2/log.1000000a", "version-2/log.20000001"], ["version-2/snapshot.0"]),
    "ovsdb": (["raftmon.db"], [".raftmon.db.~lock~"]),
    "pysyncobj": (["journal"], ["dump"]),
    "rabbitmq": (["rabbit@n1/quorum/rabbit@n1/00000001.wal"], ["rabbit@n1/msg_stores/x"]),
    "dqlite": (
        ["10.77.2.2:9001/0000000000000001-0000000000000009", "10.77.2.2:9001/open-2", "10.77.2.2:9001/open-10"],
        ["10.77.2.2:9001/metadata1", "10.77.2.2:9001/snapshot-1-9-3"],
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_log_is_found_and_nothing_else(name, tmp_path):
    log, others = LAYOUTS[name]
    for path in reversed([*log, *others]):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(bytes(8) + b"something")
    if name == "dqlite":
        (tmp_path / "10.77.2.2:9001" / "open-11").write_bytes(b"\1" + bytes(8191))  # made ready, not used yet
    found = system(name, {}).log_files(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in found] == log
    assert list(system(name, {}).log_files(tmp_path / "nowhere")) == []
