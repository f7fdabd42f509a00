"""``-`` and pipes, for every command that reads."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from raftmon.driver.cli import main, standard_input
from raftmon.driver.cli.progress import progress_line

EVENTS = "".join(
    f'{{"process":0,"type":"{kind}","f":"write","key":"k","value":1,"time_ns":{time_ns}}}\n'
    for time_ns, kind in enumerate(("invoke", "ok"))
)
HEAD = Path(__file__).parents[2] / "monitor" / "raft" / "data" / "etcd-3.4.23-head.pcap.gz"


def raftmon(*words, stdin):
    command = [sys.executable, "-P", "-m", "raftmon.driver.cli", *words]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60)


def test_check_reads_standard_input():
    done = raftmon("check", "-", stdin=EVENTS.encode())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"standard input: 1 operations of 1 processes, read as jsonl")


def test_convert_reads_standard_input(tmp_path):
    done = raftmon("convert", "-", str(tmp_path / "h.edn"), stdin=EVENTS.encode())
    assert done.returncode == 0, done.stderr
    assert ":f :write" in (tmp_path / "h.edn").read_text()


def test_decode_and_messages_read_standard_input(tmp_path):
    target = tmp_path / "m.sqlite"
    done = raftmon("decode", "-", "-o", str(target), stdin=HEAD.read_bytes())
    assert done.returncode == 0, done.stderr
    from_file, from_pipe = (
        raftmon("messages", source, "--stats", stdin=data).stdout
        for source, data in ((str(target), b""), ("-", HEAD.read_bytes()))
    )
    assert from_file
    assert from_pipe == from_file
    nowhere = raftmon("decode", "-", stdin=HEAD.read_bytes())
    assert nowhere.returncode == 64
    assert b"-o" in nowhere.stderr


@pytest.mark.parametrize("command", ["check", "convert"])
def test_a_pipe_by_name_is_read_once(command, tmp_path, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = subprocess.Popen([sys.executable, "-c", f"open({str(pipe)!r}, 'w').write({EVENTS!r})"])
    assert main([command, str(pipe), *([str(tmp_path / "h.edn")] if command == "convert" else [])]) == 0
    assert writer.wait(30) == 0


def test_a_pipe_that_nobody_writes_to_is_named_while_it_is_waited_for(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(standard_input, "_SAID_AFTER_S", 0.05)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said = threading.Event()
    monkeypatch.setattr(standard_input.sys, "stderr", Told(said))

    def write():
        assert said.wait(30)
        pipe.write_text(EVENTS)

    writer = threading.Thread(target=write)
    writer.start()
    assert main(["check", str(pipe)]) == 0
    writer.join()


class Told:
    """A stream that sets an event when it is told what is waited for."""

    def __init__(self, said):
        self._said = said

    def write(self, text):
        if "waiting until a program opens the pipe" in text:
            self._said.set()
        return len(text)

    def flush(self):
        pass

    def isatty(self):
        return False


def test_the_line_of_progress_estimates_what_is_left_or_says_the_bound():
    assert progress_line("reading h", 3.0, 0.25, None) == "reading h: 25%, about 9 s left"
    assert progress_line("checking (register)", 3.2, None, 60.0) == "checking (register): 3 s of at most 60 s"
    assert progress_line("reading h", 3.2, None, None) == "reading h: 3 s"


def test_a_terminal_sees_the_progress_of_what_lasts_and_a_file_does_not():
    code = (
        "import os, pty, sys\n"
        "pid, fd = pty.fork()\n"
        "if pid == 0:\n"
        "    from raftmon.driver.cli import progress as p\n"
        "    p._FIRST_S = p._EVERY_S = 0.01\n"
        "    import signal\n"
        "    with p.progress('reading h', lambda: 0.5):\n"
        "        signal.pause()\n"
        "    os._exit(0)\n"
        "data = b''\n"
        "while True:\n"
        "    try:\n"
        "        part = os.read(fd, 4096)\n"
        "    except OSError:\n"
        "        break\n"
        "    if not part: break\n"
        "    data += part\n"
        "os.waitpid(pid, 0)\n"
        "sys.stdout.buffer.write(data)\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, timeout=60)
    assert b"reading h: 50%, about 0 s left" in done.stdout, done.stderr
    assert done.stdout.endswith(b"\r\x1b[K")
