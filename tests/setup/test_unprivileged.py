"""The promise of issue 2, kept by doing: an unprivileged user, a fresh clone, ``make``, no root at all."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from raftmon.setup import sandbox

ROOT = Path(__file__).parents[2]
USER = "raftmon-test"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or sandbox.inside() or not shutil.which("useradd") or not (ROOT / ".git").exists(),
    reason="needs the host's root (to make another user) and a git checkout",
)


@pytest.fixture(scope="module")
def user():
    """A new user with a fresh clone in its home; both are gone afterwards."""
    subprocess.run(["useradd", "--create-home", USER], check=True)
    try:
        entry = pwd.getpwnam(USER)
        clone = Path(entry.pw_dir) / "raftmon"
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", f"file://{ROOT}", clone], check=True)
        subprocess.run(["chown", "-R", f"{USER}:", clone], check=True)
        yield entry, clone
    finally:
        subprocess.run(["userdel", "--remove", "--force", USER], check=True, capture_output=True)


def as_user(user, *command):
    """Run a command in the clone without any privilege, and with nobody's environment."""
    entry, clone = user
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "http", "HTTP"))}
    return subprocess.run(
        ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", "--bounding-set=-all",
         "--no-new-privs", *command],
        cwd=clone,
        env={**kept, "HOME": entry.pw_dir, "PATH": "/usr/local/bin:/usr/bin:/bin", "USER": USER},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )  # fmt: skip


@pytest.mark.servers
def test_make_run_works_from_a_fresh_clone_without_root(user):
    entry, clone = user
    doctor = as_user(user, "make", "doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "raftmon can run here" in doctor.stdout
    run = as_user(user, "make", "run", "ARGS=--duration 5")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "VALID" in run.stdout
    files = [path for folder in ("store", ".venv", ".cache") for path in (clone / folder).rglob("*")]
    assert files
    assert {path.lstat().st_uid for path in files} == {entry.pw_uid}
