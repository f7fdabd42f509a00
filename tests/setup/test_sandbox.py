import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from raftmon.setup import sandbox, sandbox_init

ROOT = Path(__file__).parents[2]
PREAMBLE = "import sys; from raftmon.setup import sandbox; sandbox.enter(); import os\n"
OUTLIVES = "import subprocess, signal; subprocess.Popen(['sleep', '987654'], start_new_session=True)\n"


def default_signals():
    # Under nohup, and in the background of a script, both are inherited as ignored.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(program, **options):
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + program],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        preexec_fn=default_signals,
        **options,
    )


def processes_of(token):
    """Living processes with ``token`` in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("RAFTMON_TEST") == token and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_the_command_runs_again_inside_with_its_arguments_folder_and_environment():
    process = start(
        "print(sandbox.inside(), sys.argv[1:], os.getcwd(), os.environ['PYTHONDONTWRITEBYTECODE'], os.geteuid())",
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert process.communicate(timeout=30)[0].split(maxsplit=1)[0] == "True"
    assert process.returncode == 0


def test_run_and_proc_are_private_and_loopback_is_up():
    process = start(
        "import socket; socket.create_server(('127.0.0.1', 0)); os.listdir('/run/netns')\n"
        "print(sorted(os.listdir('/run')), sorted(filter(str.isdigit, os.listdir('/proc'))), os.getpid())"
    )
    assert process.communicate(timeout=30)[0].strip() == "['netns', 'raftmon-sandbox'] ['1', '2'] 2"


def test_network_mount_and_pid_namespaces_are_new():
    process = start("print(*(os.readlink('/proc/self/ns/' + kind) for kind in ('net', 'mnt', 'pid')))")
    inner = process.communicate(timeout=30)[0].split()
    ours = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "mnt", "pid")]
    assert len(inner) == 3
    assert not set(inner) & set(ours)


def test_a_marker_from_elsewhere_does_not_deceive(monkeypatch):
    monkeypatch.setenv(sandbox_init.MARKER_VARIABLE, "0123456789abcdef")
    assert not sandbox.inside() or Path(sandbox_init.MARKER_FILE).read_text() == "0123456789abcdef"
    process = start("print(os.getpid())")
    assert process.communicate(timeout=30)[0].strip() == "2"


@pytest.mark.parametrize(("ending", "status"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 128 + 9), ("", 0)])
def test_the_exit_status_is_the_commands(ending, status):
    process = start(ending)
    process.communicate(timeout=30)
    assert process.returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_outer_process_reaches_the_command_once(number):
    process = start(
        f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [{number}])\n"
        "print('ready', flush=True)\n"
        f"print(int(signal.sigwait([{number}])), signal.sigtimedwait([{number}], 0.2), flush=True)"
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.communicate(timeout=30)[0] == f"{number} None\n"
    assert process.returncode == 0


def test_a_ctrl_c_at_the_terminal_reaches_the_command_once():
    import pty

    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, termios, os\n"
            "if 'RAFTMON_SANDBOX' not in os.environ: fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
            + PREAMBLE
            # Blocked and waited for: a handler and pause() miss a signal that comes between the two.
            + "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [2]); print('ready', flush=True)\n"
            "print('got', int(signal.sigwait([2])), signal.sigtimedwait([2], 0.2), flush=True)",
        ],
        stdin=terminal,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=default_signals,
    )
    os.close(terminal)
    assert process.stdout.readline() == "ready\n"
    os.write(control, b"\x03")
    assert process.communicate(timeout=30)[0] == "got 2 None\n"
    os.close(control)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_lives_on_when_the_outer_process_is_ended(number):
    token = f"{os.getpid()}-{number}"
    process = start(OUTLIVES + "print('ready', flush=True); signal.pause()", env={**os.environ, "RAFTMON_TEST": token})
    assert process.stdout.readline() == "ready\n"
    victims = processes_of(token)
    assert len(victims) == 4  # the outer process, pid 1, the command, the one it left behind
    process.send_signal(number)
    process.wait(timeout=30)
    psutil.wait_procs(victims, timeout=30)
    assert processes_of(token) == []


@pytest.mark.parametrize("depth", [1, 2], ids=["pid 1", "the command"])
def test_a_signal_ends_what_was_stopped(depth):
    process = start("import signal; print('ready', flush=True); signal.pause()")
    assert process.stdout.readline() == "ready\n"
    inside = psutil.Process(process.pid)
    for _ in range(depth):
        (inside,) = inside.children()
    inside.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 128 + signal.SIGTERM


def test_a_process_left_behind_ends_with_the_command():
    token = f"{os.getpid()}-end"
    process = start(OUTLIVES, env={**os.environ, "RAFTMON_TEST": token})
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert processes_of(token) == []


def test_a_command_that_does_not_exist_ends_with_127():
    done = subprocess.run(sandbox.sandboxed(["/nonexistent"]), capture_output=True, text=True, check=False)
    assert done.returncode == 127
    assert "cannot start /nonexistent: No such file" in done.stderr


def test_a_machine_that_forbids_namespaces_is_told_in_one_sentence():
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from raftmon.setup import sandbox_init as init\n"
        "def refuse(flags): raise PermissionError(1, 'Operation not permitted')\n"
        "init.make_namespaces = refuse; sys.exit(init.run(print))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert done.stderr.splitlines() == [
        "raftmon: this machine did not let the sandbox be made (Operation not permitted); "
        "raftmon doctor says what is missing and what to change"
    ]


@pytest.mark.skipif(os.geteuid() != 0 or sandbox.inside(), reason="needs the host's root")
def test_under_sudo_files_are_given_to_the_caller(tmp_path, monkeypatch):
    folder = tmp_path / "store"
    (folder / "run").mkdir(parents=True)
    (folder / "run" / "history.jsonl").touch()
    (folder / "latest").symlink_to("/etc/passwd")
    owner_of_target = os.stat("/etc/passwd").st_uid
    monkeypatch.setenv("SUDO_UID", "12345")
    monkeypatch.setenv("SUDO_GID", "12346")
    sandbox.own_to_caller(folder)
    for path in (folder, folder / "run", folder / "run" / "history.jsonl", folder / "latest"):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (12345, 12346)
    assert os.stat("/etc/passwd").st_uid == owner_of_target


@pytest.mark.skipif(os.geteuid() != 0 or sandbox.inside(), reason="needs the host's root")
def test_under_sudo_nothing_of_others_changes_hands(tmp_path, monkeypatch):
    run = tmp_path / "store" / "run"
    run.mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_text("root's")
    theirs = run / "theirs"
    theirs.write_text("somebody's")
    os.chown(theirs, 4321, 4321)
    os.link(secret, run / "hard")
    (run / "soft").symlink_to(secret)
    (run / "folder").symlink_to(tmp_path)
    monkeypatch.setenv("SUDO_UID", "12345")
    monkeypatch.setenv("SUDO_GID", "12346")
    sandbox.own_to_caller(run)
    assert run.stat().st_uid == 12345
    assert secret.stat().st_uid == 0
    assert theirs.stat().st_uid == 4321
    assert tmp_path.stat().st_uid == (tmp_path / "store").stat().st_uid == 0
    sandbox.own_to_caller(tmp_path / "store", alone=True)
    assert (tmp_path / "store").stat().st_uid == 12345
