import os
import socket

from raftmon.monitor.attach.port_owners import PortOwners

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(local, remote, state, inode):
    return f"   0: 0100007F:{local:04X} 0100007F:{remote:04X} {state} 0:0 00:0 0 0 0 {inode} 1\n"


def proc(folder, rows, processes):
    (folder / "net").mkdir(exist_ok=True)
    (folder / "net" / "tcp").write_text(HEADER + "".join(rows))
    for pid, inodes in processes.items():
        (folder / str(pid) / "fd").mkdir(parents=True, exist_ok=True)
        for number, inode in enumerate(inodes):
            (folder / str(pid) / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
    return folder


def test_the_dialler_is_the_node_whose_process_listens_on_its_own_port(tmp_path):
    rows = [row(2380, 0, "0A", 11), row(12380, 0, "0A", 21), row(50000, 12380, "02", 12), row(50001, 12380, "01", 31)]
    found = PortOwners({2380: "n1", 12380: "n2"}, proc(tmp_path, rows, {7: [11, 12], 8: [21], 9: [31]}))
    assert found.owner(50000, 12380) == "n1"
    assert found.owner(12380, 50000) == "n2"
    assert found.owner(50001, 12380) is None
    assert found.owner(50002, 12380) is None


def test_a_node_that_was_restarted_is_found_again(tmp_path):
    rows = [row(2380, 0, "0A", 11), row(50000, 9, "01", 12)]
    found = PortOwners({2380: "n1"}, proc(tmp_path, rows, {7: [11, 12]}))
    assert found.owner(50000, 9) == "n1"
    for entry in (tmp_path / "7" / "fd").iterdir():
        entry.unlink()
    rows = [row(2380, 0, "0A", 41), row(50003, 9, "01", 42)]
    proc(tmp_path, rows, {70: [41, 42]})
    assert found.owner(50003, 9) == "n1"


def test_this_very_process_is_found_through_the_kernel():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as dialled:
            found = PortOwners({port: f"pid {os.getpid()}"})
            assert found.owner(dialled.getsockname()[1], port) == f"pid {os.getpid()}"
