"""What a user gets wrong is answered with one sentence and exit status 64, before anything is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from raftmon.driver.cli import main
from raftmon.driver.cli.commands import COMMANDS
from raftmon.driver.run_folder import RunFolder

SERVER = ["--server", "/bin/true"]


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    try:
        status = main(words)
    except SystemExit as left:  # argparse's own way out
        status = left.code
    assert status == 64
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--fault", "kill-everything"], "unknown fault 'kill-everything': did you mean"),
        (["--nodes", "0"], "--nodes is 0: a run needs at least 1"),
        (["--nodes", "251"], "--nodes is 251: a run needs at least 1 and takes at most 64"),
        (["--clients", "0"], "--clients is 0"),
        (["--client-hosts", "9"], "--client-hosts is 9 but --clients only 5"),
        (["--duration", "soon"], "--duration: 'soon' is not a duration"),
        (["--duration", "0"], "--duration is 0 s"),
        (["--rate", "-1"], "--rate is -1"),
        (["--nodes", "three"], "argument --nodes: invalid int value: 'three'"),
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["--system", "oracle"], "unknown system 'oracle' (available: etcd"),
        (["--system", "./nowhere.py"], "there is no file nowhere.py"),
        (["--workload", "sorting"], "unknown workload 'sorting'"),
        (["--rule", "when MsgSnap -> n3"], "lacks its rule: write when TRIGGER: RULE"),
        (["--rule", "when n9 is catching up: n1->n2 drop"], "unknown host 'n9' in the trigger"),
        (["--rule", "when term > 5: n1->n2 dorp"], "did you mean 'drop'"),
        (["--lie", "stale-read"], "--lie is for --system memory alone"),
        (["--no-monitor"], "--fault needs the monitor"),
        (["--replay", "19700101"], "no run in"),
    ],
)
def test_run_refuses(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    own_server = [] if "--system" in words or "--lie" in words else SERVER
    said = refused(capsys, "run", "--store", str(tmp_path), *own_server, *words)
    assert sentence in said
    assert not list(tmp_path.iterdir()), "nothing was made"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nonsense.bin"], "'nonsense.bin' is no option of raftmon run: raftmon compare makes its runs itself"),
        (["--systems", "memory,oracle"], "unknown system 'oracle'"),
        (["--systems", "memory", "--", "--fault", "kill-everything"], "was refused: unknown fault 'kill-everything'"),
    ],
)
def test_compare_refuses(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert sentence in refused(capsys, "compare", "--store", str(tmp_path), *words)
    assert not list(tmp_path.iterdir()), "nothing was made"


@pytest.mark.parametrize("server", ["/no/such/etcd", "/etc/passwd", "etcd@1.2.3"])
def test_a_server_that_is_not_there_is_named(server: str, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    said = refused(capsys, "run", "--store", str(tmp_path), "--server", server)
    assert server in said


def test_a_store_that_cannot_be_written_is_said_at_once(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "file").write_text("")
    said = refused(capsys, "run", "--system", "memory", "--store", str(tmp_path / "file" / "store"))
    assert "cannot be written" in said
    assert "give --store a folder that you can write" in said


def test_a_name_that_no_test_has_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    said = refused(capsys, "test", "sanity", "-k", "no_such_name", "--store", str(tmp_path))
    assert "no test of the script has a name that fits -k" in said


def test_an_unknown_command_names_those_there_are(capsys: pytest.CaptureFixture[str]):
    assert "unknown command 'fly'" in refused(capsys, "fly")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert f"raftmon {command}" in text.split("example:")[1]


@pytest.mark.parametrize("full", [("stdout",), ("stderr",), ("stdout", "stderr")])
@pytest.mark.parametrize("lines", [1, 1000])
def test_output_that_cannot_be_written_is_no_verdict(tmp_path: Path, full: tuple[str, ...], lines: int) -> None:
    # 1 would say *invalid*, and Python's own 120 nothing.
    code = (
        "import sys, types; from raftmon.driver import cli; "
        "module = types.SimpleNamespace(parser=lambda: cli.CommandParser('check', '', 'x'), main=None)\n"
        "def work(arguments):\n"
        f" print('x\\n' * {lines})\n"
        " print('y', file=sys.stderr, flush=True)\n"
        " return 0\n"
        "module.main = work; cli.importlib.import_module = lambda name: module; sys.exit(cli.main(['check']))"
    )
    with open("/dev/full", "w") as sink:
        streams = {name: sink if name in full else subprocess.PIPE for name in ("stdout", "stderr")}
        done = subprocess.run([sys.executable, "-c", code], **streams, cwd=Path(__file__).parents[3], text=True)
    assert done.returncode == 70
    if full == ("stdout",):
        assert done.stderr.endswith(
            "raftmon check: cannot write the output: No space left on device; make room and try again\n"
        )
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--rate", "nan"], "--rate is nan"),
        (["--rate", "inf"], "--rate is inf"),
        (["--rate", "1e400"], "--rate is inf"),
        (["--op-timeout", "99999999h"], "at most 1 h"),
        (["--keys", "99999999999999999999"], "takes at most 1,000,000"),
        (["--nodes", "200"], "takes at most 64"),
        (["--clients", "1000000"], "takes at most 10,000"),
        (["--pin", "n9"], "--pin: unknown node 'n9' (available: n1, n2, n3)"),
        (["--workload", "register", "--arrival", "never"], "arrival"),
        (["--name", "../../../etc/x"], "is no name for a run"),
        (["--name", "/x"], "is no name for a run"),
        (["--nodes", "1", "--fault", "halves@0.1s..0.5s"], "--fault halves cannot be done here: halves needs at least"),
        (["--nodes", "2", "--fault", "kill-minority@0.1s..0.5s"], "cannot be done here"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_before_anything_starts(words, sentence, tmp_path, capsys):
    run = ["run", *SERVER, "--duration", "1", "--store", str(tmp_path / "store")]
    assert sentence in refused(capsys, *run, *words)
    assert list(tmp_path.iterdir()) == []


def test_clean_asks_and_removes_nothing_where_nobody_answers(tmp_path, capsys):
    folder = RunFolder.create(tmp_path, "etcd")
    assert main(["clean", "--store", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "nothing was removed" in told
    assert f"1 run in {tmp_path}, 0.0 MB" in told
    assert folder.path.is_dir()
    assert main(["clean", "--yes", "--store", str(tmp_path)]) == 0
    assert not folder.path.exists()


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), BlockingIOError(11, "Resource temporarily unavailable")]
)
def test_a_limit_of_processes_is_said_in_a_sentence(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("raftmon.driver.run.phases.run", fail)
    assert main(["run", "--system", "memory", "--store", str(tmp_path)]) == 70
    captured = capsys.readouterr()
    assert captured.err.endswith(
        "raftmon run: this user may start no more processes or threads: raise `ulimit -u`, or end some\n"
    )
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("command", ["check", "convert", "decode", "messages"])
def test_a_device_is_no_file(command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    more = [str(tmp_path / "out.edn")] if command == "convert" else []
    said = refused(capsys, command, "/dev/random", *more)  # without end
    assert "/dev/random is a device: give a file, a pipe, or - for standard input" in said


def test_a_capture_that_breaks_off_says_so_wherever_it_is_read(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    head = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000") + bytes(8) + b"\xff\xff\xff\x7f" * 2
    (tmp_path / "absurd.pcap").write_bytes(head)
    assert main(["messages", str(tmp_path / "absurd.pcap")]) == 0
    assert "reading ended early: packet 1 claims to hold 2,147,483,647 bytes" in capsys.readouterr().err


@pytest.mark.parametrize("config", ["[]", "3", '{"config": 3, "nodes": [1]}', '{"config": [], "nodes": null}'])
def test_explain_bears_a_configuration_of_other_types(config: str, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main(["run", "--system", "memory", "--duration", "1", "--store", str(tmp_path), "--json"]) == 0
    folder = (tmp_path / "latest").resolve()
    (folder / "config.json").write_text(config)
    assert main(["explain", str(folder)]) == 0
    assert "nothing to explain" in capsys.readouterr().out
