"""What a command finds around it: closed streams, a folder that is gone, limits."""

import subprocess
import sys
import time

import psutil
import pytest

RUN = f"{sys.executable} -m raftmon.driver.cli run --system memory --duration 1 --store"


def shell(command, tmp_path):
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, timeout=60)


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&- <&-"])
def test_closed_streams_change_no_exit_status(tmp_path, closed):
    done = shell(f"{RUN} {tmp_path}/s {closed}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert next((tmp_path / "s").glob("*/*/results.json")).read_bytes().startswith(b"{")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (f"ulimit -n 8; {RUN} s", "raise `ulimit -n`"),
        (f"ulimit -f 1; {RUN} s", "what the run writes finds no room ([Errno 27] File too large)"),
        (f"mkdir gone; cd gone; rmdir ../gone; {RUN} s", "the folder in which you are has been removed: cd to another"),
        (f"{RUN} s >/dev/full", "what the run writes finds no room ([Errno 28] No space left on device)"),
    ],
)
def test_a_limit_that_is_met_is_said_in_a_sentence(tmp_path, command, words):
    done = shell(command, tmp_path)
    assert done.returncode == 70
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_latest_that_points_out_of_the_store_is_not_followed(tmp_path):
    (tmp_path / "latest").symlink_to("/etc")
    done = shell(f"{sys.executable} -m raftmon.driver.cli check --store {tmp_path}", tmp_path)
    assert done.returncode == 64
    assert "points to /etc, out of the store: name a run's folder" in done.stderr


@pytest.mark.parametrize("words", [["test", "sanity"], ["compare", "--systems", "memory"]], ids=lambda words: words[0])
def test_what_a_command_started_ends_with_it(tmp_path, words):
    more = ["--system", "memory"] if words[0] == "test" else ["--", "--duration", "60"]
    command = [sys.executable, "-m", "raftmon.driver.cli", *words, "--store", str(tmp_path), *more]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = []
    while process.poll() is None and not any(tmp_path.iterdir()):  # until the child has begun a run
        started = psutil.Process(process.pid).children(recursive=True) or started
        time.sleep(0.02)
    assert process.poll() is None
    process.kill()
    process.wait(timeout=30)
    assert started
    assert psutil.wait_procs(started, timeout=30)[1] == []
